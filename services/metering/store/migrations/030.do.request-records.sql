-- What became of requests that their attempts do not tell of. Columns repeat the record for queries; the record is whole, as what callers write
-- (names of models, labels) may be no text for a database.
create table request_records (
  request_id text collate "C" primary key,   -- the first of its ids
  request_ids text[] collate "C" not null,
  start_time timestamptz not null,           -- when the first of its requests came
  last_time timestamptz not null,            -- when the last did, a minute later at most
  organization_id text collate "C" not null,
  team_id text collate "C" not null,
  key_id text collate "C" not null,
  outcome integer not null,                  -- weir.metering.v1.RequestOutcome
  error_reason integer not null,             -- weir.errors.v1.ErrorReason
  record bytea not null                      -- weir.metering.v1.RequestRecord
);

create index request_records_by_organization on request_records (organization_id, start_time, request_id);
create index request_records_by_time on request_records (start_time, request_id);
