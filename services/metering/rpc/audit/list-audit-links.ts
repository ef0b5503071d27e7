/** Owns ListAuditLinks: one chain of the audit log in its order, as it was hashed. */
import { create } from "@bufbuild/protobuf";
import { AuditLinkSchema, ListAuditLinksResponseSchema, type ListAuditLinksRequest, type ListAuditLinksResponse } from "#gen/weir/metering/v1/audit_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { selectAnchors, selectLinks } from "../../store/audit-log.ts";
import { anchorMessage } from "./audit-anchor.ts";
import { invalidPageToken, pageSizeOf, readPageToken, writePageToken, type TokenPart } from "../page-token.ts";

export async function listAuditLinks(database: Database, request: ListAuditLinksRequest): Promise<ListAuditLinksResponse> {
  const { organizationId } = request;
  const query: TokenPart = ["audit links", organizationId];
  const pageSize = pageSizeOf(request.pageSize);
  const after = readPlace(readPageToken(request.pageToken, query));
  const { lines, anchor } = await database.transaction(async (snapshot) => {
    await snapshot.query("set transaction isolation level repeatable read, read only");
    const anchors = await selectAnchors(snapshot, organizationId);
    return { lines: await selectLinks(snapshot, organizationId, after, pageSize + 1), anchor: anchors.find((one) => one.organization_id === organizationId) };
  });
  const page = lines.slice(0, pageSize);
  return create(ListAuditLinksResponseSchema, {
    links: page.map(({ sequence, entry, hash }) => create(AuditLinkSchema, { sequence, entry, hash: hash.toString("hex") })),
    nextPageToken: lines.length > pageSize ? writePageToken(query, [page.at(-1)!.sequence.toString()]) : "",
    ...(anchor && { anchor: anchorMessage(anchor) }),
  });
}

function readPlace(place: unknown[] | undefined): bigint {
  if (place === undefined) return 0n;
  const [sequence] = place;
  if (typeof sequence !== "string" || !/^[0-9]{1,18}$/.test(sequence)) throw invalidPageToken();
  return BigInt(sequence);
}
