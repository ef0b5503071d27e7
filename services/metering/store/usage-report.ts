/** Owns the sums that reports show, read from those by day and by hour. */
import { UsageDimension, UsageOrder } from "#gen/weir/metering/v1/usage_report_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { countsOf } from "../domain/latency-histogram.ts";
import { dayMs } from "../domain/ledger-difference.ts";
import { withCacheUses } from "./cache-uses.ts";
import { quantitySums, rollupCounts, rollupHistograms, usageKeys } from "./computed-sums.ts";
import { timeText } from "./time-text.ts";

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
  readonly order: UsageOrder;
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
  /** How many in each bucket (domain/latency-histogram.ts); none unless asked for. */
  readonly durations: bigint[];
  readonly firstBytes: bigint[];
  readonly cacheHits: bigint;
  readonly cacheMisses: bigint;
}

/** What is grouped by, and for times, how they are written. */
interface Dimension {
  readonly value: string;
  readonly format?: string;
}

const dimensions: ReadonlyMap<UsageDimension, Dimension> = new Map([
  [UsageDimension.ORGANIZATION, { value: "organization_id" }],
  [UsageDimension.TEAM, { value: "team_id" }],
  [UsageDimension.KEY, { value: "key_id" }],
  [UsageDimension.MODEL, { value: "provider || '/' || model" }],
  [UsageDimension.HOUR, { value: "hour", format: 'YYYY-MM-DD"T"HH24' }],
  [UsageDimension.DAY, { value: "date_trunc('day', hour, 'UTC')", format: "YYYY-MM-DD" }],
  [UsageDimension.MONTH, { value: "date_trunc('month', hour, 'UTC')", format: "YYYY-MM" }],
  [UsageDimension.VENDOR, { value: "vendor" }],
  [UsageDimension.ROUTE, { value: "route" }],
]);

export function isDimension(dimension: UsageDimension): boolean {
  return dimensions.has(dimension);
}

/** Sums by group, in the order that is asked for. Without dimensions, one row. */
export async function selectUsage(queryable: Queryable, query: UsageQuery): Promise<UsageSum[]> {
  const { startMs, endMs } = query;
  const wholeDays = query.groupBy.includes(UsageDimension.HOUR) ? { startMs: endMs, endMs } : wholeDaysIn(startMs, endMs);
  const values: unknown[] = [startMs, wholeDays.startMs, wholeDays.endMs, endMs].map(timeText);
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  const groups: Dimension[] = [...query.groupBy.map((dimension) => dimensions.get(dimension)!), ...query.groupByLabels.map((name) => ({ value: `coalesce(report_labels::jsonb ->> ${parameter(name)}, '')` }))];
  const texts = groups.map(({ value, format }) => `(${format === undefined ? value : `to_char(${value} at time zone 'UTC', '${format}')`}) collate "C"`);
  const tenant = Object.entries({ organization_id: query.organizationId, team_id: query.teamId, key_id: query.keyId }).filter(([, value]) => value !== "");
  const conditions = tenant.map(([column, value]) => `${column} = ${parameter(value)}`);
  const histogram = (name: string): string => (query.withLatency ? `coalesce(sum(${name}), 0)` : "0::numeric");
  const isByCost = query.order !== UsageOrder.GROUP;
  let after = "";
  if (query.after !== undefined) {
    const isBehind = `"group" > ${parameter(query.after.group)}::text[] collate "C"`;
    const isCheaper = (cost: string): string => `cost < ${cost} or (cost = ${cost} and ${isBehind})`;
    after = `where ${isByCost ? isCheaper(`${parameter(query.after.costNanos)}::numeric`) : isBehind}`;
  }
  const { rows } = await queryable.query<SumRow>(
    `with sums as (
       select array[${texts.join(", ")}]::text[] as "group", ${sumOf("attempts")} as attempts, ${sumOf("failed_attempts")} as failed, ${sumOf("orphaned_attempts")} as orphaned, ${sumOf("unpriced_attempts")} as unpriced,
              ${sumOf("cost_nanos")} as cost, ${sumOf("charge_nanos")} as charge, ${quantitySums} as quantities, ${histogram("durations")} as durations, ${histogram("first_bytes")} as first_bytes,
              ${sumOf("cache_hits")} as cache_hits, ${sumOf("cache_misses")} as cache_misses
       from (${withCacheUses(usageOf(query.withLatency), query.withLatency)}) as usage ${conditions.length === 0 ? "" : `where ${conditions.join(" and ")}`} ${groups.length === 0 ? "" : `group by ${groups.map(({ value }) => value).join(", ")}`}
     )
     select * from sums ${after} order by ${isByCost ? "cost desc, " : ""}"group" collate "C" limit ${parameter(query.limit)}`,
    values,
  );
  return rows.map(toSum);
}

/** The days, UTC, that a period has from beginning to end; from its end to its end if there is none. */
function wholeDaysIn(startMs: number, endMs: number): { readonly startMs: number; readonly endMs: number } {
  const firstMs = Math.ceil(startMs / dayMs) * dayMs;
  const lastMs = Math.floor(endMs / dayMs) * dayMs;
  return firstMs < lastMs ? { startMs: firstMs, endMs: lastMs } : { startMs: endMs, endMs };
}

/** A query for the sums from $1 on, before $4: by day from $2 to $3 and by hour beside that, and what is not folded yet. */
function usageOf(withLatency: boolean): string {
  const columns = [...usageKeys, ...Object.keys(rollupCounts), "quantities"].join(", ");
  const histograms = Object.keys(rollupHistograms);
  const folded = [columns, ...(withLatency ? histograms : [])].join(", ");
  const unfolded = [columns, ...(withLatency ? histograms.map((name) => `histogram_of(${name})`) : [])].join(", ");
  return `
    select day as hour, ${folded} from usage_days where day >= $2::timestamptz and day < $3::timestamptz
    union all select hour, ${folded} from usage_rollups where hour >= $1::timestamptz and hour < $2::timestamptz
    union all select hour, ${folded} from usage_rollups where hour >= $3::timestamptz and hour < $4::timestamptz
    union all select hour, ${unfolded} from usage_deltas where hour >= $1::timestamptz and hour < $4::timestamptz`;
}

function sumOf(value: string): string {
  return `coalesce(sum(${value}), 0)::int8`;
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
  readonly durations: string;
  readonly first_bytes: string;
  readonly cache_hits: bigint;
  readonly cache_misses: bigint;
}

function toSum({ group, attempts, failed, orphaned, unpriced, cost, charge, quantities, durations, first_bytes, cache_hits, cache_misses }: SumRow): UsageSum {
  return { group, attempts, failedAttempts: failed, orphanedAttempts: orphaned, unpricedAttempts: unpriced, costNanos: cost, chargeNanos: charge, quantities, durations: countsOf(durations), firstBytes: countsOf(first_bytes), cacheHits: cache_hits, cacheMisses: cache_misses };
}
