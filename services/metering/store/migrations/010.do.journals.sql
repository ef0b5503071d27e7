-- The journals of emitters: who writes them, and how far they are. A lost one stays for ever, so that it stays fenced.
create table journals (
  journal_id text collate "C" primary key,
  instance text not null,
  state integer not null,        -- weir.metering.v1.JournalState
  register_time timestamptz not null default now(),
  report_time timestamptz not null default now(),
  low_water_time timestamptz not null,
  unconfirmed bigint not null,
  lost_time timestamptz,
  lost_reason text not null default ''
);

create index journals_by_report on journals (state, report_time);

-- Attempts that were under way at a report and that the ledger had not confirmed at a later one: should their journal be lost, they are orphans.
create table open_attempts (
  journal_id text collate "C" not null references journals on delete cascade,
  attempt_id text collate "C" not null,
  intent bytea not null,         -- weir.metering.v1.AttemptIntent
  primary key (journal_id, attempt_id)
);
