/** Owns the measurement of the ledger's ingest: events a second into a PostgreSQL as Weir starts it, all indexes included. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { RecordUsageRequestSchema } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { AttemptResult, UsageEventSchema, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { openDatabase } from "#platform/database/database.ts";
import { startPostgresServer } from "#platform/database/postgres-server.ts";
import { newId } from "#platform/ids.ts";
import { MutableLiveValue } from "#platform/live-value.ts";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { createMeteringService, migrationsDirectory } from "../../services/metering/service.ts";

const events = 40_000;
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

await ingest(events / 8);
for (let run = 1; run <= 3; run++) {
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  await ingest(events);
  const seconds = (performance.now() - startMs) / 1_000;
  const { user, system } = process.cpuUsage(startCpu);
  console.log(`run ${run}: ${Math.round(events / seconds)} events/s, ${((user + system) / events).toFixed(1)} µs CPU of metering per event`);
}

await metering.stop();
await database.close();
await server.stop();
await rm(dataDirectory, { recursive: true });

async function ingest(count: number): Promise<void> {
  let sent = 0;
  const emit = async (): Promise<void> => {
    while (sent < count) {
      const begin = sent;
      sent += batchSize;
      await implementation.recordUsage(create(RecordUsageRequestSchema, { events: Array.from({ length: batchSize }, (_, index) => eventOf(begin + index)) }), context);
    }
  };
  await Promise.all(Array.from({ length: emitters }, emit));
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
