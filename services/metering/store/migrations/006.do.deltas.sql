-- What each batch adds to the sums, until a fold takes it into usage_rollups and balances: rows that no two batches share, so that none waits
-- for another. The latencies are bucket numbers from 1, one for each attempt; what a correction takes away is negative.
create table usage_deltas (
  hour timestamptz not null,
  organization_id text not null,
  team_id text not null,
  key_id text not null,
  route text not null,
  provider text not null,
  vendor text not null,
  model text not null,
  report_labels text not null,
  attempts bigint not null,
  failed_attempts bigint not null,
  orphaned_attempts bigint not null,
  unpriced_attempts bigint not null,
  cost_nanos bigint not null,
  charge_nanos bigint not null,
  quantities bigint[] not null,  -- as in attempts
  durations smallint[] not null,
  first_bytes smallint[] not null
);

create function array_add(bigint[], bigint[]) returns bigint[] language sql immutable parallel safe
  return array(select coalesce(one, 0) + coalesce(other, 0) from unnest($1, $2) with ordinality as pairs (one, other, place) order by place);
create aggregate array_sum(bigint[]) (sfunc = array_add, stype = bigint[], initcond = '{}');
create aggregate array_concat(smallint[]) (sfunc = array_cat, stype = smallint[], initcond = '{}');

-- A histogram, from bucket numbers: entry n is how often n is there, less how often -n is.
create function histogram_of(buckets smallint[]) returns bigint[] language sql immutable parallel safe as $$
  select coalesce(array_agg(coalesce(counted, 0) order by bucket), '{}')
  from generate_series(1, (select max(abs(bucket)) from unnest(buckets) as bucket)) as bucket
  left join (select abs(bucket) as bucket, sum(sign(bucket))::int8 as counted from unnest(buckets) as bucket group by 1) as counts using (bucket)
$$;

-- The sums as they are: folded, and not folded yet.
create view usage_sums as
select hour, organization_id, team_id, key_id, route, provider, vendor, model, report_labels, attempts, failed_attempts, orphaned_attempts,
       unpriced_attempts, cost_nanos, charge_nanos, quantities, durations, first_bytes
from usage_rollups
union all
select hour, organization_id, team_id, key_id, route, provider, vendor, model, report_labels, attempts, failed_attempts, orphaned_attempts,
       unpriced_attempts, cost_nanos, charge_nanos, quantities, histogram_of(durations), histogram_of(first_bytes)
from usage_deltas;
