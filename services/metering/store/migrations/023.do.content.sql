-- What calls said, for organizations that have it kept: encrypted under the organization's data key, which is encrypted under the installation's.
create table content_keys (
  organization_id text collate "C" not null,
  version integer not null,
  wrapped bytea,                  -- null once it is destroyed
  create_time timestamptz not null default now(),
  destroy_time timestamptz,
  primary key (organization_id, version)
);

create table contents (
  organization_id text collate "C" not null,
  call_id text collate "C" not null,
  record_time timestamptz not null default now(),
  key_version integer not null,
  sealed bytea not null,          -- weir.metering.v1.CallContent; its SHA-256 stands in the audit log
  primary key (organization_id, call_id)
);

-- It is random to whoever compresses it.
alter table contents alter column sealed set storage external;

create index contents_by_time on contents (record_time);
