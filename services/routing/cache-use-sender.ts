/** Owns telling metering what the cache did. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { CacheUseSchema, RecordCacheUsesRequestSchema, type CacheUse } from "#gen/weir/metering/v1/cache_use_pb.ts";
import type { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Logger } from "#platform/logger.ts";
import { Counter, type Registry } from "#platform/metrics.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";
import type { Call } from "./domain/call.ts";
import type { Plan, Target } from "./domain/targets/plan.ts";
import { sendToMetering, waitingList, type MeteringSender } from "./metering-sender.ts";

export interface CacheUseSenderDependencies {
  readonly metering: Pick<ServiceInterface<typeof MeteringService>, "recordCacheUses">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
}

const maximumWaiting = 100_000;
const batch = 1_000;

export function cacheUseOf({ grant: { organizationId, teamId, keyId }, labels }: Call, { route }: Plan, { provider, model }: Target, hit: boolean, clock: Clock): CacheUse {
  return create(CacheUseSchema, { time: timestampFromMs(clock.now()), attribution: { organizationId, teamId, keyId, labels: { ...labels } }, route, provider: provider.name, vendor: provider.vendor, model, hit });
}

export function sendCacheUses({ metering, clock, logger, metrics }: CacheUseSenderDependencies): MeteringSender<CacheUse> {
  const lost = new Counter({ name: "weir_cache_uses_lost_total", help: "Calls that the cache was asked for, and that reports do not count because metering could not be told.", registers: [metrics] });
  return sendToMetering<CacheUse>({
    what: "uses of the cache, by which reports count them",
    waiting: waitingList(maximumWaiting),
    batch,
    tell: (uses, senderId, sequence, context) => metering.recordCacheUses(create(RecordCacheUsesRequestSchema, { senderId, sequence, uses }), context),
    onLost: (count) => lost.inc(count),
    clock,
    logger,
  });
}
