-- A price book has mark-ups and discounts of organizations beside its prices.
alter table price_versions add column adjustments jsonb not null default '[]';

-- Who imported which prices when. The newest row is what stands imported.
create table price_imports (
  import_id bigint generated always as identity primary key,
  import_time timestamptz not null default now(),
  imported_by text not null,
  price_version text not null,   -- the price book with them, by the configuration of that moment
  entries jsonb not null,
  adjustments jsonb not null
);

-- What the key is charged: the cost with its organization's mark-up or discount. The difference is on the account margin:<organization>.
alter table attempts add column charge_nanos bigint;
alter table superseded_attempts add column charge_nanos bigint;
alter table usage_rollups add column charge_nanos bigint not null default 0;
update attempts set charge_nanos = cost_nanos;
update superseded_attempts set charge_nanos = cost_nanos;
update usage_rollups set charge_nanos = cost_nanos;
