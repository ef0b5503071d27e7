-- A line can be rated again by another version of the price book. Its generation says how often it was; each has postings of its own.
alter table attempts add column generation integer not null default 0, add column rerated_version text;
alter table superseded_attempts add column generation integer not null default 0, add column rerated_version text;
alter table superseded_attempts drop constraint superseded_attempts_pkey, add primary key (start_time, attempt_id, rank, generation);
alter table postings add column generation integer not null default 0;
alter table postings drop constraint postings_pkey, add primary key (start_time, attempt_id, rank, generation, account);

-- Re-ratings, by the ids that their callers chose.
create table rerates (
  rerate_id text primary key,
  price_version text not null,
  start_time timestamptz not null,
  end_time timestamptz not null,
  model text not null,           -- vendor/model, or empty
  requested_by text not null,
  request_time timestamptz not null default now(),
  finish_time timestamptz        -- null: it stopped on its way, and goes on when it is asked for again
);

-- What each changed so far, in the transactions that changed it.
create table rerate_differences (
  rerate_id text not null references rerates,
  model text not null,
  attempts bigint not null,
  changed_attempts bigint not null,
  unpriced_attempts bigint not null,
  cost_before_nanos bigint not null,
  cost_after_nanos bigint not null,
  charge_before_nanos bigint not null,
  charge_after_nanos bigint not null,
  primary key (rerate_id, model)
);
