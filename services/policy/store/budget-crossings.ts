/** Owns which shares of their limits budgets have reached: each is noted once in a period. */
import type { Queryable } from "#platform/database/database.ts";

export interface Crossing {
  readonly crossingId: string;
  readonly organizationId: string;
  readonly organization: string;
  readonly budgetId: string;
  readonly budget: string;
  readonly labelValue: string;
  readonly percent: number;
  readonly limitNanos: string;
  readonly postedNanos: string;
}

/** Notes what the periods of these leases have reached and was not noted, and returns it. Of a rolling budget, the newest period within whose window they are: what is posted last may be held in an older one. */
export function noteCrossingsOfLeases(transaction: Queryable, leaseIds: readonly string[]): Promise<Crossing[]> {
  return noteCrossings(
    transaction,
    `SELECT coalesce(newest.period_id, touched.period_id)
     FROM (SELECT DISTINCT unnest(period_ids) AS period_id FROM leases WHERE lease_id = ANY ($1)) AS ids JOIN budget_periods AS touched USING (period_id) JOIN budgets USING (budget_id)
     LEFT JOIN LATERAL (
       SELECT period_id FROM budget_periods AS slices
       WHERE rolling_window > '0' AND slices.budget_id = touched.budget_id AND slices.label_value = touched.label_value AND slices.start_time < touched.end_time + rolling_window
       ORDER BY slices.start_time DESC LIMIT 1
     ) AS newest ON true`,
    leaseIds,
  );
}

/** Notes what the current periods of these budgets have reached and was not noted, and returns it. */
export async function noteCrossingsOfBudgets(transaction: Queryable, budgetIds: readonly string[]): Promise<Crossing[]> {
  // A statement of its own: a rolling budget may have no period of now yet.
  const { rows } = await transaction.query<{ period_id: bigint }>(
    `SELECT ensure_period(budget, label_value) AS period_id
     FROM (
       SELECT budgets AS budget, label_values.label_value
       FROM budgets JOIN LATERAL (SELECT DISTINCT label_value FROM budget_periods WHERE budget_periods.budget_id = budgets.budget_id AND end_time > now() - rolling_window) AS label_values ON true
       WHERE budget_id = ANY ($1) AND alert_percents <> '{}'
       ORDER BY budget_id, label_values.label_value
     ) AS current`,
    [budgetIds],
  );
  return noteCrossings(transaction, "SELECT unnest($1::int8[])", rows.map(({ period_id }) => period_id));
}

/** `periodsOf` is a query for the periods of `ids`, its parameter. Of a budget that has ended nobody is told. */
async function noteCrossings(transaction: Queryable, periodsOf: string, ids: readonly unknown[]): Promise<Crossing[]> {
  const { rows } = await transaction.query<CrossingRow>(
    `WITH noted AS (
       INSERT INTO budget_crossings (period_id, percent, limit_nanos, posted_nanos)
       SELECT rooms.period_id, percent, rooms.limit_nanos, rooms.posted_nanos
       FROM budgets CROSS JOIN unnest(alert_percents) AS percent JOIN budget_rooms AS rooms USING (budget_id)
       WHERE rooms.period_id IN (${periodsOf}) AND delete_time IS NULL
         AND rooms.posted_nanos > 0 AND rooms.posted_nanos::numeric * 100 >= rooms.limit_nanos::numeric * percent
         AND NOT EXISTS (
           SELECT FROM budget_crossings AS former JOIN budget_periods AS slices USING (period_id)
           WHERE slices.budget_id = rooms.budget_id AND slices.label_value = rooms.label_value AND former.percent = percent.percent AND slices.end_time > rooms.start_time - rolling_window
         )
       ORDER BY rooms.period_id, percent
       ON CONFLICT DO NOTHING RETURNING *
     )
     SELECT crossing_id, organization_id, organizations.name AS organization, budget_id, periods.name, label_value, percent, noted.limit_nanos::text AS limit_nanos, noted.posted_nanos::text AS posted_nanos
     FROM noted JOIN (SELECT period_id, budget_id, budget_periods.label_value, organization_id, name FROM budget_periods JOIN budgets USING (budget_id)) AS periods USING (period_id)
     JOIN organizations ON organizations.id = organization_id`,
    [ids],
  );
  return rows.map(({ crossing_id, organization_id, organization, budget_id, name, label_value, percent, limit_nanos, posted_nanos }) => ({
    crossingId: crossing_id,
    organizationId: organization_id,
    organization,
    budgetId: budget_id,
    budget: name,
    labelValue: label_value,
    percent,
    limitNanos: limit_nanos,
    postedNanos: posted_nanos,
  }));
}

interface CrossingRow {
  crossing_id: string;
  organization_id: string;
  organization: string;
  budget_id: string;
  name: string;
  label_value: string;
  percent: number;
  limit_nanos: string;
  posted_nanos: string;
}
