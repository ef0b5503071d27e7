/** Owns ListAuditLinks: one chain of the audit log in its order, as it was hashed. */
import { create } from "@bufbuild/protobuf";
import { AuditLinkSchema, ListAuditLinksResponseSchema, type ListAuditLinksRequest, type ListAuditLinksResponse } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { selectLinks } from "../store/audit-log.ts";
import { invalidPageToken, pageSizeOf, readPageToken, writePageToken, type TokenPart } from "./page-token.ts";

export async function listAuditLinks(database: Database, request: ListAuditLinksRequest): Promise<ListAuditLinksResponse> {
  const { organizationId } = request;
  const query: TokenPart = ["audit links", organizationId];
  const pageSize = pageSizeOf(request.pageSize);
  const lines = await selectLinks(database, organizationId, readPlace(readPageToken(request.pageToken, query)), pageSize + 1);
  const page = lines.slice(0, pageSize);
  return create(ListAuditLinksResponseSchema, {
    links: page.map(({ sequence, entry, hash }) => create(AuditLinkSchema, { sequence, entry, hash: hash.toString("hex") })),
    nextPageToken: lines.length > pageSize ? writePageToken(query, [page.at(-1)!.sequence.toString()]) : "",
  });
}

function readPlace(place: unknown[] | undefined): bigint {
  if (place === undefined) return 0n;
  const [sequence] = place;
  if (typeof sequence !== "string" || !/^[0-9]{1,18}$/.test(sequence)) throw invalidPageToken();
  return BigInt(sequence);
}
