/** Owns making the table of budgets say what the configuration file says. */
import { GatewayError } from "#platform/errors.ts";
import type { Queryable } from "#platform/database/database.ts";
import { BudgetEnforcement } from "#gen/weir/policy/v1/budget_pb.ts";
import { checkSubject, insertBudget, updateBudgetRow, type NewBudget } from "./budgets.ts";
import { columnOf } from "./vouched-keys.ts";

export interface ConfiguredBudget extends Omit<NewBudget, "id" | "organizationId"> {
  /** By name or id. */
  readonly organization: string;
  /** By name or id; empty for all, whatever the subject says. */
  readonly team: string;
}

export interface ConfiguredOutcome {
  /** Those whose budgets are others now. */
  readonly organizationIds: ReadonlySet<string>;
  /** The budgets that are new or say something else. */
  readonly changedIds: readonly string[];
  /** What stands in the way of budgets, by their names; these stay as they were. */
  readonly problems: ReadonlyMap<string, GatewayError>;
}

/** Changes what differs and nothing else; a budget that comes back goes on counting where it was. Must run in a transaction. */
export async function applyConfiguredBudgets(transaction: Queryable, budgets: readonly ConfiguredBudget[], newId: () => string): Promise<ConfiguredOutcome> {
  // One process at a time; who reads waits for nobody.
  await transaction.query("LOCK TABLE budgets IN SHARE ROW EXCLUSIVE MODE");
  const organizationIds = new Set<string>();
  const problems = new Map<string, GatewayError>();
  const standingIds: string[] = [];
  const changedIds: string[] = [];
  for (const configured of budgets) {
    try {
      const budget = await resolve(transaction, configured, newId());
      const { id, hasChanged } = await applyBudget(transaction, budget);
      standingIds.push(id);
      if (!hasChanged) continue;
      organizationIds.add(budget.organizationId);
      changedIds.push(id);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.reason === "DEPENDENCY_UNAVAILABLE") throw error;
      problems.set(configured.name, error);
    }
  }
  const { rows } = await transaction.query<{ organization_id: string }>(
    "UPDATE budgets SET delete_time = now() WHERE is_configured AND delete_time IS NULL AND budget_id <> ALL ($1) AND name <> ALL ($2) RETURNING organization_id",
    [standingIds, [...problems.keys()]],
  );
  for (const { organization_id } of rows) organizationIds.add(organization_id);
  return { organizationIds, changedIds, problems };
}

async function resolve(transaction: Queryable, { organization, team, ...budget }: ConfiguredBudget, id: string): Promise<NewBudget> {
  const { rows } = await transaction.query<{ organization_id: string; team_id: string | null }>(
    `SELECT organizations.id AS organization_id, teams.id AS team_id
     FROM organizations LEFT JOIN teams ON teams.organization_id = organizations.id AND ${columnOf("teams", team)} = $2 WHERE ${columnOf("organizations", organization)} = $1`,
    [organization, team],
  );
  const [found] = rows;
  if (found === undefined) throw new GatewayError("NOT_FOUND", `There is no organization "${organization}".`);
  if (team !== "" && found.team_id === null) throw new GatewayError("NOT_FOUND", `There is no team "${team}" in the organization "${organization}".`);
  const resolved = { ...budget, id, organizationId: found.organization_id, subject: { ...budget.subject, teamId: found.team_id ?? "" } };
  await checkSubject(transaction, resolved.organizationId, resolved.subject);
  return resolved;
}

async function applyBudget(transaction: Queryable, budget: NewBudget): Promise<{ readonly id: string; readonly hasChanged: boolean }> {
  const { organizationId, name } = budget;
  const former = await findFormer(transaction, budget);
  if (former?.is_the_same === true) return { id: former.budget_id, hasChanged: false };
  const id = former?.budget_id ?? budget.id;
  // What counts otherwise is another budget.
  await transaction.query("UPDATE budgets SET delete_time = now() WHERE is_configured AND organization_id = $1 AND name = $2 AND delete_time IS NULL AND budget_id <> $3", [organizationId, name, id]);
  if (former === undefined) await insertBudget(transaction, budget);
  else await updateBudgetRow(transaction, { id, organizationId }, budget);
  await transaction.query("UPDATE budgets SET is_configured = true, delete_time = NULL WHERE budget_id = $1", [id]);
  return { id, hasChanged: true };
}

/** The one of this name that counts the same, also when it has ended. */
async function findFormer(transaction: Queryable, { organizationId, name, subject, limitNanos, period, rollingWindowMs, timeZone, enforcement, shortage, alertPercents }: NewBudget): Promise<FormerRow | undefined> {
  const { rows } = await transaction.query<FormerRow>(
    `SELECT budget_id, delete_time IS NULL AND (limit_nanos, is_hard, shortage, alert_percents) = ($11::int8, $12::bool, $13::int2, $14::int[]) AS is_the_same
     FROM budgets WHERE is_configured AND organization_id = $1 AND name = $2
       AND (coalesce(team_id, ''), coalesce(key_id, ''), coalesce(member_id, ''), coalesce(label_name, ''), coalesce(label_value, '')) = ($3, $4, $5, $6, $7)
       AND (period, rolling_window, time_zone) = ($8::int2, $9::float8 * interval '1 millisecond', $10)
     ORDER BY delete_time DESC NULLS FIRST LIMIT 1`,
    [organizationId, name, subject.teamId, subject.keyId, subject.memberId, subject.labelName, subject.labelValue, period, rollingWindowMs, timeZone, limitNanos, enforcement !== BudgetEnforcement.SOFT, shortage, alertPercents],
  );
  return rows[0];
}

interface FormerRow {
  budget_id: string;
  is_the_same: boolean;
}
