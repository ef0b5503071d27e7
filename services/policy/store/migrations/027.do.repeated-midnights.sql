-- Periods that begin where clocks show midnight twice, and labels whose value is '*'.

-- The first moment at which clocks show this midnight, or what follows where they skip it. Where they go back over midnight (Havana, the Azores), PostgreSQL
-- takes the second one, and by it an hour of the day belonged to no period that had begun.
CREATE FUNCTION midnight_of(day timestamp, time_zone text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
  taken timestamptz := day AT TIME ZONE time_zone;
  before timestamptz := taken - interval '3 hours';
  first timestamptz := before + (day - before AT TIME ZONE time_zone);
BEGIN
  RETURN CASE WHEN first < taken AND first AT TIME ZONE time_zone = day THEN first ELSE taken END;
END
$$;

CREATE OR REPLACE FUNCTION period_of(budget budgets, at timestamptz, OUT start_time timestamptz, OUT end_time timestamptz) LANGUAGE plpgsql STABLE AS $$
DECLARE
  unit text := CASE budget.period WHEN 1 THEN 'day' WHEN 2 THEN 'week' WHEN 3 THEN 'month' END;
  first_day timestamp;
BEGIN
  IF unit IS NOT NULL THEN
    first_day := date_trunc(unit, at AT TIME ZONE budget.time_zone);
    start_time := midnight_of(first_day, budget.time_zone);
    end_time := midnight_of(first_day + ('1 ' || unit)::interval, budget.time_zone);
  ELSIF budget.period = 4 THEN
    start_time := date_bin(budget.rolling_window / 60, at, 'epoch');
    end_time := start_time + budget.rolling_window / 60;
  ELSE
    start_time := '-infinity';
    end_time := 'infinity';
  END IF;
END
$$;

-- What was made with the second midnight.
UPDATE budget_periods SET start_time = bounds.start_time, end_time = bounds.end_time
  FROM budget_periods AS former JOIN budgets USING (budget_id) CROSS JOIN LATERAL period_of(budgets, former.start_time) AS bounds
  WHERE budget_periods.period_id = former.period_id AND budgets.period IN (1, 2, 3) AND (former.start_time, former.end_time) <> (bounds.start_time, bounds.end_time);

-- Whether it is the one of all values beyond 10,000. Its value is '*', which a caller's label can be, too.
ALTER TABLE budget_periods ADD COLUMN is_shared boolean NOT NULL DEFAULT false;
UPDATE budget_periods SET is_shared = true
  WHERE label_value = '*' AND 10000 < (SELECT count(*) FROM budget_periods AS others WHERE others.budget_id = budget_periods.budget_id AND others.start_time = budget_periods.start_time);

-- As before (010), but a value that is '*' makes no other value share its period.
CREATE OR REPLACE FUNCTION ensure_period(budget budgets, wanted_value text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  value text := wanted_value;
  bounds record;
  found_id bigint;
BEGIN
  bounds := period_of(budget, now());
  LOOP
    SELECT period_id INTO found_id FROM budget_periods
      WHERE budget_id = budget.budget_id AND label_value IN (value, '*') AND start_time = bounds.start_time AND (label_value = value OR is_shared) ORDER BY label_value = value DESC LIMIT 1;
    IF found_id IS NOT NULL THEN RETURN found_id; END IF;
    IF value NOT IN ('', '*') AND 10000 <= (SELECT count(*) FROM budget_periods WHERE budget_id = budget.budget_id AND start_time = bounds.start_time) THEN
      value := '*';
      UPDATE budget_periods SET is_shared = true WHERE budget_id = budget.budget_id AND label_value = '*' AND start_time = bounds.start_time;
    END IF;
    INSERT INTO budget_periods (budget_id, label_value, start_time, end_time, is_shared)
      VALUES (budget.budget_id, value, bounds.start_time, bounds.end_time, value <> wanted_value) ON CONFLICT DO NOTHING;
  END LOOP;
END
$$;
