-- Who is told of crossings. A row is made with its crossing, in one transaction, for each destination that it is for.
CREATE TABLE alert_deliveries (
  crossing_id text NOT NULL REFERENCES budget_crossings (crossing_id),
  destination text COLLATE "C" NOT NULL,
  state smallint NOT NULL DEFAULT 1,      -- weir.policy.v1.AlertDeliveryState
  attempts integer NOT NULL DEFAULT 0,
  last_time timestamptz,
  -- When it is due. A process that takes it puts this off, so that another takes it over where the first one dies.
  next_time timestamptz NOT NULL DEFAULT now(),
  problem text NOT NULL DEFAULT '',
  PRIMARY KEY (crossing_id, destination)
);

CREATE INDEX alert_deliveries_due ON alert_deliveries (destination, next_time) WHERE state = 1;

-- The order in which they are listed.
ALTER TABLE budget_crossings ADD COLUMN crossing_number bigint GENERATED ALWAYS AS IDENTITY UNIQUE;

CREATE VIEW budget_alerts AS
  SELECT crossing_id, crossing_number, organization_id, organizations.name AS organization, budget_id, budgets.name AS budget, budget_periods.label_value, percent,
         budget_crossings.limit_nanos, budget_crossings.posted_nanos, cross_time, nullif(start_time, '-infinity') - rolling_window AS start_time, nullif(end_time, 'infinity') AS end_time
  FROM budget_crossings JOIN budget_periods USING (period_id) JOIN budgets USING (budget_id) JOIN organizations ON organizations.id = organization_id;
