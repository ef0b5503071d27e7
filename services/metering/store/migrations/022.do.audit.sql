-- The audit log: a chain for each organization, and '' for the installation. What is verified is the entry's text; the columns repeat it for queries.
create table audit_entries (
  organization_id text collate "C" not null,
  sequence bigint not null,
  record_time timestamptz(3) not null,
  call_id text collate "C" not null,
  actor text collate "C" not null,
  method text collate "C" not null,
  outcome text collate "C" not null,   -- 'begun', 'ok', or the reason of an error
  entry text not null,                 -- JSON, as it was hashed
  hash bytea not null,                 -- SHA-256 of the hash before it and of the entry
  primary key (organization_id, sequence),
  unique (organization_id, call_id, outcome)
);

create index audit_entries_by_time on audit_entries (record_time, organization_id, sequence);
create index audit_entries_of_organization on audit_entries (organization_id, record_time, sequence);

-- How far each chain is.
create table audit_heads (
  organization_id text collate "C" primary key,
  sequence bigint not null,
  hash bytea not null
);
