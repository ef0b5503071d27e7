/**
 * Owns the seed of everything that tests draw at random: the same in each run, so that a change is judged by what it
 * changed; another in each run of `npm run faults`, which looks for what nobody has seen; WEIR_SEED takes a printed one.
 */
const everyRun = 20261121;

export const seed = Number(process.env["WEIR_SEED"] ?? (process.env["WEIR_TEST_LEVEL"] === "faults" ? Math.floor(Math.random() * 2 ** 31) : everyRun));
