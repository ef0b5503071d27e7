/** Owns telling metering what became of requests that their attempts do not tell of. */
import { create } from "@bufbuild/protobuf";
import type { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { RecordRequestsRequestSchema, type RequestRecord } from "#gen/weir/metering/v1/request_record_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Logger } from "#platform/logger.ts";
import { Counter, type Registry } from "#platform/metrics.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";
import { MergedRecords } from "./domain/records/merged-records.ts";
import { sendToMetering, type MeteringSender } from "./metering-sender.ts";

export interface RequestRecordSenderDependencies {
  readonly metering: Pick<ServiceInterface<typeof MeteringService>, "recordRequests">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
}

/** The field's bound in `RecordRequestsRequest`. */
const batch = 200;

export function sendRequestRecords({ metering, clock, logger, metrics }: RequestRecordSenderDependencies): MeteringSender<RequestRecord> {
  const lost = new Counter({ name: "weir_request_records_lost_total", help: "Records of requests that were refused, failed, were answered by the cache or found by guardrails, and that cannot be listed because metering could not be told.", registers: [metrics] });
  return sendToMetering<RequestRecord>({
    what: "records of requests",
    waiting: new MergedRecords(() => clock.monotonicMs()),
    batch,
    tell: (records, _senderId, _sequence, context) => metering.recordRequests(create(RecordRequestsRequestSchema, { records }), context),
    onLost: (count) => lost.inc(count),
    clock,
    logger,
  });
}
