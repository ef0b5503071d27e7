/** Owns answering the reports of journals that come through the broker. */
import { setTimeout as pause } from "node:timers/promises";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Msg } from "@nats-io/transport-node";
import { ReportJournalRequestSchema, ReportJournalResponseSchema, type ReportJournalRequest, type ReportJournalResponse } from "#gen/weir/metering/v1/journal_pb.ts";
import type { NatsLink } from "#platform/event-log/nats-link.ts";
import { journalReportSubject } from "#platform/event-log/nats-message.ts";
import type { Logger } from "#platform/logger.ts";

export interface JournalReportsDependencies {
  readonly link: NatsLink;
  readonly report: (request: ReportJournalRequest) => Promise<ReportJournalResponse>;
  readonly logger: Logger;
}

const retryMs = 1_000;

/** All replicas of metering share the work. */
export function answerJournalReports({ link, report, logger }: JournalReportsDependencies): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const running = stayListening();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };

  async function stayListening(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        const connection = await link.connected(stopping.signal);
        const subscription = connection.subscribe(journalReportSubject, { queue: "metering" });
        const stop = (): void => subscription.unsubscribe();
        stopping.signal.addEventListener("abort", stop);
        if (stopping.signal.aborted) stop();
        try {
          for await (const message of subscription) await answer(message);
        } finally {
          stopping.signal.removeEventListener("abort", stop);
        }
      } catch (error) {
        if (!stopping.signal.aborted) logger.error({ error }, "reports of journals cannot be taken from NATS: metering's user needs the right to subscribe to weir.journals");
      }
      await pause(retryMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  /** Whoever gets no answer reports again. */
  async function answer(message: Msg): Promise<void> {
    try {
      message.respond(toBinary(ReportJournalResponseSchema, await report(fromBinary(ReportJournalRequestSchema, message.data))));
    } catch (error) {
      logger.warn({ error }, "the report of a journal could not be taken; it is made again");
    }
  }
}
