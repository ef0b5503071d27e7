/** Owns the sums that reports show, read from the hourly sums. */
import { UsageDimension } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { MeterSchema } from "#gen/weir/types/v1/usage_pb.ts";
import type { Queryable } from "#platform/database/database.ts";

export interface UsageQuery {
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  readonly groupBy: readonly UsageDimension[];
  /** Declared labels, after `groupBy`. */
  readonly groupByLabels: readonly string[];
  /** Empty means of all. */
  readonly organizationId: string;
  readonly teamId: string;
  readonly keyId: string;
  readonly withLatency: boolean;
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
  /** Histograms (domain/latency-histogram.ts); empty unless asked for. */
  readonly durations: bigint[];
  readonly firstBytes: bigint[];
}

const dimensions: ReadonlyMap<UsageDimension, string> = new Map([
  [UsageDimension.ORGANIZATION, "organization_id"],
  [UsageDimension.TEAM, "team_id"],
  [UsageDimension.KEY, "key_id"],
  [UsageDimension.MODEL, "provider || '/' || model"],
  [UsageDimension.HOUR, "to_char(hour at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24')"],
  [UsageDimension.DAY, "to_char(hour at time zone 'UTC', 'YYYY-MM-DD')"],
  [UsageDimension.MONTH, "to_char(hour at time zone 'UTC', 'YYYY-MM')"],
  [UsageDimension.VENDOR, "vendor"],
  [UsageDimension.ROUTE, "route"],
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
  const expressions = [...query.groupBy.map((dimension) => dimensions.get(dimension)!), ...query.groupByLabels.map((name) => `coalesce(report_labels::jsonb ->> ${parameter(name)}, '')`)];
  const group = `array[${expressions.map((expression) => `(${expression}) collate "C"`).join(", ")}]::text[]`;
  const conditions = ["hour >= $1::timestamptz", "hour < $2::timestamptz"];
  for (const [column, value] of Object.entries({ organization_id: query.organizationId, team_id: query.teamId, key_id: query.keyId })) if (value !== "") conditions.push(`${column} = ${parameter(value)}`);
  let after = "";
  if (query.after !== undefined) {
    const cost = `${parameter(query.after.costNanos)}::numeric`;
    after = `where cost < ${cost} or (cost = ${cost} and "group" > ${parameter(query.after.group)}::text[] collate "C")`;
  }
  const limit = parameter(query.limit);
  const histogram = (name: string): string =>
    query.withLatency
      ? `array(select sum(count)::int8 from counted, unnest(${name}) with ordinality as counts (count, bucket) where counted."group" = page."group" group by bucket order by bucket)`
      : "'{}'::int8[]";
  const { rows } = await queryable.query<SumRow>(
    `with counted as ${query.withLatency ? "materialized" : "not materialized"} (select *, ${group} as "group" from usage_sums where ${conditions.join(" and ")}),
          sums as (
            select "group", coalesce(sum(attempts), 0) as attempts, coalesce(sum(failed_attempts), 0) as failed,
                   coalesce(sum(orphaned_attempts), 0) as orphaned, coalesce(sum(unpriced_attempts), 0) as unpriced,
                   coalesce(sum(cost_nanos), 0) as cost, coalesce(sum(charge_nanos), 0) as charge, array[${quantitySums}] as quantities
            from counted group by "group"
          ),
          page as (select * from sums ${after} order by cost desc, "group" collate "C" limit ${limit})
     select "group", attempts::int8, failed::int8, orphaned::int8, unpriced::int8, cost::int8, charge::int8, quantities::int8[],
            ${histogram("durations")} as durations, ${histogram("first_bytes")} as first_bytes
     from page order by page.cost desc, "group" collate "C"`,
    values,
  );
  if (rows.length === 0 && expressions.length === 0) return [emptySum];
  return rows.map(toSum);
}

const emptySum: UsageSum = { group: [], attempts: 0n, failedAttempts: 0n, orphanedAttempts: 0n, unpricedAttempts: 0n, costNanos: 0n, chargeNanos: 0n, quantities: [], durations: [], firstBytes: [] };

interface SumRow {
  readonly group: string[];
  readonly attempts: bigint;
  readonly failed: bigint;
  readonly orphaned: bigint;
  readonly unpriced: bigint;
  readonly cost: bigint;
  readonly charge: bigint;
  readonly quantities: bigint[];
  readonly durations: bigint[];
  readonly first_bytes: bigint[];
}

function toSum({ group, attempts, failed, orphaned, unpriced, cost, charge, quantities, durations, first_bytes }: SumRow): UsageSum {
  return { group, attempts, failedAttempts: failed, orphanedAttempts: orphaned, unpricedAttempts: unpriced, costNanos: cost, chargeNanos: charge, quantities, durations, firstBytes: first_bytes };
}
