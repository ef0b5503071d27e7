/** Owns ListRequests: what became of requests that their attempts do not tell of, newest first. */
import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { ListRequestsResponseSchema, RequestRecordSchema, type ListRequestsRequest, type ListRequestsResponse } from "#gen/weir/metering/v1/request_record_pb.ts";
import type { Database } from "#platform/database/database.ts";
import type { Identity } from "#platform/rpc/service-types.ts";
import { selectRequestRecords } from "../../store/request-records.ts";
import { tenantSeenBy } from "../caller.ts";
import { invalidPageToken, pageSizeOf, readPageToken, writePageToken, type TokenPart } from "../page-token.ts";

export async function listRequests(database: Database, request: ListRequestsRequest, identity: Identity): Promise<ListRequestsResponse> {
  const { teamId, keyId, requestId, outcome, errorReason } = request;
  const startMs = request.startTime === undefined ? undefined : timestampMs(request.startTime);
  const endMs = request.endTime === undefined ? undefined : timestampMs(request.endTime);
  const organizationId = tenantSeenBy(identity, request.organizationId);
  const query: TokenPart = [organizationId, teamId, keyId, requestId, outcome, errorReason, startMs ?? null, endMs ?? null];
  const before = readPlace(readPageToken(request.pageToken, query));
  const pageSize = pageSizeOf(request.pageSize);
  const rows = await selectRequestRecords(database, { organizationId, teamId, keyId, requestId, outcome, errorReason, startMs, endMs, before, limit: pageSize + 1 });

  const records = rows.slice(0, pageSize).map((bytes) => fromBinary(RequestRecordSchema, bytes));
  const last = records.at(-1);
  return create(ListRequestsResponseSchema, {
    records,
    nextPageToken: rows.length > pageSize ? writePageToken(query, [last!.requestIds[0]!, timestampMs(last!.startTime!)]) : "",
  });
}

function readPlace(place: unknown[] | undefined): { requestId: string; startMs: number } | undefined {
  if (place === undefined) return undefined;
  const [requestId, startMs] = place;
  if (typeof requestId !== "string" || typeof startMs !== "number") throw invalidPageToken();
  return { requestId, startMs };
}
