-- What the ledger has of a lease, for policy to compare.
create index attempts_by_lease on attempts (lease_id) where lease_id is not null;
