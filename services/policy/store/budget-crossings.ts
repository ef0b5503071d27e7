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

/** Notes what the periods of these leases have reached and was not noted, of rolling ones within their window, and returns it. */
export async function noteCrossings(transaction: Queryable, leaseIds: readonly string[]): Promise<Crossing[]> {
  const { rows } = await transaction.query<CrossingRow>(
    `WITH noted AS (
       INSERT INTO budget_crossings (period_id, percent, limit_nanos, posted_nanos)
       SELECT rooms.period_id, percent, rooms.limit_nanos, rooms.posted_nanos
       FROM budgets CROSS JOIN unnest(alert_percents) AS percent JOIN budget_rooms AS rooms USING (budget_id)
       WHERE rooms.period_id IN (SELECT unnest(period_ids) FROM leases WHERE lease_id = ANY ($1))
         AND rooms.posted_nanos > 0 AND rooms.posted_nanos::numeric * 100 >= rooms.limit_nanos::numeric * percent
         AND NOT EXISTS (
           SELECT FROM budget_crossings AS former JOIN budget_periods AS slices USING (period_id)
           WHERE slices.budget_id = rooms.budget_id AND slices.label_value = rooms.label_value AND former.percent = percent.percent AND slices.end_time > rooms.start_time - rolling_window
         )
       ON CONFLICT DO NOTHING RETURNING *
     )
     SELECT crossing_id, organization_id, organizations.name AS organization, budget_id, periods.name, label_value, percent, noted.limit_nanos::text AS limit_nanos, noted.posted_nanos::text AS posted_nanos
     FROM noted JOIN (SELECT period_id, budget_id, budget_periods.label_value, organization_id, name FROM budget_periods JOIN budgets USING (budget_id)) AS periods USING (period_id)
     JOIN organizations ON organizations.id = organization_id`,
    [leaseIds],
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
