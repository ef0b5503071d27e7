/** Owns bringing kept content to metering, beside the way of the requests: within bounded memory, tried again, and said so when it is lost. */
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import type { CallContent } from "#gen/weir/metering/v1/content_pb.ts";
import { RecordContentRequestSchema, type MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Logger } from "#platform/logger.ts";
import { Counter, type Registry } from "#platform/metrics.ts";
import type { ServiceInterface } from "#platform/service-types.ts";

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

export function sendContents({ metering, clock, logger, metrics }: ContentSenderDependencies): ContentSender {
  const lost = new Counter({ name: "weir_contents_lost_total", help: "Calls whose content was to be kept and is lost.", registers: [metrics] });
  const stopping = new AbortController();
  const waiting: CallContent[] = [];
  let waitingBytes = 0;
  let sending: Promise<void> | undefined;

  const send = async (): Promise<void> => {
    while (waiting.length > 0) {
      const contents = waiting.slice(0, batch);
      try {
        const signal = AbortSignal.timeout(callTimeoutMs);
        await metering.recordContent(create(RecordContentRequestSchema, { contents }), { identity: { kind: "service", name: "routing" }, requestId: contents[0]!.callId, signal, deadlineMs: clock.now() + callTimeoutMs });
        waitingBytes -= bytesOf(waiting.splice(0, contents.length));
      } catch (error) {
        if (stopping.signal.aborted) return;
        logger.warn({ error, waiting: waiting.length, retryInMs: retryMs }, "content is not kept yet; trying again");
        await sleep(retryMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
      }
    }
  };
  const lose = ({ organizationId, callId }: CallContent, why: string): void => {
    lost.inc();
    logger.error({ organizationId, callId, why }, "the content of a call is lost");
  };

  return {
    add(content) {
      if (waitingBytes + bytesOf([content]) > maximumWaitingBytes) return lose(content, "metering has not taken what waits before it");
      waiting.push(content);
      waitingBytes += bytesOf([content]);
      sending ??= send().finally(() => (sending = undefined));
    },
    async stop() {
      stopping.abort();
      await sending;
      for (const content of waiting.splice(0)) lose(content, "metering did not take it before the stop");
    },
  };
}

function bytesOf(contents: readonly CallContent[]): number {
  return contents.reduce((sum, { request, reply }) => sum + request.length + reply.length, 0);
}
