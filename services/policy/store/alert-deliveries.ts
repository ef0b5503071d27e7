/** Owns the table of deliveries: who is still to be told of which alert. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AlertDeliverySchema, AlertDeliveryState, BudgetAlertSchema, DeliveredAlertSchema, type BudgetAlert, type DeliveredAlert } from "#gen/weir/policy/v1/budget_alert_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { isFor, type AlertDestination } from "../domain/alert-destination.ts";
import type { Page } from "../domain/page.ts";
import type { Crossing } from "./budget-crossings.ts";

const { WAITING, DELIVERED, GIVEN_UP } = AlertDeliveryState;

/** In the transaction that notes the crossings, so that there is no alert of which nobody will be told. */
export async function addDeliveries(transaction: Queryable, crossings: readonly Crossing[], destinations: readonly AlertDestination[]): Promise<void> {
  const pairs = crossings.flatMap((crossing) => destinations.filter((destination) => isFor(destination, crossing)).map(({ name }) => ({ crossingId: crossing.crossingId, name })));
  if (pairs.length === 0) return;
  await transaction.query("INSERT INTO alert_deliveries (crossing_id, destination) SELECT * FROM unnest($1::text[], $2::text[])", [pairs.map(({ crossingId }) => crossingId), pairs.map(({ name }) => name)]);
}

export interface DueDelivery {
  readonly destination: string;
  readonly alert: BudgetAlert;
  /** With the one to come. */
  readonly attempts: number;
}

/** Takes what is due for the destination; no other process gets it before `aloneMs` are over. */
export async function claimDeliveries(database: Queryable, destination: string, atMost: number, aloneMs: number): Promise<DueDelivery[]> {
  const { rows } = await database.query<AlertRow & { attempts: number }>(
    `WITH due AS (
       SELECT crossing_id FROM alert_deliveries WHERE destination = $1 AND state = ${WAITING} AND next_time <= now() ORDER BY next_time LIMIT $2 FOR UPDATE SKIP LOCKED
     ), claimed AS (
       UPDATE alert_deliveries SET attempts = attempts + 1, last_time = now(), next_time = now() + $3 * interval '1 millisecond'
       WHERE destination = $1 AND crossing_id IN (SELECT crossing_id FROM due) RETURNING crossing_id, attempts
     )
     SELECT * FROM claimed JOIN budget_alerts USING (crossing_id)`,
    [destination, atMost, aloneMs],
  );
  return rows.map((row) => ({ destination, alert: readAlert(row), attempts: row.attempts }));
}

/** What became of an attempt: nothing where another process has taken it over since. */
export async function settleDelivery(database: Queryable, { destination, alert, attempts }: DueDelivery, problem: string, retryInMs: number | undefined): Promise<void> {
  const failed = retryInMs === undefined ? GIVEN_UP : WAITING;
  await database.query(
    "UPDATE alert_deliveries SET state = $4, problem = $5, next_time = now() + $6 * interval '1 millisecond' WHERE crossing_id = $1 AND destination = $2 AND attempts = $3",
    [alert.id, destination, attempts, problem === "" ? DELIVERED : failed, problem, retryInMs ?? 0],
  );
}

/** As if there had been no attempt; it is due at once. */
export async function returnDelivery(database: Queryable, { destination, alert, attempts }: DueDelivery): Promise<void> {
  await database.query("UPDATE alert_deliveries SET attempts = attempts - 1, next_time = now() WHERE crossing_id = $1 AND destination = $2 AND attempts = $3", [alert.id, destination, attempts]);
}

/** Gives up what is for others than these and has been due for a day; returns of which destinations it was. */
export async function abandonDeliveries(database: Queryable, destinations: readonly string[]): Promise<string[]> {
  const { rows } = await database.query<{ destination: string }>(
    `UPDATE alert_deliveries SET state = ${GIVEN_UP}, problem = 'the configuration has no destination of this name'
     WHERE state = ${WAITING} AND destination <> ALL ($1) AND next_time < now() - interval '1 day' RETURNING destination`,
    [destinations],
  );
  return rows.map(({ destination }) => destination);
}

/** Returns how many are due again. */
export async function reviveDeliveries(database: Queryable, destination: string): Promise<number> {
  const { rowCount } = await database.query(`UPDATE alert_deliveries SET state = ${WAITING}, attempts = 0, next_time = now() WHERE destination = $1 AND state = ${GIVEN_UP}`, [destination]);
  return rowCount ?? 0;
}

/** Of one organization or (empty) of all, newest first, with the numbers by which they are ordered; one more than the page has, if there are more. */
export async function selectAlerts(database: Queryable, organizationId: string, { size, after }: Page): Promise<{ readonly number: string; readonly alert: DeliveredAlert }[]> {
  const { rows } = await database.query<AlertRow>(
    "SELECT * FROM budget_alerts WHERE ($1 = '' OR organization_id = $1) AND ($2::int8 IS NULL OR crossing_number < $2) ORDER BY crossing_number DESC LIMIT $3",
    [organizationId, after?.[0], size + 1],
  );
  const { rows: deliveries } = await database.query<DeliveryRow>("SELECT * FROM alert_deliveries WHERE crossing_id = ANY ($1) ORDER BY destination", [rows.map(({ crossing_id }) => crossing_id)]);
  const byAlert = Map.groupBy(deliveries, ({ crossing_id }) => crossing_id);
  return rows.map((row) => ({
    number: row.crossing_number.toString(),
    alert: create(DeliveredAlertSchema, { alert: readAlert(row), deliveries: (byAlert.get(row.crossing_id) ?? []).map(readDelivery) }),
  }));
}

interface AlertRow {
  crossing_id: string;
  crossing_number: bigint;
  organization_id: string;
  organization: string;
  budget_id: string;
  budget: string;
  label_value: string;
  percent: number;
  limit_nanos: bigint;
  posted_nanos: bigint;
  cross_time: Date;
  start_time: Date | null;
  end_time: Date | null;
}

interface DeliveryRow {
  crossing_id: string;
  destination: string;
  state: AlertDeliveryState;
  attempts: number;
  last_time: Date | null;
  next_time: Date;
  problem: string;
}

function readAlert(row: AlertRow): BudgetAlert {
  return create(BudgetAlertSchema, {
    id: row.crossing_id,
    organizationId: row.organization_id,
    organization: row.organization,
    budgetId: row.budget_id,
    budget: row.budget,
    labelValue: row.label_value,
    percent: row.percent,
    limitNanos: row.limit_nanos,
    postedNanos: row.posted_nanos,
    reachTime: timestampFromDate(row.cross_time),
    ...(row.start_time && { startTime: timestampFromDate(row.start_time) }),
    ...(row.end_time && { endTime: timestampFromDate(row.end_time) }),
  });
}

function readDelivery({ destination, state, attempts, last_time, next_time, problem }: DeliveryRow) {
  return create(AlertDeliverySchema, {
    destination,
    state,
    attempts,
    problem,
    ...(last_time && { lastTime: timestampFromDate(last_time) }),
    ...(state === WAITING && { nextTime: timestampFromDate(next_time) }),
  });
}
