-- What was added to the limit of a period, or taken from it, by whom; never edited. A transfer is two entries.
CREATE TABLE budget_entries (
  entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  period_id bigint NOT NULL REFERENCES budget_periods (period_id),
  amount_nanos bigint NOT NULL,
  other_period_id bigint REFERENCES budget_periods (period_id),  -- of a transfer, where it came from or went to
  note text NOT NULL,
  entered_by text NOT NULL,               -- a key, or a service of Weir
  entry_time timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX budget_entries_by_period ON budget_entries (period_id);

-- Which share of its limit a period's spending has reached: one row, for good, for each percent that the budget asks for.
CREATE TABLE budget_crossings (
  crossing_id text PRIMARY KEY DEFAULT 'crossing_' || gen_random_uuid(),
  period_id bigint NOT NULL REFERENCES budget_periods (period_id),
  percent integer NOT NULL,
  limit_nanos bigint NOT NULL,
  posted_nanos bigint NOT NULL,
  cross_time timestamptz NOT NULL DEFAULT now(),
  UNIQUE (period_id, percent)
);
