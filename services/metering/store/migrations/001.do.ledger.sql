-- The price book: every version that was ever in force, so that an event is rated by the version its intent names.
create table price_versions (
  price_version text primary key,
  entries jsonb not null,
  create_time timestamptz not null default now()
);

-- One line per attempt: what stands now. Partitioned by the month of the start time that the attempt's id carries, so that
-- (start_time, attempt_id) is unique exactly when attempt_id is. Ids compare byte by byte, which is the order of their time.
create table attempts (
  attempt_id text collate "C" not null,
  start_time timestamptz not null,
  organization_id text not null,
  team_id text not null,
  key_id text not null,
  request_id text not null,
  labels jsonb,
  route text not null,
  provider text not null,
  vendor text not null,
  model text not null,
  operation text not null,
  is_stream boolean not null,
  price_version text not null,
  rank integer not null,
  result integer not null,
  usage_source integer,          -- null with quantities: usage is unreported, which is not zero
  quantities bigint[],           -- the quantity of meter n (weir.types.v1.Meter) is quantities[n]
  finish_reason text not null,
  error_reason text not null,
  http_status integer not null,
  upstream_request_id text not null,
  served_model text not null,
  service_tier text not null,
  first_byte_ms bigint,
  duration_ms bigint not null,
  end_time timestamptz,
  cost_nanos bigint,             -- null: unreported or unpriced, which is not zero
  is_unpriced boolean not null,
  post_time timestamptz not null default now(),
  primary key (start_time, attempt_id)
) partition by range (start_time);

create index attempts_by_request on attempts (request_id);
create index attempts_by_organization on attempts (organization_id, start_time, attempt_id);

-- What a higher rank replaced: together with attempts, every event that ever stood.
create table superseded_attempts (
  like attempts including defaults,
  primary key (start_time, attempt_id, rank)
) partition by range (start_time);

-- Double entry: per attempt and rank, the key is debited and the vendor credited by the same amount. Never edited.
create table postings (
  attempt_id text collate "C" not null,
  start_time timestamptz not null,
  rank integer not null,
  account text not null,         -- key:<id>, vendor:<name>
  organization_id text not null,
  amount_nanos bigint not null,
  price_version text not null,
  post_time timestamptz not null default now(),
  primary key (start_time, attempt_id, rank, account)
) partition by range (start_time);

-- Sums of what stands, by the hour in which the attempts started.
create table usage_rollups (
  hour timestamptz not null,
  organization_id text not null,
  team_id text not null,
  key_id text not null,
  provider text not null,
  vendor text not null,
  model text not null,
  attempts bigint not null,
  failed_attempts bigint not null,
  orphaned_attempts bigint not null,
  unpriced_attempts bigint not null,
  cost_nanos bigint not null,
  quantities bigint[] not null,  -- as in attempts
  primary key (hour, organization_id, team_id, key_id, provider, vendor, model)
);

-- Events that can never be posted, each kept once.
create table dead_letters (
  digest bytea primary key,      -- SHA-256 of the event
  attempt_id text not null,
  reason text not null,
  event bytea not null,          -- weir.metering.v1.UsageEvent
  receive_time timestamptz not null default now()
);
