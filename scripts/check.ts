/** Owns `npm run check`: everything that can be said about the code without running it. */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { delimiter, join, resolve } from "node:path";

interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

interface Outcome {
  readonly check: Check;
  readonly passed: boolean;
  readonly seconds: string;
  readonly output: string;
}

// The slow ones first, so that none of them is left to run alone at the end.
const checks: readonly Check[] = [
  { name: "lint and boundaries", command: ["oxlint", "--type-aware", "--deny-warnings"] },
  { name: "unused code", command: ["knip", "--no-progress"] },
  { name: "generated code", command: ["node", "scripts/check-generated-code.ts"] },
  { name: "types", command: ["tsc", "-p", "."] },
  { name: "types of the console", command: ["tsc", "-p", "services/console"] },
  { name: "config schema", command: ["node", "scripts/generate-config-schema.ts", "--check"] },
  { name: "method rules", command: ["node", "scripts/check-method-rules.ts"] },
  { name: "proto lint", command: ["buf", "lint"] },
  { name: "proto format", command: ["buf", "format", "--path", "proto/weir", "--diff", "--exit-code"] },
];

const timeoutMs = 300_000;
const maximumOutputBytes = 64 * 1024;

const root = resolve(import.meta.dirname, "..");
const startMs = performance.now();
const results = await runAll(checks, Math.min(availableParallelism(), checks.length));
const failed = results.filter(({ passed }) => !passed);
for (const { check, output } of failed) console.log(`\n── ${check.name}: ${check.command.join(" ")}\n${output.trim()}`);
const summary = `${results.length - failed.length} checks passed, ${failed.length} failed, in ${secondsSince(startMs)} s`;
console.log(failed.length === 0 ? `\n${summary}` : `\n${summary}: ${failed.map(({ check }) => check.name).join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** All outcomes, with so many checks at once; each is told as soon as it is known. */
async function runAll(queue: readonly Check[], workers: number): Promise<Outcome[]> {
  const waiting = [...queue];
  const outcomes: Outcome[] = [];
  const work = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const outcome = await run(check);
      console.log(`${outcome.passed ? "ok    " : "FAILED"}  ${check.name} (${outcome.seconds} s)`);
      outcomes.push(outcome);
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return outcomes;
}

function run(check: Check): Promise<Outcome> {
  const [program, ...parameters] = check.command;
  const begunMs = performance.now();
  return new Promise((done) => {
    const child = spawn(program === "node" ? process.execPath : program, parameters, {
      cwd: root,
      env: { ...process.env, PATH: [join(root, "node_modules", ".bin"), process.env["PATH"]].join(delimiter) },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    let output = "";
    const keep = (chunk: Buffer): void => {
      if (output.length < maximumOutputBytes) output += chunk.toString("utf8");
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const finish = (passed: boolean, ending: string): void => done({ check, passed, seconds: secondsSince(begunMs), output: `${output}${ending}` });
    child.on("error", (error) => finish(false, `could not be started: ${error.message}; is \`npm ci\` done?`));
    child.on("close", (code, signal) => finish(code === 0, code === 0 ? "" : `\n(ended by ${signal === null ? `exit code ${code}` : `${signal}; the bound is ${timeoutMs / 1000} s`})`));
  });
}

function secondsSince(beginMs: number): string {
  return ((performance.now() - beginMs) / 1000).toFixed(1);
}
