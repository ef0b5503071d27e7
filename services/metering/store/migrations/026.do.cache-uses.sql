-- What the cache of replies did, summed by hour and by day (UTC) under the keys of the sums of attempts. No lines stand behind these sums: they are
-- what routing told, so that a rebuild leaves them as they are.
create table cache_hours (
  hour timestamptz not null,
  organization_id text not null,
  team_id text not null,
  key_id text not null,
  route text not null,
  provider text not null,
  vendor text not null,
  model text not null,
  report_labels text not null,
  cache_hits bigint not null,
  cache_misses bigint not null,
  primary key (hour, organization_id, team_id, key_id, route, provider, vendor, model, report_labels)
);
create table cache_days (like cache_hours including all);
alter table cache_days rename column hour to day;

-- Up to which of its requests a process of routing has told, so that one that is sent twice counts once.
create table cache_senders (
  sender_id text primary key,
  sequence bigint not null,
  told_time timestamptz not null default now()
);
