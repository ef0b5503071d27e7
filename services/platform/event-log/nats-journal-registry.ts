/** Owns the way to metering's register of journals through NATS: a request that any replica of metering answers. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ReportJournalRequestSchema, ReportJournalResponseSchema } from "#gen/weir/metering/v1/journal_pb.ts";
import { GatewayError } from "../errors.ts";
import type { JournalRegistry } from "./journal-registry.ts";
import type { NatsLink } from "./nats-link.ts";
import { journalReportSubject } from "./nats-message.ts";

const answerWithinMs = 1_000;

export function createNatsJournalRegistry(link: NatsLink): JournalRegistry {
  return {
    async report(request, signal) {
      const connection = await link.connected(signal);
      try {
        const { data } = await connection.request(journalReportSubject, toBinary(ReportJournalRequestSchema, request), { timeout: answerWithinMs });
        return fromBinary(ReportJournalResponseSchema, data);
      } catch (error) {
        throw new GatewayError("DEPENDENCY_UNAVAILABLE", `Metering did not answer through NATS: ${(error as Error).message}`, { metadata: { dependency: "metering" }, cause: error });
      }
    },
  };
}
