/** Owns what sums and balances have to be: computed from the lines, and from the sums. */
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { MeterSchema, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";

/** By what sums are kept, beside their time. */
export const usageKeys = ["organization_id", "team_id", "key_id", "route", "provider", "vendor", "model", "report_labels"];

/** The key of `usage_rollups`. */
export const rollupKeys = ["hour", ...usageKeys];

/** The key of `usage_days`. */
export const dayKeys = ["day", ...usageKeys];

/** What is summed, beside the quantities. */
export const rollupCounts: Readonly<Record<string, string>> = {
  attempts: "count(*)",
  failed_attempts: `count(*) filter (where not is_orphaned and result <> ${AttemptResult.SUCCEEDED})`,
  orphaned_attempts: "count(*) filter (where is_orphaned)",
  unpriced_attempts: "count(*) filter (where is_unpriced)",
  cost_nanos: "coalesce(sum(cost_nanos), 0)",
  charge_nanos: "coalesce(sum(charge_nanos), 0)",
};

/** Numbers that are histograms (domain/latency-histogram.ts): their sum is that of what they count. */
export const rollupHistograms: Readonly<Record<string, string>> = {
  durations: "sum(histogram_of_one(duration_bucket)) filter (where not is_orphaned)",
  first_bytes: "sum(histogram_of_one(first_byte_bucket))",
};

/** The sums of quantities, of each meter that this version knows: a tenth of the time of `array_sum`, which keeps a later version's too. */
export const quantitySums = `array[${Array.from({ length: Math.max(...MeterSchema.values.map(({ number }) => number)) }, (_, index) => `coalesce(sum(quantities[${index + 1}]), 0)::int8`).join(", ")}]`;

const keys = rollupKeys.join(", ");

/** A query for the sums of the attempts that started from $1 on, before $2, with the columns of `usage_rollups`. */
export const computedRollups = `
  with lines as (
    select attempts.*, date_trunc('hour', start_time, 'UTC') as hour,
           rank = ${UsageSource.ORPHANED} or result = ${AttemptResult.ORPHANED} as is_orphaned,
           width_bucket(duration_ms, bounds) as duration_bucket, width_bucket(first_byte_ms, bounds) as first_byte_bucket
    from attempts, (select latency_bounds() as bounds) as buckets where start_time >= $1::timestamptz and start_time < $2::timestamptz
  ), counts as (
    select ${keys}, ${Object.entries(rollupCounts).map(([name, sum]) => `(${sum})::int8 as ${name}`).join(", ")},
           ${Object.entries(rollupHistograms).map(([name, sum]) => `coalesce(${sum}, 0) as ${name}`).join(", ")}
    from lines group by ${keys}
  ), meters as (
    select ${keys}, meter, sum(quantity)::int8 as quantity from lines, unnest(quantities) with ordinality as counted (quantity, meter) group by ${keys}, meter
  ), measured as (
    select ${keys}, array_agg(quantity order by meter) as quantities from meters group by ${keys}
  )
  select ${keys}, ${Object.keys(rollupCounts).join(", ")}, coalesce(quantities, '{}') as quantities, ${Object.keys(rollupHistograms).join(", ")} from counts left join measured using (${keys})`;

const counts = Object.keys(rollupCounts);

const histograms = Object.keys(rollupHistograms);

/** The columns of sums, beside their key. */
export const sumColumns = [...counts, "quantities", ...histograms];

/** What sums of some key come to together, column by column. */
export const sumsOfSums = [...counts.map((name) => `sum(${name})::int8 as ${name}`), "array_sum(quantities) as quantities", ...histograms.map((name) => `sum(${name}) as ${name}`)].join(", ");

/** A query for what sums come to by day, with the columns of `usage_days`: `sums` is a relation with the columns of `usage_rollups`. */
export function daysOf(sums: string): string {
  return `select date_trunc('day', hour, 'UTC') as day, ${usageKeys.join(", ")}, ${sumsOfSums} from ${sums} group by 1, ${usageKeys.join(", ")}`;
}

/** A query for the sums of the days that begin from $1 on, before $2, with the columns of `usage_days`. */
export const computedDays = daysOf("(select * from usage_rollups where hour >= $1::timestamptz and hour < $2::timestamptz) as asked");

/** A query for what sums come to on each account and month: `sums` is a relation with the columns of `usage_days`. */
export function balancesOf(sums: string): string {
  return `
  select account, month, sum(amount)::int8 as amount_nanos
  from (select *, date_trunc('month', day at time zone 'UTC')::date as month from ${sums}) as months, lateral (values
    ('key:' || key_id, charge_nanos), ('vendor:' || vendor, -cost_nanos), ('margin:' || organization_id, cost_nanos - charge_nanos)
  ) as sides (account, amount)
  group by account, month`;
}

/** A query for the balances of the months that begin from $1 on, before $2, with the columns of `balances`. */
export const computedBalances = `
  select account, month, sum(amount_nanos)::int8 as amount_nanos from (
    ${balancesOf("(select * from usage_days where day >= $1::timestamptz and day < $2::timestamptz) as asked")}
    union all
    select account, month, amount_nanos from vendor_postings
    where month >= ($1::timestamptz at time zone 'UTC')::date and month < ($2::timestamptz at time zone 'UTC')::date
  ) as parts group by account, month`;
