/** Owns computing sums and balances anew from the lines, while events go on coming. */
import type { Database, Queryable } from "#platform/database/database.ts";
import { computedBalances, computedDays, computedRollups, dayKeys, rollupKeys, sumColumns } from "./computed-sums.ts";
import { foldHours, lockBalances } from "./fold-deltas.ts";

/** Puts the sums of these hours in the place of those that stand, and returns how many there are; batches that come meanwhile wait. */
export async function rebuildRollups(database: Database, startMs: number, endMs: number): Promise<number> {
  return database.transaction(async (transaction) => {
    await lockBalances(transaction);
    // Whoever has changed sums has committed, with the lines they are of; whoever will, waits.
    await transaction.query("lock table usage_deltas, usage_rollups in share row exclusive mode");
    // Into days and balances too, which are computed anew later, or never where the rebuilding ends before.
    await foldHours(transaction, startMs, endMs);
    const period = [new Date(startMs).toISOString(), new Date(endMs).toISOString()];
    await transaction.query("delete from usage_rollups where hour >= $1::timestamptz and hour < $2::timestamptz", period);
    const { rowCount } = await transaction.query(`insert into usage_rollups (${[...rollupKeys, ...sumColumns].join(", ")}) ${computedRollups}`, period);
    return rowCount ?? 0;
  });
}

/** The same for whole days, from the sums of their hours. */
export async function rebuildDays(database: Database, startMs: number, endMs: number): Promise<void> {
  await database.transaction(async (transaction) => {
    await transaction.query("lock table usage_rollups, usage_days in share row exclusive mode");
    const period = [new Date(startMs).toISOString(), new Date(endMs).toISOString()];
    await transaction.query("delete from usage_days where day >= $1::timestamptz and day < $2::timestamptz", period);
    await transaction.query(`insert into usage_days (${[...dayKeys, ...sumColumns].join(", ")}) ${computedDays}`, period);
  });
}

/** The same for the balances of whole months, from the sums by day and what reconciliations posted. */
export async function rebuildBalances(database: Database, startMs: number, endMs: number): Promise<number> {
  return database.transaction(async (transaction) => {
    await transaction.query("lock table usage_days, vendor_postings, balances in share row exclusive mode");
    const period = [new Date(startMs).toISOString(), new Date(endMs).toISOString()];
    await transaction.query("delete from balances where month >= ($1::timestamptz at time zone 'UTC')::date and month < ($2::timestamptz at time zone 'UTC')::date", period);
    const { rowCount } = await transaction.query(`insert into balances (account, month, amount_nanos) ${computedBalances}`, period);
    return rowCount ?? 0;
  });
}

/** From the first line to the last, in milliseconds; undefined when there is none, and no sum either. */
export async function extentOf(queryable: Queryable): Promise<{ startMs: number; endMs: number } | undefined> {
  const { rows } = await queryable.query<{ first: Date | null; last: Date | null }>(
    `select least((select min(start_time) from attempts), (select min(start_time) from postings), (select min(hour) from usage_sums)) as first,
            greatest((select max(start_time) from attempts), (select max(start_time) from postings), (select max(hour) from usage_sums)) as last`,
  );
  const { first, last } = rows[0]!;
  return first === null || last === null ? undefined : { startMs: first.getTime(), endMs: last.getTime() + 1 };
}
