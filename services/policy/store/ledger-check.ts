/** Owns comparing what policy has posted to leases with what the ledger has of them. */
import { create } from "@bufbuild/protobuf";
import { SumLeasesRequestSchema } from "#gen/weir/metering/v1/lease_posting_pb.ts";
import { LeaseDifferenceSchema, type LeaseDifference } from "#gen/weir/policy/v1/budget_pb.ts";
import type { Database } from "#platform/database/database.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyPeers } from "../peers.ts";

const pageSize = 1_000;
/** The newest ones; of older ones the ledger hardly ever says anything new. */
const mostLeases = 100_000;
const mostDifferences = 100;

export interface LedgerCheck {
  readonly checkedLeases: bigint;
  /** The first of them. */
  readonly leaseDifferences: LeaseDifference[];
}

/** Leaves out leases of which something is under way from one to the other. Throws DEPENDENCY_UNAVAILABLE while metering cannot be asked. */
export async function compareWithLedger(database: Database, { metering }: PolicyPeers, context: CallContext): Promise<LedgerCheck> {
  let checked = 0;
  const leaseDifferences: LeaseDifference[] = [];
  for (let before = "~"; checked < mostLeases && leaseDifferences.length < mostDifferences; ) {
    const { rows } = await database.query<LeaseRow>("SELECT lease_id, organization_id, posted_nanos FROM leases WHERE lease_id < $1 ORDER BY lease_id DESC LIMIT $2", [before, pageSize]);
    const { sums } = await metering.sumLeases(create(SumLeasesRequestSchema, { leaseIds: rows.map(({ lease_id }) => lease_id) }), context);
    const ledger = new Map(sums.map(({ leaseId, countedNanos }) => [leaseId, countedNanos]));
    const suspects = rows.filter(({ lease_id, posted_nanos }) => ledger.has(lease_id) && ledger.get(lease_id) !== posted_nanos);
    for (const { lease_id, organization_id, posted_nanos } of await unchanged(database, suspects)) {
      leaseDifferences.push(create(LeaseDifferenceSchema, { leaseId: lease_id, organizationId: organization_id, postedNanos: posted_nanos, ledgerNanos: ledger.get(lease_id)! }));
    }
    checked += rows.length;
    if (rows.length < pageSize) break;
    before = rows.at(-1)!.lease_id;
  }
  return { checkedLeases: BigInt(checked), leaseDifferences: leaseDifferences.slice(0, mostDifferences) };
}

/** Those to which nothing was posted since: the ledger may have been asked after that. */
async function unchanged(database: Database, suspects: readonly LeaseRow[]): Promise<readonly LeaseRow[]> {
  if (suspects.length === 0) return [];
  const { rows } = await database.query<LeaseRow>("SELECT lease_id, organization_id, posted_nanos FROM leases WHERE lease_id = ANY ($1)", [suspects.map(({ lease_id }) => lease_id)]);
  const now = new Map(rows.map(({ lease_id, posted_nanos }) => [lease_id, posted_nanos]));
  return suspects.filter(({ lease_id, posted_nanos }) => now.get(lease_id) === posted_nanos);
}

interface LeaseRow {
  lease_id: string;
  organization_id: string;
  posted_nanos: bigint;
}
