-- Batches at vendors that the ledger has not heard the consumption of.

CREATE TABLE batches (
  -- The attempt that made it, or tried to.
  attempt_id text COLLATE "C" PRIMARY KEY,
  provider text COLLATE "C" NOT NULL,
  -- Its weir.metering.v1.AttemptIntent.
  intent bytea NOT NULL,
  begin_time timestamptz NOT NULL,
  -- When a process is to look for it at the vendor.
  look_time timestamptz NOT NULL
);

CREATE INDEX batches_by_look_time ON batches (look_time);
