/** Owns bringing kept content to metering, beside the way of the requests: within bounded memory, tried again, and said so when it is lost. */
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { RecordContentRequestSchema, type CallContent } from "#gen/weir/metering/v1/content_pb.ts";
import type { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Logger } from "#platform/logger.ts";
import { Counter, Gauge, type Registry } from "#platform/metrics.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";

export interface ContentSender {
  add(content: CallContent): void;
  /** Sends what waits, for a few seconds at most. */
  stop(): Promise<void>;
}

export interface ContentSenderDependencies {
  readonly metering: ServiceInterface<typeof MeteringService>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
}

const maximumWaitingBytes = 64 * 1024 * 1024;
const batch = 16;
const callTimeoutMs = 5_000;
const retryMs = 1_000;
const noRoom = "metering has not taken what waits before it";

/** What waits of one organization. */
interface Waiting {
  readonly contents: CallContent[];
  /** Those of what is just being sent included. */
  bytes: number;
  /** When it may be sent again, on the monotonic clock. */
  dueMs: number;
}

export function sendContents({ metering, clock, logger, metrics }: ContentSenderDependencies): ContentSender {
  const lost = new Counter({ name: "weir_contents_lost_total", help: "Calls whose content was to be kept and is lost.", registers: [metrics] });
  const heldUp = new Set<string>();
  const heldUpGauge = new Gauge({ name: "weir_contents_held_up", help: "Organizations whose content metering did not take when it was sent last, and is sent again.", registers: [metrics] });
  const mark = (organizationId: string, isHeldUp: boolean): void => {
    if (isHeldUp) heldUp.add(organizationId);
    else heldUp.delete(organizationId);
    heldUpGauge.set(heldUp.size);
  };
  const stopping = new AbortController();
  const givenUp = new AbortController();
  /** By organization: what metering does not take of one holds up no other. Those that were sent last stand at the end. */
  const queues = new Map<string, Waiting>();
  let waitingBytes = 0;
  let sending: Promise<void> | undefined;

  const send = async (): Promise<void> => {
    while (queues.size > 0 && !givenUp.signal.aborted) {
      const nowMs = clock.monotonicMs();
      const [organizationId] = [...queues].find(([, { dueMs }]) => dueMs <= nowMs) ?? [];
      if (organizationId !== undefined) await sendSome(organizationId);
      else if (stopping.signal.aborted) return;
      else await sleep(Math.min(...[...queues.values()].map(({ dueMs }) => dueMs)) - nowMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
    }
  };
  const sendSome = async (organizationId: string): Promise<void> => {
    const queue = queues.get(organizationId)!;
    queues.delete(organizationId);
    // All of it made room for others.
    if (queue.contents.length === 0) return mark(organizationId, false);
    queues.set(organizationId, queue);
    const contents = queue.contents.splice(0, batch);
    const bytes = bytesOf(contents);
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(callTimeoutMs), givenUp.signal]);
      await metering.recordContent(create(RecordContentRequestSchema, { contents }), { identity: { kind: "service", name: "routing" }, requestId: contents[0]!.callId, signal, deadlineMs: clock.now() + callTimeoutMs });
      queue.bytes -= bytes;
      waitingBytes -= bytes;
      mark(organizationId, false);
      if (queue.contents.length === 0) queues.delete(organizationId);
    } catch (error) {
      queue.contents.unshift(...contents);
      queue.dueMs = clock.monotonicMs() + retryMs;
      mark(organizationId, true);
      logger.warn({ error, organizationId, waiting: queue.contents.length, retryInMs: retryMs }, "content is not kept yet; trying again");
    }
  };
  const lose = ({ organizationId, callId }: CallContent, why: string): void => {
    lost.inc();
    logger.error({ organizationId, callId, why }, "the content of a call is lost");
  };
  /** False where nobody has more waiting than this one would. */
  const makeRoom = (bytes: number, ownBytes: number): boolean => {
    while (waitingBytes + bytes > maximumWaitingBytes) {
      const [largest] = [...queues.values()].filter(({ contents }) => contents.length > 0).toSorted((one, other) => other.bytes - one.bytes);
      if (largest === undefined || largest.bytes <= ownBytes + bytes) return false;
      const newest = largest.contents.pop()!;
      largest.bytes -= bytesOf([newest]);
      waitingBytes -= bytesOf([newest]);
      lose(newest, noRoom);
    }
    return true;
  };

  return {
    add(content) {
      const bytes = bytesOf([content]);
      const { organizationId } = content;
      if (!makeRoom(bytes, queues.get(organizationId)?.bytes ?? 0)) return lose(content, noRoom);
      const queue = queues.get(organizationId) ?? { contents: [], bytes: 0, dueMs: 0 };
      queues.set(organizationId, queue);
      queue.contents.push(content);
      queue.bytes += bytes;
      waitingBytes += bytes;
      sending ??= send().finally(() => (sending = undefined));
    },
    async stop() {
      stopping.abort();
      const giveUp = setTimeout(() => givenUp.abort(), callTimeoutMs);
      await sending;
      clearTimeout(giveUp);
      for (const { contents } of queues.values()) for (const content of contents) lose(content, "metering did not take it before the stop");
    },
  };
}

function bytesOf(contents: readonly CallContent[]): number {
  return contents.reduce((sum, { request, reply }) => sum + request.length + reply.length, 0);
}
