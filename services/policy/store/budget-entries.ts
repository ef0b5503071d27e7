/** Owns what is added to the limit of a budget's period, or moved from one to another: entries that are never edited, and their sums. */
import type { Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";

export interface EntryFacts {
  readonly note: string;
  /** A key, or a service of Weir. */
  readonly enteredBy: string;
}

/** $100,000,000: so that the sums over the sixty periods of a rolling budget stay within 64 bits, too. */
const mostExtraNanos = 100_000_000_000_000_000n;

/** Must run in a transaction. Throws INVALID_REQUEST when the period has been given as much as one may have. */
export async function topUpPeriod(transaction: Queryable, periodId: bigint, amountNanos: bigint, facts: EntryFacts): Promise<void> {
  await lockPeriods(transaction, [periodId]);
  await enter(transaction, periodId, amountNanos, undefined, facts);
}

/** Must run in a transaction. Throws INVALID_REQUEST when the first has less left, or the other as much as one may be given. */
export async function transferBetween(transaction: Queryable, fromId: bigint, toId: bigint, amountNanos: bigint, facts: EntryFacts): Promise<void> {
  await lockPeriods(transaction, [fromId, toId]);
  const { rows } = await transaction.query<{ headroom_nanos: bigint }>("SELECT headroom_nanos FROM budget_rooms WHERE period_id = $1", [fromId]);
  if (rows[0]!.headroom_nanos < amountNanos) {
    const description = "The first budget has less than that left in its current period.";
    throw new GatewayError("INVALID_REQUEST", `${description} Transfer less.`, { fieldViolations: [{ field: "amount_nanos", description }] });
  }
  await enter(transaction, fromId, -amountNanos, toId, facts);
  await enter(transaction, toId, amountNanos, fromId, facts);
}

/** In the order in which everybody locks periods. */
async function lockPeriods(transaction: Queryable, periodIds: readonly bigint[]): Promise<void> {
  await transaction.query("SELECT FROM budget_periods WHERE period_id = ANY ($1) ORDER BY period_id FOR NO KEY UPDATE", [periodIds]);
}

async function enter(transaction: Queryable, periodId: bigint, amountNanos: bigint, otherPeriodId: bigint | undefined, { note, enteredBy }: EntryFacts): Promise<void> {
  await transaction.query("INSERT INTO budget_entries (period_id, amount_nanos, other_period_id, note, entered_by) VALUES ($1, $2, $3, $4, $5)", [periodId, amountNanos, otherPeriodId ?? null, note, enteredBy]);
  const { rows } = await transaction.query("UPDATE budget_periods SET extra_nanos = extra_nanos + $2 WHERE period_id = $1 AND extra_nanos <= $3::int8 - $2 RETURNING period_id", [periodId, amountNanos, mostExtraNanos]);
  if (rows.length > 0) return;
  const description = "The limit of a budget's period can be raised by $100,000,000 in all.";
  throw new GatewayError("INVALID_REQUEST", `${description} Add less, or give the budget a higher limit.`, { fieldViolations: [{ field: "amount_nanos", description }] });
}
