/** Owns RecordRequests: what became of requests that their attempts do not tell of is kept, each record once. */
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { RecordRequestsResponseSchema, RequestRecordSchema, type RecordRequestsRequest, type RecordRequestsResponse, type RequestRecord } from "#gen/weir/metering/v1/request_record_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { insertRequestRecords, type RequestRow } from "../../store/request-records.ts";

export async function recordRequests(database: Database, { records }: RecordRequestsRequest): Promise<RecordRequestsResponse> {
  await insertRequestRecords(database, records.map(rowOf));
  return create(RecordRequestsResponseSchema);
}

function rowOf(record: RequestRecord): RequestRow {
  const { requestIds, startTime, lastTime, attribution, outcome, errorReason } = record;
  const { organizationId, teamId, keyId } = attribution!;
  return { requestIds, startMs: timestampMs(startTime!), lastMs: timestampMs(lastTime!), organizationId, teamId, keyId, outcome, errorReason, record: toBinary(RequestRecordSchema, record) };
}
