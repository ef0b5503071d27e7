/** Owns the statements on leases: each takes from, or gives back to, all budgets that apply at once. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { LeaseScope } from "#gen/weir/policy/v1/lease_pb.ts";
import type { BudgetPeriod, BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { preparedStatement } from "#platform/database/prepared-statement.ts";

/** What one call needs of a lease. */
export interface LeaseNeed {
  readonly leaseId: string;
  readonly holderId: string;
  readonly keyId: string;
  readonly labels: JsonObject;
  /** What its attempt could cost at most. */
  readonly leastNanos: bigint;
  /** What is useful still; 0 where nothing less is. */
  readonly floorNanos: bigint;
  readonly wantedNanos: bigint;
  readonly canWait: boolean;
}

/** What a call got. */
export interface LeaseAnswer {
  /** Undefined where nothing was taken: because no budget applies, or because one is short. */
  readonly amountNanos: bigint | undefined;
  /** Undefined when the organization has no such key. */
  readonly lifeMs: number | undefined;
  /** The budget that has too little left; also with an amount that is clamped because of it. */
  readonly short: ShortBudget | undefined;
  /** For which other calls the amount is good. */
  readonly scope: LeaseScopeFacts;
}

export type LeaseScopeFacts = Pick<LeaseScope, "byTeam" | "byKey" | "labelNames">;

export interface ShortBudget {
  readonly budgetId: string;
  readonly name: string;
  readonly period: BudgetPeriod;
  readonly periodId: bigint;
  /** How long until its period ends; undefined for all time. */
  readonly endsInMs: number | undefined;
  readonly shortage: BudgetShortage;
  readonly limitNanos: bigint;
  readonly headroomNanos: bigint;
  readonly postedNanos: bigint;
  /** Leases from which their holders may still draw. */
  readonly drawableLeases: number;
}

const acquire = preparedStatement(
  `SELECT amount_nanos, extract(epoch FROM life_left) * 1000 AS life_ms, short_period_id, by_team, by_key, label_names,
          budget_id, name, period, shortage, limit_nanos, posted_nanos, headroom_nanos, drawable_leases,
          CASE WHEN end_time < 'infinity' THEN extract(epoch FROM end_time - now()) * 1000 END AS ends_in_ms
   FROM acquire_leases($1, $2 * interval '1 millisecond', $3, $4, $5, $6, $7, $8, $9, $10) LEFT JOIN LATERAL room_of(short_period_id) ON true
   ORDER BY place`,
);

/** One atomic statement for all of these calls of an organization, in their order. */
export async function acquireLeases(database: Queryable, organizationId: string, lifeMs: number, needs: readonly LeaseNeed[]): Promise<LeaseAnswer[]> {
  const { rows } = await database.query<AnswerRow>(acquire, [
    organizationId,
    lifeMs,
    needs.map(({ leaseId }) => leaseId),
    needs.map(({ holderId }) => holderId),
    needs.map(({ keyId }) => keyId),
    needs.map(({ labels }) => labels),
    needs.map(({ leastNanos }) => leastNanos),
    needs.map(({ floorNanos }) => floorNanos),
    needs.map(({ wantedNanos }) => wantedNanos),
    needs.map(({ canWait }) => canWait),
  ]);
  return rows.map(readAnswer);
}

export interface ReturnedAmount {
  readonly leaseId: string;
  readonly unspentNanos: bigint;
}

/** Frees what the holder says is not needed, and lets nothing more be drawn. */
export async function returnLeases(database: Queryable, holderId: string, returned: readonly ReturnedAmount[]): Promise<void> {
  await settle(database, {
    leaseIds: returned.map(({ leaseId }) => leaseId),
    owners: returned.map(() => holderId),
    unspents: returned.map(({ unspentNanos }) => unspentNanos),
    deltas: returned.map(() => null),
  });
}

export interface PostedAmount {
  readonly leaseId: string;
  readonly organizationId: string;
  readonly deltaNanos: bigint;
}

/** Moves what attempts came to from held to posted; returns of how many leases. */
export async function postToLeases(database: Queryable, posted: readonly PostedAmount[]): Promise<number> {
  return settle(database, {
    leaseIds: posted.map(({ leaseId }) => leaseId),
    owners: posted.map(({ organizationId }) => organizationId),
    unspents: posted.map(() => null),
    deltas: posted.map(({ deltaNanos }) => deltaNanos),
  });
}

/** Frees what is left of leases that ended before then, at most so many; returns how many. */
export async function closeLeases(database: Queryable, endedBefore: Date, limit: number): Promise<number> {
  const { rows } = await database.query<{ closed: bigint }>(
    `SELECT settle_leases(array_agg(lease_id), array_agg(holder_id), array_agg(NULL::int8), array_agg(NULL::int8), true) AS closed
     FROM (SELECT lease_id, holder_id FROM leases WHERE close_time IS NULL AND expire_time < $1 ORDER BY expire_time LIMIT $2) AS ended HAVING count(*) > 0`,
    [endedBefore, limit],
  );
  return Number(rows[0]?.closed ?? 0n);
}

interface Settlement {
  readonly leaseIds: readonly string[];
  readonly owners: readonly string[];
  readonly unspents: readonly (bigint | null)[];
  readonly deltas: readonly (bigint | null)[];
}

const settleLeases = preparedStatement("SELECT settle_leases($1, $2, $3, $4, false) AS settled");

async function settle(database: Queryable, { leaseIds, owners, unspents, deltas }: Settlement): Promise<number> {
  const { rows } = await database.query<{ settled: bigint }>(settleLeases, [leaseIds, owners, unspents, deltas]);
  return Number(rows[0]!.settled);
}

/** Forgets leases that were closed before then, at most so many; their periods remember what was posted. */
export async function forgetLeases(database: Queryable, closedBefore: Date, limit: number): Promise<void> {
  await database.query(
    `WITH forgotten AS (
       DELETE FROM leases WHERE lease_id IN (SELECT lease_id FROM leases WHERE close_time < $1 ORDER BY close_time LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING period_ids, posted_nanos
     ), sums AS (
       SELECT period_id, sum(posted_nanos)::int8 AS posted FROM forgotten, unnest(period_ids) AS period_id GROUP BY period_id
     ), locked AS (
       SELECT period_id FROM budget_periods WHERE period_id IN (SELECT period_id FROM sums) ORDER BY period_id FOR NO KEY UPDATE
     )
     UPDATE budget_periods SET forgotten_nanos = forgotten_nanos + sums.posted FROM sums JOIN locked USING (period_id) WHERE budget_periods.period_id = sums.period_id`,
    [closedBefore, limit],
  );
}

/** The leases of a period from which these holders may still draw, by holder. */
export async function selectDrawableLeases(database: Queryable, organizationId: string, periodId: bigint, holderIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const { rows } = await database.query<{ holder_id: string; lease_ids: string[] }>(
    `SELECT holder_id, array_agg(lease_id) AS lease_ids FROM leases
     WHERE organization_id = $1 AND NOT is_returned AND ($2 = 0 OR $2 = ANY (period_ids)) AND holder_id = ANY ($3) GROUP BY holder_id`,
    [organizationId, periodId, holderIds],
  );
  return new Map(rows.map(({ holder_id: holderId, lease_ids: leaseIds }) => [holderId, leaseIds]));
}

interface AnswerRow {
  amount_nanos: bigint | null;
  life_ms: string | null;
  budget_id: string | null;
  name: string;
  period: BudgetPeriod;
  short_period_id: bigint;
  ends_in_ms: string | null;
  shortage: BudgetShortage;
  limit_nanos: bigint;
  posted_nanos: bigint;
  headroom_nanos: bigint;
  drawable_leases: number;
  by_team: boolean;
  by_key: boolean;
  label_names: string[];
}

function readAnswer(row: AnswerRow): LeaseAnswer {
  return {
    amountNanos: row.amount_nanos ?? undefined,
    lifeMs: row.life_ms === null ? undefined : Number(row.life_ms),
    short: row.budget_id === null ? undefined : readShort(row, row.budget_id),
    scope: { byTeam: row.by_team, byKey: row.by_key, labelNames: row.label_names },
  };
}

function readShort(row: AnswerRow, budgetId: string): ShortBudget {
  return {
    budgetId,
    name: row.name,
    period: row.period,
    periodId: row.short_period_id,
    endsInMs: row.ends_in_ms === null ? undefined : Number(row.ends_in_ms),
    shortage: row.shortage,
    limitNanos: row.limit_nanos,
    postedNanos: row.posted_nanos,
    headroomNanos: row.headroom_nanos,
    drawableLeases: row.drawable_leases,
  };
}
