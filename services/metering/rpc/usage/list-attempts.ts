/** Owns ListAttempts: the lines of the ledger, newest first. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate, timestampMs } from "@bufbuild/protobuf/wkt";
import { AttemptSchema, ListAttemptsResponseSchema, type Attempt, type ListAttemptsRequest, type ListAttemptsResponse } from "#gen/weir/metering/v1/attempt_pb.ts";
import { AttemptIntentSchema, AttemptOutcomeSchema, AttributionSchema, UsageEventSchema, type AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSchema, type UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import type { Database } from "#platform/database/database.ts";
import type { Identity } from "#platform/rpc/service-types.ts";
import { timeOfId } from "#platform/ids.ts";
import { selectAttempts, type AttemptRow } from "../../store/attempt-list.ts";
import { tenantSeenBy } from "../caller.ts";
import { meterQuantities } from "./meter-quantities.ts";
import { invalidPageToken, pageSizeOf, readPageToken, writePageToken, type TokenPart } from "../page-token.ts";

export async function listAttempts(database: Database, request: ListAttemptsRequest, identity: Identity): Promise<ListAttemptsResponse> {
  const startMs = request.startTime === undefined ? undefined : timestampMs(request.startTime);
  const endMs = request.endTime === undefined ? undefined : timestampMs(request.endTime);
  const organizationId = tenantSeenBy(identity, request.organizationId);
  const query: TokenPart = [request.requestId, organizationId, startMs ?? null, endMs ?? null];
  const before = readPlace(readPageToken(request.pageToken, query));
  const pageSize = pageSizeOf(request.pageSize);
  const { requestId } = request;
  const rows = await selectAttempts(database, { requestId, organizationId, startMs, endMs, before, limit: pageSize + 1 });

  const page = rows.slice(0, pageSize);
  return create(ListAttemptsResponseSchema, {
    attempts: page.map(toAttempt),
    nextPageToken: rows.length > pageSize ? writePageToken(query, [page.at(-1)!.attempt_id]) : "",
  });
}

function readPlace(place: unknown[] | undefined): { attemptId: string; startMs: number } | undefined {
  if (place === undefined) return undefined;
  const [attemptId] = place;
  const startMs = typeof attemptId === "string" ? timeOfId(attemptId) : undefined;
  if (startMs === undefined) throw invalidPageToken();
  return { attemptId: attemptId as string, startMs };
}

/** A line as a message. */
export function toAttempt(row: AttemptRow): Attempt {
  const intent = create(AttemptIntentSchema, {
    attemptId: row.attempt_id,
    requestId: row.request_id,
    attribution: create(AttributionSchema, {
      organizationId: row.organization_id,
      teamId: row.team_id,
      keyId: row.key_id,
      labels: row.labels ?? {},
    }),
    route: row.route,
    provider: row.provider,
    vendor: row.vendor,
    model: row.model,
    operation: row.operation,
    stream: row.is_stream,
    priceVersion: row.price_version,
    startTime: timestampFromDate(row.start_time),
    leaseId: row.lease_id ?? "",
    boundNanos: row.bound_nanos ?? 0n,
  });
  const outcome = create(AttemptOutcomeSchema, {
    result: row.result as AttemptResult,
    finishReason: row.finish_reason,
    errorReason: row.error_reason,
    httpStatus: row.http_status,
    upstreamRequestId: row.upstream_request_id,
    servedModel: row.served_model,
    serviceTier: row.service_tier,
    durationMs: row.duration_ms,
    ...(row.quantities === null
      ? {}
      : { usage: create(UsageSchema, { source: (row.usage_source ?? 0) as UsageSource, quantities: meterQuantities(row.quantities) }) }),
    ...(row.first_byte_ms === null ? {} : { firstByteMs: row.first_byte_ms }),
    ...(row.end_time === null ? {} : { endTime: timestampFromDate(row.end_time) }),
  });
  return create(AttemptSchema, {
    event: create(UsageEventSchema, { intent, outcome, rank: row.rank as UsageSource }),
    postTime: timestampFromDate(row.post_time),
    reratedVersion: row.rerated_version ?? "",
    ...(row.cost_nanos === null ? {} : { costNanos: row.cost_nanos }),
    ...(row.charge_nanos === null ? {} : { chargeNanos: row.charge_nanos }),
  });
}
