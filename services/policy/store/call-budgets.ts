/** Owns which budgets count a call, and how they stand. */
import { create, type JsonObject } from "@bufbuild/protobuf";
import { CallBudgetSchema, type CallBudget } from "#gen/weir/policy/v1/lease_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { enforcementOf, readUsage, type PeriodRow } from "./budgets.ts";

/** By name, the first 100. Makes the current periods that are missing. */
export async function selectCallBudgets(transaction: Queryable, organizationId: string, keyId: string, labels: JsonObject): Promise<CallBudget[]> {
  // Two statements: a period that the first one makes is not seen by it.
  const { rows: periods } = await transaction.query<{ period_id: bigint }>("SELECT period_id FROM periods_of_calls($1, $2, $3)", [organizationId, [keyId], [labels]]);
  const { rows } = await transaction.query<CallBudgetRow>(
    `SELECT budget_id, name, is_hard, period_id, label_value, nullif(start_time, '-infinity') AS start_time, nullif(end_time, 'infinity') AS end_time, limit_nanos, posted_nanos, held_nanos, headroom_nanos
     FROM budget_rooms WHERE period_id = ANY ($1) ORDER BY name LIMIT 100`,
    [periods.map(({ period_id }) => period_id)],
  );
  return rows.map((row) => create(CallBudgetSchema, { id: row.budget_id, name: row.name, enforcement: enforcementOf(row.is_hard), usage: readUsage(row) }));
}

interface CallBudgetRow extends PeriodRow {
  budget_id: string;
  name: string;
  is_hard: boolean;
}
