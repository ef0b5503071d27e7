/** Owns telling metering what the cache did, beside the way of the requests: within bounded memory, tried again, counted once, and said so when it is lost. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { CacheUseSchema, RecordCacheUsesRequestSchema, type CacheUse } from "#gen/weir/metering/v1/cache_use_pb.ts";
import type { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Logger } from "#platform/logger.ts";
import { Counter, type Registry } from "#platform/metrics.ts";
import type { ServiceInterface } from "#platform/service-types.ts";
import type { Call } from "./domain/pipeline.ts";
import type { Plan, Target } from "./domain/plan.ts";

export interface CacheUseSender {
  add(use: CacheUse): void;
  /** Sends what waits, for a few seconds at most. */
  stop(): Promise<void>;
}

export interface CacheUseSenderDependencies {
  readonly metering: Pick<ServiceInterface<typeof MeteringService>, "recordCacheUses">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
}

const maximumWaiting = 100_000;
const batch = 1_000;
const gatherMs = 1_000;
const callTimeoutMs = 5_000;
const retryMs = 1_000;

export function cacheUseOf({ grant: { organizationId, teamId, keyId }, labels }: Call, { route }: Plan, { provider, model }: Target, hit: boolean, clock: Clock): CacheUse {
  return create(CacheUseSchema, { time: timestampFromMs(clock.now()), attribution: { organizationId, teamId, keyId, labels: { ...labels } }, route, provider: provider.name, vendor: provider.vendor, model, hit });
}

export function sendCacheUses({ metering, clock, logger, metrics }: CacheUseSenderDependencies): CacheUseSender {
  const lost = new Counter({ name: "weir_cache_uses_lost_total", help: "Calls that the cache was asked for, and that reports do not count because metering could not be told.", registers: [metrics] });
  const stopping = new AbortController();
  const senderId = randomUUID();
  let waiting: CacheUse[] = [];
  let sequence = 0n;
  let sending: Promise<void> | undefined;

  const send = async (): Promise<void> => {
    try {
      while (waiting.length > 0) {
        // A thousand at once cost the database about what one does.
        if (waiting.length < batch) await pause(gatherMs);
        const uses = waiting.slice(0, batch);
        waiting = waiting.slice(batch);
        sequence++;
        if (!(await tell(uses))) return giveUp(uses.length + waiting.splice(0).length);
      }
    } finally {
      // In the same moment in which nothing waits: what is added a moment later begins anew.
      sending = undefined;
    }
  };
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
  /** Again and again, until it is taken or Weir stops. */
  const tell = async (uses: CacheUse[]): Promise<boolean> => {
    const request = create(RecordCacheUsesRequestSchema, { senderId, sequence, uses });
    for (;;) {
      try {
        await metering.recordCacheUses(request, { identity: { kind: "service", name: "routing" }, requestId: "", signal: AbortSignal.timeout(callTimeoutMs), deadlineMs: clock.now() + callTimeoutMs });
        return true;
      } catch (error) {
        if (stopping.signal.aborted) return false;
        logger.warn({ error, waiting: waiting.length, retryInMs: retryMs }, "metering was not told yet what the cache did; trying again");
        await pause(retryMs);
      }
    }
  };
  const giveUp = (count: number): void => {
    lost.inc(count);
    logger.error({ count }, "reports do not count so many uses of the cache: metering did not take them before the stop");
  };

  return {
    add(use) {
      // What is waited for stands in the log, again and again.
      if (waiting.length >= maximumWaiting) return lost.inc();
      waiting.push(use);
      sending ??= send();
    },
    async stop() {
      stopping.abort();
      await sending;
    },
  };
}
