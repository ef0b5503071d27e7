/** Owns `npm run bench`: what Weir costs beside a bare pipe, in one run on one machine (README.md here says how to read it). */
import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";
import { Argument, Command } from "commander";
import { usagePerReply } from "./exchange.ts";
import { Figures, type Phase, type Target } from "./figures.ts";
import { measureSyncMs } from "./disk-sync.ts";
import { loads, type LoadName, type LoadOrder, type LoadResult } from "./loads.ts";
import { measureByName, measurementNames } from "./measurements.ts";
import { canPin, gatewayCpus, Helper, otherCpus, pin } from "./pinned-process.ts";
import { readCpuUseOf } from "./process-cpu.ts";
import { markdown, type Check, type Run } from "./report.ts";
import { startWeirApart, startWeirTogether, type BenchedWeir } from "./weir-process.ts";

const command = new Command("npm run bench --")
  .description("Print what Weir costs beside a bare pipe in the same run, or measure something else, by its name (test/bench/README.md).")
  .addArgument(new Argument("[names...]").choices(measurementNames))
  .option("--quick", "take a minute, to see whether it works, not what it costs", false)
  .option("--json", "print every phase and round in place of the tables", false)
  .parse();
const options = command.opts<{ readonly quick: boolean; readonly json: boolean }>();
if (command.args.length > 0) {
  for (const name of command.args) measureByName(name, options);
  process.exit();
}
const rounds = options.quick ? 1 : 3;
const phaseMs = options.quick ? 1_500 : 4_000;
const warmUpMs = options.quick ? 1_500 : 3_000;
/** V8 goes on compiling through Weir's first 20,000 requests or so. */
const firstWarmUpMs = options.quick ? 4_000 : 15_000;

/** A phase is played again while the gateway's CPU is this much slower than at the run's best, a few times at most. */
const slowFactor = 1.2;
const maximumTries = options.quick ? 1 : 3;

const commit = readCommit();
if (process.platform !== "linux") throw new Error("The bench reads /proc: run it on Linux.");
pin(otherCpus, process.pid);
const upstream = await Helper.start<object, { served: number }>(otherCpus, "upstream.ts");
const pipe = await Helper.start(gatewayCpus, "pipe.ts", [`http://127.0.0.1:${upstream.port}`]);
const loader = await Helper.start<LoadOrder, LoadResult>(otherCpus, "load.ts");
const calibrator = await Helper.start<object, { tookMs: number }>(gatewayCpus, "calibrator.ts");
const weirs: Partial<Record<Target, BenchedWeir>> = { together: await startWeirTogether(upstream.port), apart: await startWeirApart(upstream.port) };
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop().finally(() => process.exit(130)));

const portOf: Readonly<Record<Target, number>> = { direct: upstream.port, pipe: pipe.port, together: weirs.together!.port, apart: weirs.apart!.port };
const targetNames = Object.keys(portOf) as Target[];
const loadNames = Object.keys(loads) as LoadName[];
const sent: Record<Target, number> = { direct: 0, pipe: 0, together: 0, apart: 0 };
const failures: string[] = [];
let bestCalibrationMs = Infinity;
let repeatedPhases = 0;

try {
  const run = await measure();
  console.log(options.json ? JSON.stringify({ ...run, goals: new Figures(run.phases).goals(run.syncsMs) }, undefined, 2) : markdown(run));
  if (run.failures.length > 0) process.exitCode = 1;
} finally {
  await stop();
}

async function measure(): Promise<Run> {
  tell("warming up");
  for (const target of targetNames) await play("unarySaturated", target, firstWarmUpMs);
  for (const load of loadNames) for (const target of targetNames) await play(load, target, warmUpMs);
  const phases: Phase[] = [];
  const syncsMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    syncsMs.push(measureSyncMs(weirs.together!.dataDirectory));
    for (const load of loadNames) {
      tell(`round ${round + 1} of ${rounds}: ${loads[load].name}`);
      for (const target of targetNames) phases.push({ round, load, target, ...(await playInCalm(load, target)) });
    }
  }
  const checks = await countAgain();
  const slowPhases = phases.filter(({ slowness }) => slowness > slowFactor).length;
  return { commit, machine: machine(), placement: placement(), rounds, phaseMs, repeatedPhases, slowPhases, syncsMs, phases, checks, failures };
}

type Played = Omit<Phase, "round" | "load" | "target" | "slowness">;

/** Plays again while the machine is slow; the calmest time counts. */
async function playInCalm(load: LoadName, target: Target): Promise<Played & Pick<Phase, "slowness">> {
  const tries: { played: Played; calibrationMs: number }[] = [];
  for (;;) {
    const before = await calibrator.ask({});
    const played = await play(load, target, phaseMs);
    const after = await calibrator.ask({});
    bestCalibrationMs = Math.min(bestCalibrationMs, before.tookMs, after.tookMs);
    tries.push({ played, calibrationMs: Math.max(before.tookMs, after.tookMs) });
    const calmest = tries.toSorted((one, other) => one.calibrationMs - other.calibrationMs)[0]!;
    const slowness = calmest.calibrationMs / bestCalibrationMs;
    if (slowness <= slowFactor || tries.length === maximumTries) return { ...calmest.played, slowness };
    repeatedPhases++;
  }
}

async function play(load: LoadName, target: Target, durationMs: number): Promise<Played> {
  const weir = weirs[target];
  const pids = weir?.pids ?? (target === "pipe" ? [pipe.pid] : []);
  const before = readCpuUseOf(pids);
  const result = await loader.ask({ port: portOf[target], key: weir?.key ?? "none", ofWeir: weir !== undefined, load: loads[load], durationMs });
  sent[target] += result.replies;
  for (const [failure, count] of Object.entries(result.failures)) failures.push(`${loads[load].name}, ${target}: ${count} times ${failure}`);
  // What a request costs includes its posting, which ends after its reply.
  await weir?.ledgerWith(sent[target]);
  if (pids.length === 0) return { ...result, cpuMicros: undefined, childrenCpuMicros: undefined };
  const after = readCpuUseOf(pids);
  return {
    ...result,
    cpuMicros: (after.ownMicros - before.ownMicros) / result.replies,
    childrenCpuMicros: (after.childrenMicros - before.childrenMicros) / result.replies,
  };
}

/** Asks those who took the requests how many there were; what differs from what was sent spoils the run. */
async function countAgain(): Promise<readonly Check[]> {
  const { served } = await upstream.ask({});
  const ofUpstream = { name: "requests at the upstream", found: served, expected: targetNames.reduce((sum, target) => sum + sent[target], 0) };
  const ofWeirs = await Promise.all(Object.entries(weirs).map(([target, weir]) => countAt(weir, target, sent[target as Target])));
  const checks = [ofUpstream, ...ofWeirs.flat()];
  failures.push(...checks.filter(({ found, expected }) => found !== expected).map(({ name, found, expected }) => `${name}: ${found}, not ${expected}`));
  return checks;
}

async function countAt(weir: BenchedWeir, name: string, expected: number): Promise<readonly Check[]> {
  const ledger = await weir.ledgerWith(expected);
  return [
    { name: `${name}: attempts in the ledger`, found: ledger.attempts, expected },
    { name: "failed, orphaned or unpriced ones", found: ledger.failed + ledger.orphaned + ledger.unpriced, expected: 0 },
    { name: "input tokens in the ledger", found: ledger.inputTokens, expected: expected * usagePerReply.inputTokens },
    { name: "output tokens in the ledger", found: ledger.outputTokens, expected: expected * usagePerReply.outputTokens },
    { name: "requests in the log", found: await weir.countLoggedRequests(), expected },
  ];
}

async function stop(): Promise<void> {
  for (const weir of Object.values(weirs)) await weir.stop();
  for (const helper of [loader, pipe, upstream, calibrator]) helper.stop();
}

/** Of the code as it is now: somebody may go on with it while the bench runs. */
function readCommit(): string {
  const git = (...words: string[]): string => execFileSync("git", words, { encoding: "utf8", cwd: import.meta.dirname }).trim();
  return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : " with uncommitted changes"}`;
}

function machine(): string {
  return `${cpus().length} × ${cpus()[0]!.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.versions.node}`;
}

function placement(): string {
  return canPin ? `The gateway (Weir's own processes, or the pipe) alone on CPU ${gatewayCpus}; upstream, loader and PostgreSQL on CPU ${otherCpus}` : "Processes not kept to CPUs";
}

function tell(progress: string): void {
  console.error(progress);
}
