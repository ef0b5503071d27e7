-- A report of one organization reads its own sums: by hour over a month it read those of all.
create index usage_rollups_by_organization on usage_rollups (organization_id, hour);
create index usage_days_by_organization on usage_days (organization_id, day);
