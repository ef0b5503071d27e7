/** Owns taking what batches have added into the sums and balances that stay. */
import type { Database, Queryable } from "#platform/database/database.ts";
import { balancesOf, dayKeys, daysOf, rollupCounts, rollupHistograms, rollupKeys, sumColumns } from "./computed-sums.ts";
import { timeText } from "./time-text.ts";

const keys = rollupKeys.join(", ");

/** Folds the deltas for which the condition holds. */
const foldWhere = (condition: string): string => `
  with taken as (delete from usage_deltas where ${condition} returning *),
  hours as (
    select ${keys}, ${Object.keys(rollupCounts).map((name) => `sum(${name})::int8 as ${name}`).join(", ")}, array_sum(quantities) as quantities,
           ${Object.keys(rollupHistograms).map((name) => `histogram_of(array_concat(${name})) as ${name}`).join(", ")}
    from taken group by ${keys}
  ), days as (${daysOf("hours")}),
  folded_hours as (${addTo("usage_rollups", rollupKeys, "hours")}),
  folded_days as (${addTo("usage_days", dayKeys, "days")}),
  balanced as (
    insert into balances as sums (account, month, amount_nanos) ${balancesOf("days")}
    on conflict (account, month) do update set amount_nanos = sums.amount_nanos + excluded.amount_nanos
  )
  select count(*) as taken from taken`;

/** Whoever changes balances does it alone, until the transaction ends: they are not locked in one order. */
export async function lockBalances(transaction: Queryable): Promise<void> {
  await transaction.query("select pg_advisory_xact_lock(hashtextextended('weir metering balances', 0))");
}

/** Folds at most so many deltas, and returns how many; waits for another process that folds. */
export function foldDeltas(database: Database, limit: number): Promise<number> {
  return database.transaction(async (transaction) => {
    await lockBalances(transaction);
    const { rows } = await transaction.query<{ taken: bigint }>(foldWhere("ctid = any(array(select ctid from usage_deltas limit $1))"), [limit]);
    return Number(rows[0]!.taken);
  });
}

/** Folds all deltas of these hours, for who has locked balances and the deltas. */
export async function foldHours(transaction: Queryable, startMs: number, endMs: number): Promise<void> {
  await transaction.query(foldWhere("hour >= $1::timestamptz and hour < $2::timestamptz"), [startMs, endMs].map(timeText));
}

function addTo(table: string, key: readonly string[], added: string): string {
  const columns = [...key, ...sumColumns].join(", ");
  const sums = sumColumns.map((name) => `${name} = ${name === "quantities" ? `array_add(sums.${name}, excluded.${name})` : `sums.${name} + excluded.${name}`}`);
  return `insert into ${table} as sums (${columns}) select ${columns} from ${added} on conflict (${key.join(", ")}) do update set ${sums.join(", ")}`;
}
