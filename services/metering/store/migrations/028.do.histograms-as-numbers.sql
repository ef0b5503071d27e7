-- A histogram becomes one number, so that a report adds thousands of them by sum(): how many are in bucket n stands at its decimal places from
-- 12 n on (domain/latency-histogram.ts reads it), which is exact below 10^12 in each. Deltas go on holding bucket numbers, from 1.
drop view usage_sums;
drop function histogram_of(bigint[]);
drop function histogram_of(smallint[]);

-- The histogram of one latency, from its bucket's number.
create function histogram_of_one(bucket integer) returns numeric language sql immutable parallel safe
  return ('1e' || (12 * bucket)::text)::numeric;

-- The histogram of a delta.
create function histogram_of(buckets smallint[]) returns numeric language sql immutable parallel safe
  return (select coalesce(sum(sign(bucket::numeric) * histogram_of_one(abs(bucket) - 1)), 0) from unnest(buckets) as bucket);

create function histogram_of_counts(counts bigint[]) returns numeric language sql immutable parallel safe
  return (select coalesce(sum(counted * histogram_of_one(place::integer - 1)), 0) from unnest(counts) with ordinality as places (counted, place) where counted <> 0);
alter table usage_rollups alter durations type numeric using histogram_of_counts(durations), alter first_bytes type numeric using histogram_of_counts(first_bytes);
alter table usage_days alter durations type numeric using histogram_of_counts(durations), alter first_bytes type numeric using histogram_of_counts(first_bytes);
drop function histogram_of_counts(bigint[]);

create view usage_sums as
select hour, organization_id, team_id, key_id, route, provider, vendor, model, report_labels, attempts, failed_attempts, orphaned_attempts,
       unpriced_attempts, cost_nanos, charge_nanos, quantities, durations, first_bytes
from usage_rollups
union all
select hour, organization_id, team_id, key_id, route, provider, vendor, model, report_labels, attempts, failed_attempts, orphaned_attempts,
       unpriced_attempts, cost_nanos, charge_nanos, quantities, histogram_of(durations), histogram_of(first_bytes)
from usage_deltas;
