/** Owns the verification of the audit log: every chain computed anew, up to its head, and past the heads that were seen before. */
import type { Database, Queryable } from "#platform/database/database.ts";
import { chainBegin, faultOf, type ChainPlace } from "./domain/audit-chain.ts";
import { selectChains, selectChangedContents, selectLinks, selectLostHeads, type StoredHead } from "./store/audit-log.ts";

export interface AuditFault {
  readonly organizationId: string;
  readonly sequence: bigint;
  readonly detail: string;
}

export interface AuditVerification {
  readonly entries: bigint;
  readonly heads: readonly StoredHead[];
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
  const faults: AuditFault[] = [];
  let entries = 0n;
  for (const head of heads) entries += await verifyChain(queryable, head, (sequence, detail) => faults.push({ organizationId: head.organization_id, sequence, detail }), signal);
  for (const lost of await selectLostHeads(queryable, knownHeads)) {
    faults.push({ organizationId: lost.organization_id, sequence: lost.sequence, detail: `it was seen with the hash ${lost.hash.toString("hex")}, and does not stand any more` });
  }
  for (const { organization_id, sequence, call_id } of await selectChangedContents(queryable, organizationId, maximumFaults)) {
    faults.push({ organizationId: organization_id, sequence, detail: `the content that is kept of ${call_id} is not what was recorded of it` });
  }
  return { entries, heads, faults: faults.slice(0, maximumFaults) };
}

/** Returns how many entries there are. */
async function verifyChain(queryable: Queryable, head: StoredHead, report: (sequence: bigint, detail: string) => void, signal: AbortSignal): Promise<bigint> {
  let place: ChainPlace = chainBegin;
  let entries = 0n;
  for (;;) {
    signal.throwIfAborted();
    const lines = await selectLinks(queryable, head.organization_id, place.sequence, pageSize);
    for (const line of lines) {
      const fault = faultOf(line, place);
      if (fault !== undefined) report(line.sequence, fault);
      place = line;
      entries += 1n;
    }
    if (lines.length < pageSize) break;
  }
  if (place.sequence !== head.sequence || !place.hash.equals(head.hash)) {
    report(head.sequence, `the head is ${head.sequence} ${head.hash.toString("hex")}, and the last entry ${place.sequence} ${place.hash.toString("hex")}: the end was changed or taken away`);
  }
  return entries;
}
