/** Owns ListAuditEntries: the calls in the audit log, newest first. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate, timestampMs } from "@bufbuild/protobuf/wkt";
import { ListAuditEntriesResponseSchema, type ListAuditEntriesRequest, type ListAuditEntriesResponse, AuditEntrySchema, type AuditEntry } from "#gen/weir/metering/v1/audit_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { readEntry, type AuditLine } from "../../domain/audit-chain.ts";
import { selectCalls, type AuditQuery } from "../../store/audit-log.ts";
import { invalidPageToken, pageSizeOf, readPageToken, writePageToken, type TokenPart } from "../page-token.ts";

export async function listAuditEntries(database: Database, request: ListAuditEntriesRequest): Promise<ListAuditEntriesResponse> {
  const startMs = request.startTime === undefined ? undefined : timestampMs(request.startTime);
  const endMs = request.endTime === undefined ? undefined : timestampMs(request.endTime);
  const { organizationId, actor, method } = request;
  const query: TokenPart = ["audit entries", organizationId, startMs ?? null, endMs ?? null, actor, method];
  const before = readPlace(readPageToken(request.pageToken, query));
  const pageSize = pageSizeOf(request.pageSize);
  const lines = await selectCalls(database, { organizationId, startMs, endMs, actor, method, before, limit: pageSize + 1 });

  const page = lines.slice(0, pageSize);
  const last = page.at(-1);
  return create(ListAuditEntriesResponseSchema, {
    entries: page.map(toEntry),
    nextPageToken: lines.length > pageSize && last !== undefined ? writePageToken(query, [last.record_time.getTime(), last.organization_id, last.sequence.toString()]) : "",
  });
}

function readPlace(place: unknown[] | undefined): AuditQuery["before"] {
  if (place === undefined) return undefined;
  const [timeMs, organizationId, sequence] = place;
  if (!Number.isSafeInteger(timeMs) || typeof organizationId !== "string" || typeof sequence !== "string" || !/^[0-9]{1,18}$/.test(sequence)) throw invalidPageToken();
  return { timeMs: timeMs as number, organizationId, sequence: BigInt(sequence) };
}

function toEntry(line: AuditLine): AuditEntry {
  // A text that somebody has made unreadable is a fault for the verification; the list shows what else there is.
  const text = readEntry(line.entry);
  return create(AuditEntrySchema, {
    organizationId: line.organization_id,
    sequence: line.sequence,
    recordTime: timestampFromDate(line.record_time),
    callId: line.call_id,
    actor: line.actor,
    actorOrganizationId: text?.actorOrganization ?? "",
    actorTeamId: text?.actorTeam ?? "",
    address: text?.address ?? "",
    method: line.method,
    requestJson: text?.request ?? "",
    outcome: line.outcome,
  });
}
