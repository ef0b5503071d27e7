-- Budgets, and what of them is spent and held in each period.

CREATE TABLE budgets (
  budget_id text COLLATE "C" PRIMARY KEY,
  organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
  name text COLLATE "C" NOT NULL,
  -- Whose calls it counts: those that fit all that is not null.
  team_id text COLLATE "C" REFERENCES teams (id),
  key_id text COLLATE "C" REFERENCES keys (id),
  member_id text COLLATE "C" REFERENCES members (id),
  label_name text,
  label_value text,                       -- '*': each value has a budget of its own
  limit_nanos bigint NOT NULL CHECK (limit_nanos >= 0),
  period smallint NOT NULL,               -- weir.policy.v1.BudgetPeriod
  -- Beyond the current row of budget_periods, those that ended within this time count; zero but for rolling periods.
  rolling_window interval NOT NULL DEFAULT '0',
  time_zone text NOT NULL,
  is_hard boolean NOT NULL,
  shortage smallint NOT NULL,             -- weir.policy.v1.BudgetShortage
  alert_percents integer[] NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  delete_time timestamptz,
  CHECK ((label_name IS NULL) = (label_value IS NULL))
);

CREATE UNIQUE INDEX budgets_by_name ON budgets (organization_id, name) WHERE delete_time IS NULL;
CREATE INDEX budgets_in_order ON budgets (name, budget_id) WHERE delete_time IS NULL;

-- A rolling budget has a row for each slice of its window.
CREATE TABLE budget_periods (
  period_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  budget_id text COLLATE "C" NOT NULL REFERENCES budgets (budget_id),
  label_value text NOT NULL,              -- '' but where each value has a budget of its own
  start_time timestamptz NOT NULL,
  end_time timestamptz NOT NULL,
  extra_nanos bigint NOT NULL DEFAULT 0,  -- topped up and transferred: the sum of its budget_entries
  posted_nanos bigint NOT NULL DEFAULT 0,
  held_nanos bigint NOT NULL DEFAULT 0 CHECK (held_nanos >= 0),
  drawable_leases integer NOT NULL DEFAULT 0 CHECK (drawable_leases >= 0),  -- from which a holder may draw still
  forgotten_nanos bigint NOT NULL DEFAULT 0,  -- posted to leases that are not on record any more
  UNIQUE (budget_id, label_value, start_time)
) WITH (fillfactor = 50);

CREATE INDEX budget_periods_by_end ON budget_periods (budget_id, label_value, end_time);

-- The period of a budget at a time; a rolling budget counts by sixtieths of its window.
CREATE FUNCTION period_of(budget budgets, at timestamptz, OUT start_time timestamptz, OUT end_time timestamptz) LANGUAGE plpgsql STABLE AS $$
DECLARE
  unit text := CASE budget.period WHEN 1 THEN 'day' WHEN 2 THEN 'week' WHEN 3 THEN 'month' END;
  first_day timestamp;
BEGIN
  IF unit IS NOT NULL THEN
    first_day := date_trunc(unit, at AT TIME ZONE budget.time_zone);
    start_time := first_day AT TIME ZONE budget.time_zone;
    end_time := (first_day + ('1 ' || unit)::interval) AT TIME ZONE budget.time_zone;
  ELSIF budget.period = 4 THEN
    start_time := date_bin(budget.rolling_window / 60, at, 'epoch');
    end_time := start_time + budget.rolling_window / 60;
  ELSE
    start_time := '-infinity';
    end_time := 'infinity';
  END IF;
END
$$;

-- The current period of a budget for a label's value, made when it is missing. A budget has at most 10,000 values in a period: those beyond
-- share one, '*'.
CREATE FUNCTION ensure_period(budget budgets, wanted_value text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  value text := wanted_value;
  bounds record;
  found_id bigint;
BEGIN
  bounds := period_of(budget, now());
  LOOP
    SELECT period_id INTO found_id FROM budget_periods
      WHERE budget_id = budget.budget_id AND label_value IN (value, '*') AND start_time = bounds.start_time ORDER BY label_value = '*' LIMIT 1;
    IF found_id IS NOT NULL THEN RETURN found_id; END IF;
    IF value <> '' AND 10000 <= (SELECT count(*) FROM budget_periods WHERE budget_id = budget.budget_id AND start_time = bounds.start_time) THEN value := '*'; END IF;
    INSERT INTO budget_periods (budget_id, label_value, start_time, end_time) VALUES (budget.budget_id, value, bounds.start_time, bounds.end_time) ON CONFLICT DO NOTHING;
  END LOOP;
END
$$;

-- What keys hold depends on whether a budget may apply to them.
CREATE FUNCTION announce_budget_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('weir_policy_grants', id) FROM keys WHERE organization_id = NEW.organization_id;
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_budget_change AFTER INSERT OR UPDATE OF delete_time ON budgets FOR EACH ROW EXECUTE FUNCTION announce_budget_change();

-- A weir.policy.v1.Consistency.
ALTER TABLE keys ADD COLUMN consistency smallint NOT NULL DEFAULT 2;
