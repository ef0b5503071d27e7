/** Owns the measurement of the ledger's ingest: events a second into a PostgreSQL as Weir starts it, all indexes included; with `--calls 200`, beside so many calls a second of a Weir whose ledger is in it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { RecordUsageRequestSchema } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import { AttemptResult, UsageEventSchema, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { openDatabase } from "#platform/database/database.ts";
import { startPostgresServer } from "#platform/database/postgres-server.ts";
import { newId } from "#platform/ids.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { createMeteringService, migrationsDirectory } from "../../services/metering/service.ts";
import type { LoadOrder, LoadResult } from "./loads.ts";
import { Helper, otherCpus } from "./pinned-process.ts";
import { startWeirTogether } from "./weir-process.ts";

const { values: { calls } } = parseArgs({ options: { calls: { type: "string", default: "0" } } });
const callsPerSecond = Number(calls);
const [warmUpMs, runMs] = [3_000, 8_000];
const batchSize = 250;
const emitters = 4;
const keys = 20;
const models = ["gpt-6-sol", "gpt-6-luna", "gpt-5-nano"];

const logger = createLogger("error");
const dataDirectory = await mkdtemp(join(tmpdir(), "weir-ingest-"));
const server = await startPostgresServer({ dataDirectory, logger });
const database = await openDatabase({ connection: server.administration, schema: "metering", migrationsDirectory, logger });
const dependencies = { database, config: new MutableLiveValue({ prices: new Map(), lostJournalAfterMs: 900_000, labels: ["application"] }), clock: systemClock, logger, metrics: createMetricsRegistry() };
const metering = await createMeteringService(dependencies);
const { implementation } = metering;
const context = { identity: { kind: "service" as const, name: "bench" }, requestId: "", signal: new AbortController().signal };
const priceVersion = await currentVersion();

const caller = callsPerSecond === 0 ? undefined : await startCaller();

await Promise.all([ingest(warmUpMs), caller?.call(warmUpMs)]);
for (let run = 1; run <= 3; run++) {
  const startCpu = process.cpuUsage();
  const startMs = performance.now();
  const calling = caller?.call(runMs);
  const events = await ingest(runMs);
  const seconds = (performance.now() - startMs) / 1_000;
  const { user, system } = process.cpuUsage(startCpu);
  console.log(`run ${run}: ${Math.round(events / seconds)} events/s, ${((user + system) / events).toFixed(1)} µs CPU of metering per event`);
  const called = await calling;
  if (called !== undefined) console.log(`  beside ${called.replies} calls, p50 ${called.latencyMs.p50.toFixed(1)} ms, p99 ${called.latencyMs.p99.toFixed(1)} ms; failed: ${JSON.stringify(called.failures)}`);
}

await caller?.stop();
await metering.stop();
await database.close();
await server.stop();
await rm(dataDirectory, { recursive: true });

/** Posts batches for so long, and returns how many events there were. */
async function ingest(durationMs: number): Promise<number> {
  const endMs = performance.now() + durationMs;
  let sent = 0;
  const emit = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const begin = sent;
      sent += batchSize;
      await implementation.recordUsage(create(RecordUsageRequestSchema, { events: Array.from({ length: batchSize }, (_, index) => eventOf(begin + index)) }), context);
    }
  };
  await Promise.all(Array.from({ length: emitters }, emit));
  return sent;
}

/** A Weir on the same PostgreSQL, with its callers and its vendor. */
async function startCaller(): Promise<{ call(durationMs: number): Promise<LoadResult>; stop(): Promise<void> }> {
  const { host, user, password, database: name } = server.administration;
  const upstream = await Helper.start(otherCpus, "upstream.ts");
  const loader = await Helper.start<LoadOrder, LoadResult>(otherCpus, "load.ts");
  const weir = await startWeirTogether(upstream.port, `postgresql://${user}:${password}@${encodeURIComponent(host!)}/${name}`);
  const load = { name: "calls", chunks: 0, pace: { perSecond: callsPerSecond } };
  return {
    call: (durationMs) => loader.ask({ port: weir.port, key: weir.key, ofWeir: true, load, durationMs }),
    async stop() {
      await weir.stop();
      for (const helper of [loader, upstream]) helper.stop();
    },
  };
}

function eventOf(index: number): UsageEvent {
  const attemptId = newId("att", systemClock);
  const organizationId = `org_${index % 4}`;
  return create(UsageEventSchema, {
    rank: UsageSource.PROVIDER,
    intent: {
      attemptId,
      requestId: newId("req", systemClock),
      attribution: { organizationId, teamId: `team_${index % 8}`, keyId: `key_${index % keys}`, labels: { application: `app_${index % 3}` } },
      route: "chat",
      provider: "openai",
      vendor: "openai",
      model: models[index % models.length]!,
      operation: "generate",
      stream: true,
      priceVersion,
      startTime: timestampFromMs(systemClock.now()),
    },
    outcome: {
      result: AttemptResult.SUCCEEDED,
      usage: { source: UsageSource.PROVIDER, quantities: [{ meter: Meter.INPUT_TOKENS, quantity: BigInt(index % 5_000) }, { meter: Meter.OUTPUT_TOKENS, quantity: BigInt(index % 700) }] },
      finishReason: "stop",
      httpStatus: 200,
      upstreamRequestId: `chatcmpl-${attemptId}`,
      servedModel: models[index % models.length]!,
      serviceTier: "default",
      firstByteMs: BigInt(100 + (index % 400)),
      durationMs: BigInt(500 + (index % 9_000)),
      endTime: timestampFromMs(systemClock.now()),
    },
  });
}

async function currentVersion(): Promise<string> {
  for await (const { priceVersion } of implementation.watchPriceVersion({ $typeName: "weir.metering.v1.WatchPriceVersionRequest" }, context)) return priceVersion;
  throw new Error("the stream of price versions ended at once");
}
