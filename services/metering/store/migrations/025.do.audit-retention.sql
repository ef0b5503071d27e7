-- Where the chains of the audit log begin whose older entries are past their retention and gone: behind the last of these.
create table audit_anchors (
  organization_id text collate "C" primary key,
  sequence bigint not null,
  hash bytea not null,
  record_time timestamptz(3) not null
);
