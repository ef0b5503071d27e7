/** Owns the sums that reports show, read from the hourly rollups. */
import { UsageDimension } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { MeterSchema } from "#gen/weir/types/v1/usage_pb.ts";
import type { Queryable } from "#platform/database/database.ts";

export interface UsageQuery {
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  readonly groupBy: readonly UsageDimension[];
  /** Empty means of all. */
  readonly organizationId: string;
  /** The last row of the page before. */
  readonly after: UsagePlace | undefined;
  readonly limit: number;
}

export interface UsagePlace {
  readonly costNanos: string;
  readonly group: readonly string[];
}

export interface UsageSum {
  readonly group: string[];
  readonly attempts: bigint;
  readonly failedAttempts: bigint;
  readonly orphanedAttempts: bigint;
  readonly unpricedAttempts: bigint;
  readonly costNanos: bigint;
  readonly chargeNanos: bigint;
  /** Meter n stands at n - 1. */
  readonly quantities: bigint[];
}

const dimensions: ReadonlyMap<UsageDimension, string> = new Map([
  [UsageDimension.ORGANIZATION, "organization_id"],
  [UsageDimension.TEAM, "team_id"],
  [UsageDimension.KEY, "key_id"],
  [UsageDimension.MODEL, "provider || '/' || model"],
  [UsageDimension.DAY, "to_char(hour at time zone 'UTC', 'YYYY-MM-DD')"],
]);

const highestMeter = Math.max(...MeterSchema.values.map(({ number }) => number));
const quantitySums = Array.from({ length: highestMeter }, (_, index) => `coalesce(sum(quantities[${index + 1}]), 0)`).join(", ");

export function isDimension(dimension: UsageDimension): boolean {
  return dimensions.has(dimension);
}

/** Sums by group, dearest first, and equally dear ones by their values. Without dimensions, one row. */
export async function selectUsage(queryable: Queryable, query: UsageQuery): Promise<UsageSum[]> {
  const values: unknown[] = [new Date(query.startMs).toISOString(), new Date(query.endMs).toISOString()];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  const expressions = query.groupBy.map((dimension) => dimensions.get(dimension)!);
  const group = `array[${expressions.map((expression) => `(${expression}) collate "C"`).join(", ")}]::text[]`;
  const ofOrganization = query.organizationId === "" ? "" : `and organization_id = ${parameter(query.organizationId)}`;
  let after = "";
  if (query.after !== undefined) {
    const cost = `${parameter(query.after.costNanos)}::numeric`;
    after = `where cost < ${cost} or (cost = ${cost} and "group" > ${parameter(query.after.group)}::text[] collate "C")`;
  }
  const { rows } = await queryable.query<SumRow>(
    `select "group", attempts::int8, failed::int8, orphaned::int8, unpriced::int8, cost::int8, charge::int8, quantities::int8[] from (
       select ${group} as "group", coalesce(sum(attempts), 0) as attempts, coalesce(sum(failed_attempts), 0) as failed,
              coalesce(sum(orphaned_attempts), 0) as orphaned, coalesce(sum(unpriced_attempts), 0) as unpriced,
              coalesce(sum(cost_nanos), 0) as cost, coalesce(sum(charge_nanos), 0) as charge, array[${quantitySums}] as quantities
       from usage_rollups where hour >= $1::timestamptz and hour < $2::timestamptz ${ofOrganization}
       ${expressions.length === 0 ? "" : `group by ${expressions.join(", ")}`}
     ) as sums ${after}
     order by cost desc, "group" collate "C" limit ${parameter(query.limit)}`,
    values,
  );
  return rows.map(toSum);
}

interface SumRow {
  readonly group: string[];
  readonly attempts: bigint;
  readonly failed: bigint;
  readonly orphaned: bigint;
  readonly unpriced: bigint;
  readonly cost: bigint;
  readonly charge: bigint;
  readonly quantities: bigint[];
}

function toSum({ group, attempts, failed, orphaned, unpriced, cost, charge, quantities }: SumRow): UsageSum {
  return { group, attempts, failedAttempts: failed, orphanedAttempts: orphaned, unpricedAttempts: unpriced, costNanos: cost, chargeNanos: charge, quantities };
}
