/** Owns the comparison of lines, postings, sums and balances: what does not agree, row by row. */
import type { Queryable } from "#platform/database/database.ts";
import type { LedgerDifference } from "../domain/ledger-difference.ts";
import { computedBalances, computedDays, computedRollups, dayKeys, rollupCounts, rollupHistograms, rollupKeys, sumsOfSums } from "./computed-sums.ts";

type Row = { readonly row: string; readonly detail: string };

/** Attempts of the period whose postings do not come to what they cost and are charged. */
export function postingDifferences(queryable: Queryable, startMs: number, endMs: number, limit: number): Promise<LedgerDifference[]> {
  return select(
    queryable,
    "postings",
    `with lines as (
       select attempt_id, 'key:' || key_id as key_account, 'vendor:' || vendor as vendor_account, coalesce(charge_nanos, 0) as charge, coalesce(cost_nanos, 0) as cost
       from attempts where start_time >= $1::timestamptz and start_time < $2::timestamptz
     ), posted as (
       select attempt_id, sum(amount_nanos) as total,
              coalesce(sum(amount_nanos) filter (where account like 'key:%'), 0) as charge, coalesce(-sum(amount_nanos) filter (where account like 'vendor:%'), 0) as cost,
              min(account) filter (where account like 'key:%') as first_key, max(account) filter (where account like 'key:%') as last_key,
              min(account) filter (where account like 'vendor:%') as first_vendor, max(account) filter (where account like 'vendor:%') as last_vendor
       from postings where start_time >= $1::timestamptz and start_time < $2::timestamptz group by attempt_id
     )
     select attempt_id as row, case
       when lines.charge is null then 'posted, but there is no such attempt'
       when posted.total is null then format('costs %s and is charged %s, but nothing is posted', lines.cost, lines.charge)
       else format('costs %s and is charged %s; posted are %s and %s, off balance by %s, on %s and %s', lines.cost, lines.charge, posted.cost, posted.charge, posted.total, last_key, last_vendor) end as detail
     from lines full join posted using (attempt_id)
     where lines.charge is null or lines.charge <> coalesce(posted.charge, 0) or lines.cost <> coalesce(posted.cost, 0) or coalesce(posted.total, 0) <> 0
       or first_key <> key_account or last_key <> key_account or first_vendor <> vendor_account or last_vendor <> vendor_account
     order by 1 limit $3`,
    [startMs, endMs],
    limit,
  );
}

/** Sums of the hours that are not those of their attempts. */
export function rollupDifferences(queryable: Queryable, startMs: number, endMs: number, limit: number): Promise<LedgerDifference[]> {
  const time = `to_char(hour at time zone 'UTC', 'YYYY-MM-DD"T"HH24')`;
  return select(queryable, "rollup", sumDifferences({ key: rollupKeys, time, kept: keptRollups, computed: computedRollups, parts: "attempts" }), [startMs, endMs], limit);
}

/** Sums of the days that are not those of their hours, without what is not folded yet. */
export function dayDifferences(queryable: Queryable, startMs: number, endMs: number, limit: number): Promise<LedgerDifference[]> {
  const time = `to_char(day at time zone 'UTC', 'YYYY-MM-DD')`;
  const kept = "select * from usage_days where day >= $1::timestamptz and day < $2::timestamptz";
  return select(queryable, "rollup", sumDifferences({ key: dayKeys, time, kept, computed: computedDays, parts: "hours" }), [startMs, endMs], limit);
}

/** The sums of an hour as they are, folded or not. */
const keptRollups = `select ${rollupKeys.join(", ")}, ${sumsOfSums} from usage_sums where hour >= $1::timestamptz and hour < $2::timestamptz group by ${rollupKeys.join(", ")}`;

interface SumComparison {
  readonly key: readonly string[];
  /** How a row's time is written. */
  readonly time: string;
  readonly kept: string;
  readonly computed: string;
  /** What `computed` adds up. */
  readonly parts: string;
}

function sumDifferences({ key, time, kept, computed, parts }: SumComparison): string {
  const counts = Object.keys(rollupCounts);
  const figures = (of: string): string => `array[${counts.map((name) => `coalesce(${of}.${name}, 0)`).join(", ")}] || coalesce(${of}.quantities, '{}')`;
  const differs = Object.keys(rollupHistograms).map((name) => `coalesce(kept.${name}, 0) <> coalesce(computed.${name}, 0)`);
  return `
    with computed as (${computed}), kept as (${kept})
    select concat_ws(' ', ${time}, organization_id, team_id, key_id, route, provider, model, report_labels) as row,
           format('holds %s; its ${parts} come to %s (${counts.join(", ")}, quantities)', ${figures("kept")}, ${figures("computed")}) as detail
    from kept full join computed using (${key.join(", ")})
    where array_trim_zeros(${figures("kept")}) <> array_trim_zeros(${figures("computed")}) or ${differs.join(" or ")}
    order by 1 limit $3`;
}

/** Balances of the months that are not those of their sums, without what is not folded yet. */
export function balanceDifferences(queryable: Queryable, startMs: number, endMs: number, limit: number): Promise<LedgerDifference[]> {
  return select(
    queryable,
    "balance",
    `with computed as (${computedBalances}),
          kept as (select * from balances where month >= ($1::timestamptz at time zone 'UTC')::date and month < ($2::timestamptz at time zone 'UTC')::date)
     select concat_ws(' ', account, to_char(month, 'YYYY-MM')) as row,
            format('holds %s; its sums come to %s', coalesce(kept.amount_nanos, 0), coalesce(computed.amount_nanos, 0)) as detail
     from kept full join computed using (account, month)
     where coalesce(kept.amount_nanos, 0) <> coalesce(computed.amount_nanos, 0)
     order by 1 limit $3`,
    [startMs, endMs],
    limit,
  );
}

async function select(queryable: Queryable, kind: LedgerDifference["kind"], text: string, period: readonly [startMs: number, endMs: number], limit: number): Promise<LedgerDifference[]> {
  const { rows } = await queryable.query<Row>(text, [...period.map((timeMs) => new Date(timeMs).toISOString()), limit]);
  return rows.map(({ row, detail }) => ({ kind, row, detail }));
}
