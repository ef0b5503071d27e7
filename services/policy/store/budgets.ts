/** Owns the tables of budgets and their periods: made, changed and read by people. What calls take from them is in leases.ts. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { BudgetEnforcement, BudgetSchema, BudgetSubjectSchema, BudgetUsageSchema, type Budget, type BudgetPeriod, type BudgetShortage, type BudgetSubject, type BudgetUsage } from "#gen/weir/policy/v1/budget_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { orTaken } from "#platform/database/unique-violation.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Page } from "../domain/page.ts";
import type { Tenant } from "../domain/reach.ts";

/** What of a budget can be changed. */
export interface BudgetTerms {
  readonly name: string;
  readonly limitNanos: bigint;
  readonly enforcement: BudgetEnforcement;
  readonly shortage: BudgetShortage;
  readonly alertPercents: readonly number[];
}

export interface NewBudget extends BudgetTerms {
  readonly id: string;
  readonly organizationId: string;
  readonly subject: Pick<BudgetSubject, "teamId" | "keyId" | "memberId" | "labelName" | "labelValue">;
  readonly period: BudgetPeriod;
  /** 0 but for rolling periods. */
  readonly rollingWindowMs: number;
  readonly timeZone: string;
}

/** Throws ALREADY_EXISTS when the name is taken, NOT_FOUND when the organization or the subject is not there, INVALID_REQUEST when the time zone is not. */
export async function insertBudget(transaction: Queryable, budget: NewBudget): Promise<void> {
  const { id, organizationId, name, subject, limitNanos, period, rollingWindowMs, timeZone, enforcement, shortage, alertPercents } = budget;
  await checkSubject(transaction, organizationId, subject);
  await checkTimeZone(transaction, timeZone);
  const { rowCount } = await transaction.query(
    `INSERT INTO budgets (budget_id, organization_id, name, team_id, key_id, member_id, label_name, label_value, limit_nanos, period, rolling_window, time_zone, is_hard, shortage, alert_percents)
     VALUES ($1, $2, $3, nullif($4, ''), nullif($5, ''), nullif($6, ''), nullif($7, ''), nullif($8, ''), $9, $10, $11 * interval '1 millisecond', $12, $13, $14, $15)
     ON CONFLICT (organization_id, name) WHERE delete_time IS NULL DO NOTHING`,
    [id, organizationId, name, subject.teamId, subject.keyId, subject.memberId, subject.labelName, subject.labelValue, limitNanos, period, rollingWindowMs, timeZone, isHard(enforcement), shortage, alertPercents],
  );
  if (rowCount !== 1) throw nameTaken(name);
}

/** Within the tenant, with its current use; ended ones, too, so that what was answered once is answered again. Throws NOT_FOUND. */
export async function findBudget(database: Queryable, id: string, { organizationId }: Tenant): Promise<Budget> {
  const { rows } = await database.query<BudgetRow>(`${selectBudget} WHERE budgets.budget_id = $1 AND ($2 = '' OR organization_id = $2)`, [id, organizationId]);
  if (rows[0] !== undefined) return readBudget(rows[0]);
  throw new GatewayError("NOT_FOUND", "There is no budget of this id. ListBudgets shows those there are.", { metadata: { kind: "budget", id } });
}

/** Locks a budget that has not ended until the transaction does. Throws NOT_FOUND. */
export async function lockBudget(transaction: Queryable, id: string, tenant: Tenant): Promise<Budget> {
  await transaction.query("SELECT FROM budgets WHERE budget_id = $1 FOR NO KEY UPDATE", [id]);
  const budget = await findBudget(transaction, id, tenant);
  const { rowCount } = await transaction.query("SELECT FROM budgets WHERE budget_id = $1 AND delete_time IS NULL", [id]);
  if (rowCount === 1) return budget;
  throw new GatewayError("NOT_FOUND", `The budget "${budget.name}" has ended. ListBudgets shows those there are.`, { metadata: { kind: "budget", id } });
}

/** Throws ALREADY_EXISTS when the name is taken. */
export async function updateBudgetRow(transaction: Queryable, { id, organizationId }: Pick<Budget, "id" | "organizationId">, { name, limitNanos, enforcement, shortage, alertPercents }: BudgetTerms): Promise<void> {
  const update = transaction.query(
    `UPDATE budgets SET name = $2, limit_nanos = $3, is_hard = $4, shortage = $5, alert_percents = $6
     WHERE budget_id = $1 AND NOT EXISTS (SELECT FROM budgets AS others WHERE others.organization_id = $7 AND others.name = $2 AND others.delete_time IS NULL AND others.budget_id <> $1)`,
    [id, name, limitNanos, isHard(enforcement), shortage, alertPercents, organizationId],
  );
  const { rowCount } = await update.catch(orTaken(() => nameTaken(name)));
  if (rowCount !== 1) throw nameTaken(name);
}

/** Ends it unless it has ended. */
export async function deleteBudgetById(database: Queryable, id: string): Promise<void> {
  await database.query("UPDATE budgets SET delete_time = now() WHERE budget_id = $1 AND delete_time IS NULL", [id]);
}

/** Budgets by name, of one organization or (empty) of all; one more than the page has, if there are more. */
export async function selectBudgets(database: Queryable, organizationId: string, { size, after }: Page): Promise<Budget[]> {
  // No name is empty, so the empty one stands before them all.
  const [name, id] = after ?? ["", ""];
  const { rows } = await database.query<BudgetRow>(
    `${selectBudget} WHERE delete_time IS NULL AND (name, budget_id) > ($1, $2) AND ($3 = '' OR organization_id = $3) ORDER BY name, budget_id LIMIT $4`,
    [name, id, organizationId, size + 1],
  );
  return rows.map(readBudget);
}

/** A budget's periods with the ids by which they are ordered, newest first; one more than the page has, if there are more. What is left of a rolling one is that of its window. */
export async function selectPeriods(database: Queryable, budgetId: string, { size, after }: Page): Promise<{ readonly periodId: string; readonly usage: BudgetUsage }[]> {
  const [before] = after ?? [maximumId];
  const { rows } = await database.query<PeriodRow>(
    `SELECT period_id, label_value, ${finiteTimes}, rooms.limit_nanos, posted_nanos, held_nanos, rooms.headroom_nanos,
            ARRAY(SELECT percent FROM budget_crossings WHERE budget_crossings.period_id = page.period_id ORDER BY percent) AS reached_percents
     FROM (SELECT * FROM budget_periods WHERE budget_id = $1 AND period_id < $2 ORDER BY period_id DESC LIMIT $3) AS page
     JOIN LATERAL (SELECT limit_nanos, headroom_nanos FROM budget_rooms WHERE budget_rooms.period_id = page.period_id) AS rooms ON true ORDER BY period_id DESC`,
    [budgetId, before, size + 1],
  );
  return rows.map((row) => ({ periodId: row.period_id.toString(), usage: readUsage(row) }));
}

/** The current period of one value of a budget, made if it is missing. Throws INVALID_REQUEST for `*` where no values share one. */
export async function ensureCurrentPeriod(transaction: Queryable, budgetId: string, labelValue: string): Promise<bigint> {
  if (labelValue === "*") await checkShared(transaction, budgetId);
  const { rows } = await transaction.query<{ period_id: bigint }>("SELECT ensure_period(budgets, $2) AS period_id FROM budgets WHERE budget_id = $1", [budgetId, labelValue]);
  return rows[0]!.period_id;
}

async function checkShared(transaction: Queryable, budgetId: string): Promise<void> {
  const { rowCount } = await transaction.query("SELECT FROM budget_periods WHERE budget_id = $1 AND label_value = '*' AND start_time <= now() AND end_time > now()", [budgetId]);
  if (rowCount === 0) throw new GatewayError("INVALID_REQUEST", "`*` is what values beyond 10,000 share, and there are none in the current period. Name one value; a higher limit is more for each.");
}

export async function findPeriodUsage(database: Queryable, periodId: bigint): Promise<BudgetUsage> {
  const { rows } = await database.query<PeriodRow>(`SELECT period_id, label_value, ${finiteTimes}, limit_nanos, posted_nanos, held_nanos, headroom_nanos FROM budget_rooms WHERE period_id = $1`, [periodId]);
  return readUsage(rows[0]!);
}

const maximumId = "9223372036854775807";

const finiteTimes = "nullif(start_time, '-infinity') AS start_time, nullif(end_time, 'infinity') AS end_time";

/** A condition may follow. */
const selectBudget = `
  SELECT budgets.*, extract(epoch FROM rolling_window) * 1000 AS window_ms, nullif(bounds.start_time, '-infinity') - rolling_window AS start_time, nullif(bounds.end_time, 'infinity') AS end_time,
         budgets.limit_nanos + CASE WHEN label_value = '*' THEN 0 ELSE sums.extra END AS period_limit, sums.posted AS posted_nanos, sums.held AS held_nanos, budgets.limit_nanos + sums.least_room AS headroom_nanos
  FROM budgets
  CROSS JOIN LATERAL period_of(budgets, now()) AS bounds
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(extra), 0)::int8 AS extra, coalesce(sum(posted), 0)::int8 AS posted, coalesce(sum(held), 0)::int8 AS held, coalesce(min(extra - posted - held), 0)::int8 AS least_room
    FROM (
      SELECT sum(extra_nanos) AS extra, sum(posted_nanos) AS posted, sum(held_nanos) AS held FROM budget_periods
      WHERE budget_periods.budget_id = budgets.budget_id AND budget_periods.end_time > bounds.start_time - rolling_window GROUP BY budget_periods.label_value
    ) AS values
  ) AS sums`;

/** Throws NOT_FOUND. */
export async function checkSubject(transaction: Queryable, organizationId: string, { teamId, keyId, memberId }: NewBudget["subject"]): Promise<void> {
  const { rows } = await transaction.query<{ missing: string }>(
    `SELECT kind AS missing FROM (VALUES
       ('organization', EXISTS (SELECT FROM organizations WHERE id = $1)),
       ('team', $2 = '' OR EXISTS (SELECT FROM teams WHERE id = $2 AND organization_id = $1)),
       ('key', $3 = '' OR EXISTS (SELECT FROM keys WHERE id = $3 AND organization_id = $1)),
       ('member', $4 = '' OR EXISTS (SELECT FROM members WHERE id = $4 AND organization_id = $1 AND delete_time IS NULL))
     ) AS parts (kind, is_there) WHERE NOT is_there`,
    [organizationId, teamId, keyId, memberId],
  );
  if (rows[0] === undefined) return;
  const { missing: kind } = rows[0];
  throw new GatewayError("NOT_FOUND", `There is no ${kind} of this id${kind === "organization" ? "" : " in the organization"} that a budget could be for.`, { metadata: { kind } });
}

/** Zones come and go: what this process knows may be unknown to the database, which computes periods. Calls would fail by it. */
async function checkTimeZone(transaction: Queryable, timeZone: string): Promise<void> {
  const { rowCount } = await transaction.query("SELECT FROM pg_timezone_names WHERE lower(name) = lower($1)", [timeZone]);
  if (rowCount === 0) throw new GatewayError("INVALID_REQUEST", `PostgreSQL does not know the time zone ${timeZone}. Choose another one with the same clocks.`, { fieldViolations: [{ field: "time_zone", description: "unknown to PostgreSQL" }] });
}

function isHard(enforcement: BudgetEnforcement): boolean {
  return enforcement !== BudgetEnforcement.SOFT;
}

export function enforcementOf(isHard: boolean): BudgetEnforcement {
  return isHard ? BudgetEnforcement.HARD : BudgetEnforcement.SOFT;
}

function nameTaken(name: string): GatewayError {
  return new GatewayError("ALREADY_EXISTS", `The organization has a budget named "${name}" already. Choose another name, or change that one.`, { metadata: { kind: "budget", name } });
}

interface UsageColumns {
  start_time: Date | null;
  end_time: Date | null;
  posted_nanos: bigint;
  held_nanos: bigint;
  headroom_nanos: bigint;
  reached_percents?: number[];
}

export interface PeriodRow extends UsageColumns {
  period_id: bigint;
  label_value: string;
  limit_nanos: bigint;
}

interface BudgetRow extends UsageColumns {
  budget_id: string;
  organization_id: string;
  name: string;
  team_id: string | null;
  key_id: string | null;
  member_id: string | null;
  label_name: string | null;
  label_value: string | null;
  limit_nanos: bigint;
  period: BudgetPeriod;
  window_ms: string;
  time_zone: string;
  is_hard: boolean;
  shortage: BudgetShortage;
  alert_percents: number[];
  create_time: Date;
  is_configured: boolean;
  period_limit: bigint;
}

export function readUsage({ label_value: labelValue, start_time, end_time, limit_nanos: limitNanos, posted_nanos: postedNanos, held_nanos: heldNanos, headroom_nanos, reached_percents: reachedPercents = [] }: Omit<PeriodRow, "period_id">): BudgetUsage {
  return create(BudgetUsageSchema, {
    labelValue,
    ...(start_time && { startTime: timestampFromDate(start_time) }),
    ...(end_time && { endTime: timestampFromDate(end_time) }),
    limitNanos,
    postedNanos,
    heldNanos,
    headroomNanos: headroom_nanos > 0n ? headroom_nanos : 0n,
    reachedPercents,
  });
}

function readBudget(row: BudgetRow): Budget {
  const windowMs = Number(row.window_ms);
  return create(BudgetSchema, {
    id: row.budget_id,
    organizationId: row.organization_id,
    name: row.name,
    subject: create(BudgetSubjectSchema, { teamId: row.team_id ?? "", keyId: row.key_id ?? "", memberId: row.member_id ?? "", labelName: row.label_name ?? "", labelValue: row.label_value ?? "" }),
    limitNanos: row.limit_nanos,
    period: row.period,
    ...(windowMs > 0 && { rollingWindow: durationFromMs(windowMs) }),
    timeZone: row.time_zone,
    enforcement: enforcementOf(row.is_hard),
    shortage: row.shortage,
    alertPercents: row.alert_percents,
    createTime: timestampFromDate(row.create_time),
    isConfigured: row.is_configured,
    usage: readUsage({ ...row, label_value: "", limit_nanos: row.period_limit }),
  });
}
