/** Owns the measurement of the journal: the CPU that it costs a request, and how much longer an intent takes to be durable than the disk alone does. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AttemptIntentSchema, AttemptOutcomeSchema, AttemptResult, type AttemptIntent, type AttemptOutcome } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { lockDirectory } from "#platform/directory-lock.ts";
import { newId } from "#platform/ids.ts";
import { realDisk } from "#platform/journal/disk.ts";
import { Journal } from "#platform/journal/journal.ts";
import { createLogger } from "#platform/logger.ts";
import { measureSyncMs } from "./disk-sync.ts";
import { quantilesOf } from "./statistics.ts";

const rounds = 3;
const phaseMs = 3_000;
const requestsPerSecond = [300, 2_000, 5_000];
/** As often the ledger confirms what it has. */
const confirmEveryMs = 100;

const directory = await mkdtemp(join(tmpdir(), "weir-journal-"));
const { journal } = await Journal.open({
  directory: join(directory, "journal"),
  maximumBytes: 256 * 2 ** 20,
  disk: realDisk,
  lock: lockDirectory,
  newId: () => newId("jrn", systemClock),
  logger: createLogger("error"),
  onBroken: (error) => {
    throw error;
  },
});
const settled: string[] = [];
const confirming = setInterval(() => journal.confirm(settled.splice(0)), confirmEveryMs);
const durableAfterMs: number[] = [];

for (let round = 1; round <= rounds; round++) {
  for (const rate of requestsPerSecond) {
    const syncMs = measureSyncMs(directory);
    const withoutMicros = await cpuPerRequest(rate, makeMessages);
    durableAfterMs.length = 0;
    const withMicros = await cpuPerRequest(rate, journalRequest);
    const { p50, p99 } = quantilesOf(durableAfterMs);
    console.log(`round ${round}, ${rate} requests/s: ${(withMicros - withoutMicros).toFixed(1)} µs CPU a request; an intent is durable after ${p50.toFixed(2)} ms p50, ${p99.toFixed(2)} ms p99; one sync takes ${syncMs.toFixed(2)} ms`);
  }
}
clearInterval(confirming);
await journal.close();
await rm(directory, { recursive: true });

/** What the process used, all threads, divided by the requests that came. */
async function cpuPerRequest(rate: number, handle: () => Promise<void>): Promise<number> {
  const requests: Promise<void>[] = [];
  const before = process.cpuUsage();
  const startMs = performance.now();
  for (let elapsedMs = 0; elapsedMs < phaseMs; elapsedMs = performance.now() - startMs) {
    while (requests.length < (elapsedMs / 1_000) * rate) requests.push(handle());
    await pause(1);
  }
  await Promise.all(requests);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / requests.length;
}

/** What a request makes anyway. */
async function makeMessages(): Promise<void> {
  intentNow();
  await Promise.resolve();
  outcomeNow();
}

async function journalRequest(): Promise<void> {
  const intent = intentNow();
  const startMs = performance.now();
  await journal.begin(intent.attemptId, toBinary(AttemptIntentSchema, intent));
  durableAfterMs.push(performance.now() - startMs);
  void journal.settle(intent.attemptId, toBinary(AttemptOutcomeSchema, outcomeNow()));
  settled.push(intent.attemptId);
}

function intentNow(): AttemptIntent {
  return create(AttemptIntentSchema, {
    attemptId: newId("att", systemClock),
    requestId: newId("req", systemClock),
    attribution: { organizationId: "org_01m7y8x2a4q6r9tj3f5w7k1d2e", teamId: "team_01m7y8x2a4q6r9tj3f5w7k1d2e", keyId: "key_01m7y8x2a4q6r9tj3f5w7k1d2e" },
    route: "chat",
    provider: "openai",
    vendor: "openai",
    model: "gpt-5",
    operation: "generate",
    priceVersion: "sha256:6f1ed002ab5595859014ebf0951522d9",
    startTime: timestampFromMs(Date.now()),
    leaseId: newId("lea", systemClock),
    boundNanos: 1_234_567n,
  });
}

function outcomeNow(): AttemptOutcome {
  return create(AttemptOutcomeSchema, {
    result: AttemptResult.SUCCEEDED,
    usage: { source: UsageSource.PROVIDER, quantities: [{ meter: Meter.INPUT_TOKENS, quantity: 120n }, { meter: Meter.OUTPUT_TOKENS, quantity: 80n }] },
    finishReason: "stop",
    httpStatus: 200,
    upstreamRequestId: "req_4b1a7c9d2e3f",
    servedModel: "gpt-5-2026-08-07",
    firstByteMs: 310n,
    durationMs: 1_200n,
    endTime: timestampFromMs(Date.now()),
  });
}
