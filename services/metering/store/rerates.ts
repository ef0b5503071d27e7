/** Owns the re-ratings that were asked for, and what each changed so far. */
import type { Queryable } from "#platform/database/database.ts";
import type { RatingDifference } from "../domain/rerate.ts";
import { timeText } from "./time-text.ts";

/** What a re-rating is told from others by. */
export interface RerateOrder {
  readonly rerateId: string;
  readonly priceVersion: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly model: string;
}

/** Keeps the order unless its id is known; says whether the known one is the same, and whether it is done. */
export async function openRerate(queryable: Queryable, { rerateId, priceVersion, startMs, endMs, model }: RerateOrder, requestedBy: string): Promise<{ isSame: boolean; isDone: boolean }> {
  const values = [rerateId, priceVersion, timeText(startMs), timeText(endMs), model];
  await queryable.query(
    `insert into rerates (rerate_id, price_version, start_time, end_time, model, requested_by)
     values ($1, $2, $3::timestamptz, $4::timestamptz, $5, $6) on conflict do nothing`,
    [...values, requestedBy],
  );
  const { rows } = await queryable.query<{ same: boolean; done: boolean }>(
    `select price_version = $2 and start_time = $3::timestamptz and end_time = $4::timestamptz and model = $5 as same,
            finish_time is not null as done from rerates where rerate_id = $1`,
    values,
  );
  return { isSame: rows[0]!.same, isDone: rows[0]!.done };
}

export async function finishRerate(queryable: Queryable, rerateId: string): Promise<void> {
  await queryable.query("update rerates set finish_time = now() where rerate_id = $1 and finish_time is null", [rerateId]);
}

const sums = ["attempts", "changed_attempts", "unpriced_attempts", "cost_before_nanos", "cost_after_nanos", "charge_before_nanos", "charge_after_nanos"];

export async function addRerateDifferences(transaction: Queryable, rerateId: string, differences: readonly RatingDifference[]): Promise<void> {
  for (const { model, attempts, changedAttempts, unpricedAttempts, costBeforeNanos, costAfterNanos, chargeBeforeNanos, chargeAfterNanos } of differences) {
    await transaction.query(
      `insert into rerate_differences as known (rerate_id, model, ${sums.join(", ")}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       on conflict (rerate_id, model) do update set ${sums.map((name) => `${name} = known.${name} + excluded.${name}`).join(", ")}`,
      [rerateId, model, attempts, changedAttempts, unpricedAttempts, costBeforeNanos, costAfterNanos, chargeBeforeNanos, chargeAfterNanos].map(String),
    );
  }
}

export async function selectRerateDifferences(queryable: Queryable, rerateId: string): Promise<RatingDifference[]> {
  const { rows } = await queryable.query<Record<string, bigint> & { model: string }>(`select model, ${sums.join(", ")} from rerate_differences where rerate_id = $1 order by model`, [rerateId]);
  return rows.map((row) => ({
    model: row.model,
    attempts: row["attempts"]!,
    changedAttempts: row["changed_attempts"]!,
    unpricedAttempts: row["unpriced_attempts"]!,
    costBeforeNanos: row["cost_before_nanos"]!,
    costAfterNanos: row["cost_after_nanos"]!,
    chargeBeforeNanos: row["charge_before_nanos"]!,
    chargeAfterNanos: row["charge_after_nanos"]!,
  }));
}
