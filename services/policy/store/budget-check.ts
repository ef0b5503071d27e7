/** Owns comparing what budgets have counted with the sums of their leases. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { BudgetDifferenceSchema, type BudgetDifference } from "#gen/weir/policy/v1/budget_pb.ts";
import type { Database } from "#platform/database/database.ts";

const mostDifferences = 100;

export interface BudgetCheck {
  readonly checkedPeriods: bigint;
  /** The first of them. */
  readonly differences: BudgetDifference[];
}

/** One look, of one moment. */
export async function differencesOf(database: Database): Promise<BudgetCheck> {
  const { rows } = await database.query<DifferenceRow>(
    `WITH sums AS (
       SELECT period_id, sum(posted_nanos)::int8 AS posted, sum(held_nanos)::int8 AS held, (count(*) FILTER (WHERE NOT is_returned))::int4 AS drawable
       FROM leases, unnest(period_ids) AS period_id GROUP BY period_id
     ), compared AS (
       SELECT budget_id, label_value, nullif(start_time, '-infinity') AS start_time, posted_nanos, forgotten_nanos + coalesce(posted, 0) AS lease_posted_nanos,
              held_nanos, coalesce(held, 0) AS lease_held_nanos, drawable_leases, coalesce(drawable, 0) AS drawable
       FROM budget_periods LEFT JOIN sums USING (period_id)
     )
     SELECT * FROM (SELECT count(*) AS checked FROM budget_periods) AS counted
     LEFT JOIN LATERAL (
       SELECT budget_id, label_value, start_time, posted_nanos, lease_posted_nanos, held_nanos, lease_held_nanos FROM compared
       WHERE posted_nanos <> lease_posted_nanos OR held_nanos <> lease_held_nanos OR drawable_leases <> drawable LIMIT $1
     ) AS differences ON true`,
    [mostDifferences],
  );
  return { checkedPeriods: rows[0]!.checked, differences: rows.filter(({ budget_id }) => budget_id !== null).map(readDifference) };
}

interface DifferenceRow {
  checked: bigint;
  budget_id: string | null;
  label_value: string;
  start_time: Date | null;
  posted_nanos: bigint;
  lease_posted_nanos: bigint;
  held_nanos: bigint;
  lease_held_nanos: bigint;
}

function readDifference(row: DifferenceRow): BudgetDifference {
  return create(BudgetDifferenceSchema, {
    budgetId: row.budget_id!,
    labelValue: row.label_value,
    ...(row.start_time && { startTime: timestampFromDate(row.start_time) }),
    postedNanos: row.posted_nanos,
    leasePostedNanos: row.lease_posted_nanos,
    heldNanos: row.held_nanos,
    leaseHeldNanos: row.lease_held_nanos,
  });
}
