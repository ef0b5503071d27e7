/** Owns the events, and the running service on a fresh database, that metering's tests start from. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { onTestFinished } from "vitest";
import { createTestDatabase } from "../../test/harness/database.ts";
import { RecordUsageRequestSchema, type RecordUsageResponse } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import {
  AttemptIntentSchema,
  AttemptOutcomeSchema,
  AttemptResult,
  AttributionSchema,
  UsageEventSchema,
  type UsageEvent,
} from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, MeterQuantitySchema, UsageSchema, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { defaultLabels, type MeteringConfig } from "./config.ts";
import { createMeteringService, migrationsDirectory } from "./service.ts";

export const testNowMs = Date.UTC(2026, 10, 20, 12, 30);

const digits = "0123456789abcdefghjkmnpqrstvwxyz";

/** The id of the n-th attempt that started at this time. */
export function attemptIdAt(timeMs: number, n: number): string {
  let time = "";
  for (let rest = timeMs, index = 0; index < 10; index++, rest = Math.floor(rest / 32)) time = digits[rest % 32] + time;
  return `att_${time}${n.toString().padStart(16, "0")}`;
}

export interface EventSketch {
  readonly attempt?: number;
  readonly timeMs?: number;
  readonly organization?: string;
  readonly key?: string;
  readonly vendor?: string;
  readonly model?: string;
  readonly servedModel?: string;
  readonly serviceTier?: string;
  readonly priceVersion?: string;
  readonly requestId?: string;
  readonly route?: string;
  readonly durationMs?: bigint;
  readonly labels?: Record<string, string>;
  readonly result?: AttemptResult;
  readonly rank?: UsageSource;
  /** Quantities by meter; null means that usage is unreported. */
  readonly usage?: Partial<Record<Meter, bigint>> | null;
}

/** An event; what the sketch leaves out is a success of `demo/demo-chat` with 1,000 input and 100 output tokens. */
export function usageEvent(sketch: EventSketch = {}): UsageEvent {
  const timeMs = sketch.timeMs ?? testNowMs;
  const rank = sketch.rank ?? UsageSource.PROVIDER;
  const quantities = sketch.usage === undefined ? { [Meter.INPUT_TOKENS]: 1000n, [Meter.OUTPUT_TOKENS]: 100n } : sketch.usage;
  return create(UsageEventSchema, {
    rank,
    intent: create(AttemptIntentSchema, {
      attemptId: attemptIdAt(timeMs, sketch.attempt ?? 1),
      requestId: sketch.requestId ?? "req_1",
      attribution: create(AttributionSchema, {
        organizationId: sketch.organization ?? "org_a",
        teamId: "team_a",
        keyId: sketch.key ?? "key_a",
        labels: sketch.labels ?? {},
      }),
      route: sketch.route ?? "",
      provider: "main",
      vendor: sketch.vendor ?? "demo",
      model: sketch.model ?? "demo-chat",
      operation: "generate",
      stream: true,
      priceVersion: sketch.priceVersion ?? "",
      startTime: timestampFromMs(timeMs),
    }),
    outcome: create(AttemptOutcomeSchema, {
      result: sketch.result ?? AttemptResult.SUCCEEDED,
      finishReason: "stop",
      httpStatus: 200,
      servedModel: sketch.servedModel ?? "",
      serviceTier: sketch.serviceTier ?? "",
      firstByteMs: 12n,
      durationMs: sketch.durationMs ?? 345n,
      endTime: timestampFromMs(timeMs + 345),
      ...(quantities === null
        ? {}
        : {
            usage: create(UsageSchema, {
              source: rank,
              quantities: Object.entries(quantities).map(([meter, quantity]) =>
                create(MeterQuantitySchema, { meter: Number(meter) as Meter, quantity: quantity as bigint }),
              ),
            }),
          }),
    }),
  });
}

export const testContext: CallContext = {
  identity: { kind: "service", name: "test" },
  requestId: "req_test",
  signal: new AbortController().signal,
};

export type TestMetering = Awaited<ReturnType<typeof startTestMetering>>;

/** Metering on a new database, both gone after the test. */
export async function startTestMetering() {
  const database = await createTestDatabase({ schema: "metering", migrationsDirectory });
  onTestFinished(() => database.close());
  return startMeteringOn(database);
}

/** Another metering on the same database. */
export async function startMeteringOn(database: Database) {
  const config = new MutableLiveValue<MeteringConfig>({ prices: new Map(), lostJournalAfterMs: 900_000, labels: defaultLabels });
  const metrics = createMetricsRegistry();
  const service = await createMeteringService({
    database,
    config,
    clock: { now: () => testNowMs, monotonicMs: () => 0 },
    logger: createLogger("silent"),
    metrics,
  });
  onTestFinished(() => service.stop());
  const { implementation } = service;
  return {
    database,
    config,
    metrics,
    service,
    implementation,
    priceVersion: await currentPriceVersion(implementation),
    record: (...events: UsageEvent[]): Promise<RecordUsageResponse> =>
      implementation.recordUsage(create(RecordUsageRequestSchema, { events }), testContext),
  };
}

/** The version in force. */
export async function currentPriceVersion(implementation: Awaited<ReturnType<typeof createMeteringService>>["implementation"]): Promise<string> {
  for await (const { priceVersion } of implementation.watchPriceVersion({ $typeName: "weir.metering.v1.WatchPriceVersionRequest" }, testContext)) {
    return priceVersion;
  }
  throw new Error("the stream of price versions ended at once");
}

/** The sums of one money and count each, by three ways that must agree. */
export async function reconcile(database: Database) {
  const { rows } = await database.query<Record<string, bigint>>(`
    select (select count(*) from attempts) as attempts,
           (select coalesce(sum(attempts), 0)::int8 from usage_sums) as rollup_attempts,
           (select coalesce(sum(cost_nanos), 0)::int8 from attempts) as cost,
           (select coalesce(sum(cost_nanos), 0)::int8 from usage_sums) as rollup_cost,
           (select coalesce(sum(amount_nanos), 0)::int8 from postings where account like 'key:%') as debits,
           (select coalesce(-sum(amount_nanos), 0)::int8 from postings where account like 'vendor:%') as credits,
           (select count(*) from (select from postings group by attempt_id having sum(amount_nanos) <> 0) as broken) as unbalanced,
           (select coalesce(sum(quantity), 0)::int8 from attempts, unnest(quantities) as quantity) as quantity,
           (select coalesce(sum(quantity), 0)::int8 from usage_sums, unnest(quantities) as quantity) as rollup_quantity`);
  return rows[0]!;
}
