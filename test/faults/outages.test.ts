/**
 * Owns the proof of what goes on while something that Weir stands on is away or has lost its disk, and that the ledger is right afterwards.
 * Seconds of each by `npm run test:full`, minutes by `npm run faults`; WEIR_SEED takes a printed seed again.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { JournalState, type Journal } from "#gen/weir/metering/v1/journal_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { callOnce, linesByModel } from "../harness/callers.ts";
import { seededRandom } from "../harness/random.ts";
import { seed } from "../harness/seed.ts";
import { proveLedger } from "./ledger-proof.ts";
import { natsProgram, openProvingGround, type ProvingGround } from "./proving-ground.ts";
import { startSteadyLoad, type Failure, type SteadyLoad } from "./steady-load.ts";

const level = process.env["WEIR_TEST_LEVEL"];
const isLong = level === "faults";
/** A machine that others use too has to keep up: a caller who waits for too long has failed. */
const requestsPerSecond = isLong ? 100 : 40;
const natsAwayMs = isLong ? 120_000 : 10_000;
/** Full some seconds, or minutes, after PostgreSQL is away. The other drills have all the room that there is without being asked for. */
const smallJournalBytes = (isLong ? 24 : 1) * 2 ** 20;
const silenceMs = 12_000;
/** How long a report may be under way, so old may be what it says. */
const reportWithinMs = 2_000;
const paidPerSecond = 10;
/** As many have a price. */
const paidCalls = 5_000;
const patience = { timeout: isLong ? 900_000 : 400_000 };

let ground: ProvingGround;

describe.skipIf(level === undefined)("outages under load", () => {
  beforeAll(async () => {
    console.log(`WEIR_SEED=${seed}`);
    const prices = Object.fromEntries(Array.from({ length: paidCalls }, (_, place) => [`openai/paid-${place}`, { input: "1", output: "10" }]));
    ground = await openProvingGround({ config: { prices, limits: { lost_journal_after: `${silenceMs / 1_000}s` } } });
  }, 120_000);
  afterAll(async () => {
    await ground?.stop();
  });

  test.skipIf(natsProgram === undefined)("JetStream loses its storage under load: no request fails, nothing is lost and nothing stands twice", patience, async () => {
    const nats = ground.nats!;
    const load = startLoad("storage");
    for (let loss = 0; loss < (isLong ? 10 : 2); loss++) {
      await load.answers(100);
      await nats.kill();
      await nats.loseStorage();
      await nats.start();
    }
    await load.answers(100);
    await load.stop();
    expect(load.failures).toEqual([]);
    print("JetStream's storage lost", await proveLedger(ground, { model: "storage", patienceMs: 60_000 }));
  });

  test.skipIf(natsProgram === undefined)(`NATS is away for ${natsAwayMs / 1_000} s: no request fails, and 30 s after its return the ledger has all of that time`, patience, async () => {
    const load = startLoad("nats");
    await load.answers(50);
    await ground.nats!.kill();
    await pause(natsAwayMs);
    await ground.nats!.start();
    const returned = performance.now();
    const backlog = (await ground.served()).map(({ model }) => model);
    await expect.poll(async () => missingOf(backlog), { timeout: 30_000, interval: 500 }).toEqual([]);
    const catchUpMs = performance.now() - returned;
    await load.stop();
    expect(load.failures).toEqual([]);
    print(`NATS away for ${natsAwayMs / 1_000} s, backlog gone after ${(catchUpMs / 1_000).toFixed(1)} s`, await proveLedger(ground, { model: "nats", patienceMs: 60_000 }));
  });

  test("PostgreSQL is away: calls without a budget go on while the journal has room, those with one within their leases, then all are refused as unavailable", patience, async () => {
    await restartWithJournalOf(smallJournalBytes);
    const free = startLoad("free");
    const paid = startLoad("paid", await budgetedKey(), paidPerSecond);
    await Promise.all([free.answers(100), paid.answers(25)]);
    const stoppedMs = Date.now();
    const refused = ({ failures }: SteadyLoad): Failure[] => failures.filter(({ timeMs }) => timeMs >= stoppedMs);
    await ground.postgres.stop();
    await paid.answers(20);
    await expect.poll(() => refused(free).length, { timeout: patience.timeout }).toBeGreaterThan(50);
    await ground.postgres.start();
    await Promise.all([free.answers(100), paid.answers(25)]);
    await Promise.all([free.stop(), paid.stop()]);

    expect(wordsOf(refused(free))).toEqual(["503 JOURNAL_FULL"]);
    expect(wordsOf(refused(paid)).filter((words) => words !== "503 JOURNAL_FULL" && words !== "503 DEPENDENCY_UNAVAILABLE")).toEqual([]);
    const fullAfterMs = refused(free)[0]!.timeMs - stoppedMs;
    print(`PostgreSQL away, journal full after ${(fullAfterMs / 1_000).toFixed(1)} s, ${refused(free).length} refused`, await proveLedger(ground, { model: "free", patienceMs: 60_000 }));
    print("with a budget", await proveLedger(ground, { model: "paid", patienceMs: 60_000 }));
    expect(await ground.weir.client(PolicyService).checkBudgets({})).toMatchObject({ differences: [], leaseDifferences: [] });
  });

  test("a process of providers dies with its journal's disk: what was open in it stands as orphaned after the bound, and its loss is on record", patience, async () => {
    const load = startLoad("disk");
    const streams = Array.from({ length: 5 }, () => callOnce(ground.weir.origin, ground.weir.inferenceKey, 600));
    await load.answers(100);
    const begunMs = Date.now();
    await expect.poll(async () => timestampMs((await openJournals())[0]!.reportTime!), { timeout: 30_000 }).toBeGreaterThan(begunMs);
    const { journalId } = (await openJournals())[0]!;
    await ground.apart.process("providers").stop("SIGKILL");
    await rm(join(ground.dataDirectory, "instances"), { recursive: true });
    await ground.apart.start("providers");
    await load.answers(100);
    const { mostAtOnce } = await load.stop();
    const streamed = (await Promise.all(streams)).map(({ model }) => model.slice("up/".length));

    await expect.poll(async () => (await journalOf(journalId)).state, { timeout: silenceMs + 30_000 }).toBe(JournalState.LOST);
    await expect.poll(async () => (await journalOf(journalId)).openAttempts, { timeout: 30_000 }).toBe(0n);
    const { lostReason, reportTime } = await journalOf(journalId);
    expect(lostReason).toBe(`silent for more than ${silenceMs / 1_000} s`);
    // What was served before the journal's last report is not missing; what came after it may be.
    const known = (await ground.served()).filter(({ model, timeMs }) => model.startsWith("disk-") && timeMs < timestampMs(reportTime!) - reportWithinMs);
    expect(await missingOf(known.map(({ model }) => model))).toEqual([]);
    const lines = await linesByModel(ground.weir);
    expect([...lines].filter(([, each]) => each.length !== 1)).toEqual([]);
    const orphans = [...lines].filter(([, [line]]) => line!.event!.outcome!.result === AttemptResult.ORPHANED).map(([model]) => model);
    expect(streamed.filter((model) => !orphans.includes(model))).toEqual([]);
    expect(orphans.length).toBeLessThanOrEqual(mostAtOnce + streams.length);
    print("a disk lost", { servedBeforeTheLastReport: known.length, mostAtOnce: mostAtOnce + streams.length, orphans: orphans.length });
  });
});

function startLoad(model: string, key = ground.weir.inferenceKey, rate = requestsPerSecond): SteadyLoad {
  const load = startSteadyLoad({ origin: ground.weir.origin, key, requestsPerSecond: rate, model, random: seededRandom(seed) });
  // Also after a drill that has failed: the next one wants a quiet Weir.
  onTestFinished(async () => void (await load.stop()));
  return load;
}

async function restartWithJournalOf(maximumBytes: number): Promise<void> {
  const path = join(ground.dataDirectory, "weir.yaml");
  const config = parse(await readFile(path, "utf8")) as { limits: object };
  await writeFile(path, stringify({ ...config, limits: { ...config.limits, max_journal_bytes: maximumBytes } }));
  await ground.apart.process("providers").stop("SIGTERM");
  await ground.apart.start("providers");
}

/** With more in its budget than can be spent. */
async function budgetedKey(): Promise<string> {
  const policy = ground.weir.client(PolicyService);
  const [team] = (await policy.listTeams({})).teams;
  const { key, secret } = await policy.createKey({ teamId: team!.id, name: "drill", consistency: Consistency.STALE_OK });
  await policy.createBudget({ organizationId: team!.organizationId, name: "drill", subject: { keyId: key!.id }, limitNanos: 10n ** 12n, period: BudgetPeriod.TOTAL });
  return secret;
}

async function missingOf(models: readonly string[]): Promise<readonly string[]> {
  const lines = await linesByModel(ground.weir);
  return models.filter((model) => !lines.has(model));
}

function wordsOf(failures: readonly Failure[]): readonly string[] {
  return [...new Set(failures.map(({ status, reason, text }) => `${status} ${reason || text}`))];
}

async function openJournals(): Promise<Journal[]> {
  return (await ground.weir.client(MeteringService).listJournals({ onlyOpen: true })).journals;
}

async function journalOf(journalId: string): Promise<Journal> {
  return (await ground.weir.client(MeteringService).listJournals({ pageSize: 1_000 })).journals.find((journal) => journal.journalId === journalId)!;
}

function print(what: string, figures: object): void {
  process.stdout.write(`${what}: ${JSON.stringify(figures)}\n`);
}
