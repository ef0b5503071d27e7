/** Owns the verification of the audit log: every chain computed anew, up to its head, and past the heads that were seen before. */
import type { Database, Queryable } from "#platform/database/database.ts";
import { chainBegin, faultOf, type ChainPlace } from "./domain/audit-chain.ts";
import { selectAnchors, selectChains, selectChangedContents, selectLinks, selectLostHeads, type StoredAnchor, type StoredHead } from "./store/audit-log.ts";

export interface AuditFault {
  readonly organizationId: string;
  readonly sequence: bigint;
  readonly detail: string;
}

export interface AuditVerification {
  readonly entries: bigint;
  readonly heads: readonly StoredHead[];
  /** Where logs begin that do not begin at their first entry any more. */
  readonly anchors: readonly StoredAnchor[];
  readonly faults: readonly AuditFault[];
}

const pageSize = 1_000;
const maximumFaults = 1_000;

/** Of one organization, or with an empty id of all, and of the installation; seen at one moment, though entries are added meanwhile. */
export function verifyAuditLog(database: Database, organizationId: string, knownHeads: readonly StoredHead[], signal: AbortSignal): Promise<AuditVerification> {
  return database.transaction(async (snapshot) => {
    await snapshot.query("set transaction isolation level repeatable read, read only");
    return verifyChains(snapshot, organizationId, knownHeads, signal);
  });
}

/** As `verifyAuditLog`, of what this transaction sees. */
export async function verifyChains(queryable: Queryable, organizationId: string, knownHeads: readonly StoredHead[], signal: AbortSignal): Promise<AuditVerification> {
  const heads = await selectChains(queryable, organizationId);
  const anchors = await selectAnchors(queryable, organizationId);
  const faults: AuditFault[] = [];
  let entries = 0n;
  for (const head of heads) entries += await verifyChain(queryable, anchors.find((anchor) => anchor.organization_id === head.organization_id) ?? chainBegin, head, (sequence, detail) => faults.push({ organizationId: head.organization_id, sequence, detail }), signal);
  for (const lost of await selectLostHeads(queryable, knownHeads)) {
    faults.push({ organizationId: lost.organization_id, sequence: lost.sequence, detail: `it was seen with the hash ${lost.hash.toString("hex")}, and does not stand any more` });
  }
  for (const { organization_id, sequence, call_id } of await selectChangedContents(queryable, organizationId, maximumFaults)) {
    faults.push({ organizationId: organization_id, sequence, detail: `the content that is kept of ${call_id} is not what was recorded of it` });
  }
  return { entries, heads, anchors, faults: faults.slice(0, maximumFaults) };
}

/** Returns how many entries there are. */
async function verifyChain(queryable: Queryable, begin: ChainPlace, head: StoredHead, report: (sequence: bigint, detail: string) => void, signal: AbortSignal): Promise<bigint> {
  let place = begin;
  let read: bigint | undefined;
  let entries = 0n;
  for (;;) {
    signal.throwIfAborted();
    const lines = await selectLinks(queryable, head.organization_id, read, pageSize);
    for (const line of lines) {
      const fault = faultOf(line, place);
      if (fault !== undefined) report(line.sequence, fault);
      if (line.sequence > place.sequence) place = line;
      read = line.sequence;
      entries += 1n;
    }
    if (lines.length < pageSize) break;
  }
  if (place.sequence !== head.sequence || !place.hash.equals(head.hash)) {
    report(head.sequence, `the head is ${head.sequence} ${head.hash.toString("hex")}, and the last entry ${place.sequence} ${place.hash.toString("hex")}: the end was changed or taken away`);
  }
  return entries;
}
