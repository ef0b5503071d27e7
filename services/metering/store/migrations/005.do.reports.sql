-- The bounds of the buckets in which latencies are counted: each a fifth above the one before, so that the middle of a bucket is within 10 %.
-- domain/latency-histogram.ts has the same; a test compares them.
create function latency_bounds() returns bigint[] language sql immutable parallel safe as $$
  with recursive bounds (bound) as (select 1::bigint union all select greatest(bound + 1, bound * 6 / 5) from bounds where bound < 86400000)
  select array_agg(bound order by bound) from bounds
$$;

-- The declared labels of an attempt, as they were declared when it was posted: JSON with its names in order.
alter table attempts add column report_labels text not null default '{}';
alter table superseded_attempts add column report_labels text not null default '{}';

-- Sums by route and declared labels too, with latencies: entry n counts those in bucket n.
drop table usage_rollups;
create table usage_rollups (
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
  durations bigint[] not null,
  first_bytes bigint[] not null,
  primary key (hour, organization_id, team_id, key_id, route, provider, vendor, model, report_labels)
);

-- A histogram, from how many there are in each bucket.
create function histogram_of(buckets bigint[]) returns bigint[] language sql immutable parallel safe as $$
  select coalesce(array_agg(coalesce(counted, 0) order by bucket), '{}')
  from generate_series(1, (select max(bucket) from unnest(buckets) as bucket)) as bucket
  left join (select bucket, count(*) as counted from unnest(buckets) as bucket group by bucket) as counts using (bucket)
$$;

insert into usage_rollups
with lines as (
  select attempts.*, date_trunc('hour', start_time, 'UTC') as hour, rank = 1 or result = 5 as is_orphaned,
         width_bucket(duration_ms, latency_bounds()) + 1 as duration_bucket, width_bucket(first_byte_ms, latency_bounds()) + 1 as first_byte_bucket
  from attempts
), meters as (
  select hour, organization_id, team_id, key_id, route, provider, vendor, model, report_labels, meter, sum(quantity)::int8 as quantity
  from lines, unnest(quantities) with ordinality as counted (quantity, meter) group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
), measured as (
  select hour, organization_id, team_id, key_id, route, provider, vendor, model, report_labels, array_agg(quantity order by meter) as quantities
  from meters group by 1, 2, 3, 4, 5, 6, 7, 8, 9
), counts as (
  select hour, organization_id, team_id, key_id, route, provider, vendor, model, report_labels, count(*) as attempts,
         count(*) filter (where not is_orphaned and result <> 1) as failed_attempts, count(*) filter (where is_orphaned) as orphaned_attempts,
         count(*) filter (where is_unpriced) as unpriced_attempts, coalesce(sum(cost_nanos), 0)::int8 as cost_nanos, coalesce(sum(charge_nanos), 0)::int8 as charge_nanos,
         histogram_of(coalesce(array_agg(duration_bucket::int8) filter (where not is_orphaned), '{}')) as durations,
         histogram_of(coalesce(array_agg(first_byte_bucket::int8) filter (where first_byte_bucket is not null), '{}')) as first_bytes
  from lines group by 1, 2, 3, 4, 5, 6, 7, 8, 9
)
select hour, organization_id, team_id, key_id, route, provider, vendor, model, report_labels, attempts, failed_attempts, orphaned_attempts,
       unpriced_attempts, cost_nanos, charge_nanos, coalesce(quantities, '{}'), durations, first_bytes
from counts left join measured using (hour, organization_id, team_id, key_id, route, provider, vendor, model, report_labels);
