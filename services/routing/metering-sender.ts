/** Owns telling metering what it is to keep, beside the way of the requests: within bounded memory, in batches, tried again until they are taken, and counted where they are lost. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Logger } from "#platform/logger.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";

export interface MeteringSender<Item> {
  add(item: Item): void;
  /** Sends what waits, for a few seconds at most. */
  stop(): Promise<void>;
}

/** What waits to be sent, up to a bound. */
export interface Waiting<Item> {
  readonly size: number;
  /** False where there is no room. */
  add(item: Item): boolean;
  /** At most so many of the oldest that are due, or at the end of all; they wait no longer. */
  take(most: number, isEnd: boolean): Item[];
}

export interface MeteringSenderOptions<Item> {
  /** For people: «metering was not told yet of …». */
  readonly what: string;
  readonly waiting: Waiting<Item>;
  /** How many are sent at once, at most. */
  readonly batch: number;
  /** The sender's name and the sequence tell a batch that is sent again from a new one. */
  readonly tell: (items: Item[], senderId: string, sequence: bigint, context: CallContext) => Promise<unknown>;
  readonly onLost: (count: number) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const gatherMs = 1_000;
const callTimeoutMs = 5_000;
const retryMs = 1_000;

export function sendToMetering<Item>({ what, waiting, batch, tell, onLost, clock, logger }: MeteringSenderOptions<Item>): MeteringSender<Item> {
  const stopping = new AbortController();
  const senderId = randomUUID();
  let sequence = 0n;
  let sending: Promise<void> | undefined;

  const send = async (): Promise<void> => {
    try {
      for (let wasFull = false; waiting.size > 0; ) {
        // A thousand at once cost the database about what one does.
        if (!wasFull) await pause(gatherMs);
        const items = waiting.take(batch, stopping.signal.aborted);
        wasFull = items.length === batch;
        if (items.length === 0) continue;
        sequence++;
        const fate = await bring(items);
        if (fate === "refused") lose(items.length, "metering refuses them");
        if (fate === "stopped") return lose(items.length + waiting.take(Infinity, true).length, "metering did not take them before the stop");
      }
    } finally {
      // In the same moment in which nothing waits: what is added a moment later begins anew.
      sending = undefined;
    }
  };
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
  /** Again and again, until it is taken, can never be, or Weir stops. */
  const bring = async (items: Item[]): Promise<"taken" | "refused" | "stopped"> => {
    for (;;) {
      try {
        await tell(items, senderId, sequence, { identity: { kind: "service", name: "routing" }, requestId: "", signal: AbortSignal.timeout(callTimeoutMs), deadlineMs: clock.now() + callTimeoutMs });
        return "taken";
      } catch (error) {
        // What waits behind them is not held up by them for ever.
        if (error instanceof GatewayError && error.reason === "INVALID_REQUEST") return "refused";
        if (stopping.signal.aborted) return "stopped";
        logger.warn({ error, waiting: waiting.size, retryInMs: retryMs }, `metering was not told yet of ${what}; trying again`);
        await pause(retryMs);
      }
    }
  };
  const lose = (count: number, why: string): void => {
    onLost(count);
    logger.error({ count, why }, `${what} are lost`);
  };

  return {
    add(item) {
      // What is waited for stands in the log, again and again.
      if (!waiting.add(item)) return onLost(1);
      sending ??= send();
    },
    async stop() {
      stopping.abort();
      await sending;
    },
  };
}

/** Each by itself, in the order in which they came. */
export function waitingList<Item>(most: number): Waiting<Item> {
  let items: Item[] = [];
  return {
    get size() {
      return items.length;
    },
    add(item) {
      if (items.length >= most) return false;
      items.push(item);
      return true;
    },
    take(count) {
      const taken = items.slice(0, count);
      items = items.slice(count);
      return taken;
    },
  };
}
