/** Owns what policy has still to be told of leases, and up to when it has been told all. */
import { JournalState } from "#gen/weir/metering/v1/journal_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { preparedStatement } from "#platform/database/prepared-statement.ts";
import type { LeaseDelta } from "../domain/lease-posting.ts";
import { batchParameters, batchRelation, columnNames, type Column } from "./batch-statement.ts";

const columns: readonly Column<LeaseDelta>[] = [
  { name: "lease_id", type: "text", value: ({ leaseId }) => leaseId },
  { name: "organization_id", type: "text", value: ({ organizationId }) => organizationId },
  { name: "attempt_id", type: "text", value: ({ attemptId }) => attemptId },
  { name: "delta_nanos", type: "bigint", value: ({ deltaNanos }) => deltaNanos },
];

const insertAll = preparedStatement(`insert into lease_postings (${columnNames(columns)}) select * from ${batchRelation(columns)}`);

export async function insertLeasePostings(transaction: Queryable, deltas: readonly LeaseDelta[]): Promise<void> {
  await transaction.query(insertAll, batchParameters(columns, deltas));
}

export interface NumberedDelta extends LeaseDelta {
  readonly postingId: bigint;
}

/** The oldest; what others are just writing comes later, whatever its number. */
export async function selectLeasePostings(queryable: Queryable, limit: number): Promise<NumberedDelta[]> {
  const { rows } = await queryable.query<{ posting_id: bigint; lease_id: string; organization_id: string; attempt_id: string; delta_nanos: bigint }>(
    "select posting_id, lease_id, organization_id, attempt_id, delta_nanos from lease_postings order by posting_id limit $1",
    [limit],
  );
  return rows.map(({ posting_id, lease_id, organization_id, attempt_id, delta_nanos }) => ({
    postingId: posting_id,
    leaseId: lease_id,
    organizationId: organization_id,
    attemptId: attempt_id,
    deltaNanos: delta_nanos,
  }));
}

/** What the attempts under each of these leases come to, as `leaseDeltasOf` counts; without those of which something is still to be told. */
export async function selectLeaseSums(queryable: Queryable, leaseIds: readonly string[]): Promise<{ readonly leaseId: string; readonly countedNanos: bigint }[]> {
  const { rows } = await queryable.query<{ lease_id: string; counted_nanos: bigint }>(
    `select asked.lease_id, coalesce(sum(coalesce(charge_nanos, case when result = $2 then 0 else bound_nanos end)), 0)::int8 as counted_nanos
     from unnest($1::text[]) as asked (lease_id) left join attempts using (lease_id)
     where asked.lease_id not in (select lease_id from lease_postings) group by asked.lease_id`,
    [leaseIds, AttemptResult.NOT_SENT],
  );
  return rows.map(({ lease_id: leaseId, counted_nanos: countedNanos }) => ({ leaseId, countedNanos }));
}

export async function deleteLeasePostings(queryable: Queryable, postingIds: readonly bigint[]): Promise<void> {
  if (postingIds.length === 0) return;
  await queryable.query("delete from lease_postings where posting_id = any($1::int8[])", [postingIds]);
}

/** Every attempt that began before is posted: no journal has it open or unconfirmed, and none that has not reported yet can. */
export async function selectCompleteBefore(queryable: Queryable, firstReportMs: number): Promise<Date> {
  const { rows } = await queryable.query<{ complete_before: Date }>(
    `select least(now() - $1 * interval '1 millisecond', min(low_water_time)) as complete_before from journals
     where state = ${JournalState.OPEN} or state = ${JournalState.LOST} and exists (select from open_attempts where open_attempts.journal_id = journals.journal_id)`,
    [firstReportMs],
  );
  return rows[0]!.complete_before;
}
