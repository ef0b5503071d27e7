-- Sums by day (UTC), each that of its hours and folded with them, so that a report of weeks need not read every hour.
create table usage_days (like usage_rollups including all);
alter table usage_days rename column hour to day;

insert into usage_days
select date_trunc('day', hour, 'UTC') as day, organization_id, team_id, key_id, route, provider, vendor, model, report_labels,
       sum(attempts), sum(failed_attempts), sum(orphaned_attempts), sum(unpriced_attempts), sum(cost_nanos), sum(charge_nanos),
       array_sum(quantities), array_sum(durations), array_sum(first_bytes)
from usage_rollups group by 1, 2, 3, 4, 5, 6, 7, 8, 9;
