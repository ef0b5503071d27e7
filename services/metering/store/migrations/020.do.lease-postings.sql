-- The lease that an attempt's bound was drawn from, and the bound: what budgets count while the charge is not known.
alter table attempts add column lease_id text, add column bound_nanos bigint;
alter table superseded_attempts add column lease_id text, add column bound_nanos bigint;

-- What postings changed for leases, written with them; each goes when policy has confirmed that it is on its books.
create table lease_postings (
  posting_id bigint generated always as identity primary key,
  lease_id text not null,
  organization_id text not null,
  attempt_id text not null,
  delta_nanos bigint not null
);
