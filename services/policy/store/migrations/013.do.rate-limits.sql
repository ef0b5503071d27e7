-- Rate limits made by RPC, and the counting for all of them.

CREATE TABLE rate_limits (
  id text COLLATE "C" PRIMARY KEY,
  -- Empty: of each organization.
  organization_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  -- A weir.policy.v1.RateLimitRule as JSON.
  rule jsonb NOT NULL,
  create_time timestamptz NOT NULL,
  -- Stays when the rate limit is gone, so that a repeated call is answered alike.
  delete_time timestamptz
);

CREATE UNIQUE INDEX rate_limits_by_name ON rate_limits (organization_id, name) WHERE delete_time IS NULL;

CREATE FUNCTION announce_rate_limit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('weir_policy_rules', TG_TABLE_NAME);
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_rate_limit_change AFTER INSERT OR UPDATE OR DELETE ON rate_limits FOR EACH STATEMENT EXECUTE FUNCTION announce_rate_limit_change();

-- One row for each counter that is in use; room is left on each page, so that updates stay on it and touch no index.
CREATE TABLE rate_counters (
  rate_limit_id text COLLATE "C" NOT NULL,
  -- Of what it is, as a digest; empty: of all that came when the limit had too many counters.
  counter bytea NOT NULL,
  window_time timestamptz NOT NULL DEFAULT '-infinity',
  -- What processes have drawn in this window; more than the amount where calls used more than was estimated.
  used bigint NOT NULL DEFAULT 0,
  -- The processes that drew in this window.
  holder_ids text[] NOT NULL DEFAULT '{}',
  -- From when on the row says nothing any more.
  expire_time timestamptz NOT NULL DEFAULT 'infinity',
  PRIMARY KEY (rate_limit_id, counter)
) WITH (fillfactor = 50);

-- Permits for calls at one time; the row of the counter is locked while they are counted.
CREATE TABLE rate_permits (
  rate_limit_id text COLLATE "C" NOT NULL,
  counter bytea NOT NULL,
  holder_id text NOT NULL,
  permits bigint NOT NULL,
  expire_time timestamptz NOT NULL,
  PRIMARY KEY (rate_limit_id, counter, holder_id)
) WITH (fillfactor = 50);

-- The counter to draw from: the one that is asked for, unless it would be a new one of a limit that has too many.
CREATE FUNCTION rate_counter_of(asked_limit_id text, asked_counter bytea, full_limit_ids text[]) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN asked_limit_id = ANY (full_limit_ids) AND NOT EXISTS (SELECT FROM rate_counters WHERE rate_limit_id = asked_limit_id AND counter = asked_counter) THEN ''::bytea
    ELSE asked_counter
  END
$$;

-- Slices of windows, by the fields of weir.policy.v1.RateDraw. The processes that draw share what is left, down to what each needs at the least.
CREATE FUNCTION draw_rates(
  holder text, full_limit_ids text[],
  limit_ids text[], counters bytea[], amounts bigint[], window_seconds int[], needs bigint[], wants bigint[], debts bigint[], credits bigint[], credit_window_times timestamptz[]
) RETURNS TABLE (place bigint, granted bigint, window_time timestamptz, window_rest_ms double precision, remaining bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  draw record;
  counted rate_counters;
  moment timestamptz;
BEGIN
  -- In a fixed order, so that no two calls wait for each other.
  FOR draw IN
    SELECT asked.*, rate_counter_of(limit_id, asked_counter, full_limit_ids) AS counter
    FROM unnest(limit_ids, counters, amounts, window_seconds, needs, wants, debts, credits, credit_window_times) WITH ORDINALITY
      AS asked (limit_id, asked_counter, amount, seconds, need, want, debt, credit, credit_window_time, place)
    ORDER BY limit_id, counter
  LOOP
    -- Makes the row or locks it.
    INSERT INTO rate_counters AS present (rate_limit_id, counter) VALUES (draw.limit_id, draw.counter)
      ON CONFLICT (rate_limit_id, counter) DO UPDATE SET expire_time = present.expire_time RETURNING present.* INTO counted;
    moment := clock_timestamp();
    window_time := greatest(date_bin(make_interval(secs => draw.seconds), moment, 'epoch'), counted.window_time);
    IF window_time > counted.window_time THEN
      counted.used := 0;
      counted.holder_ids := '{}';
    END IF;
    counted.used := counted.used + draw.debt - CASE WHEN draw.credit_window_time = window_time THEN least(draw.credit, counted.used) ELSE 0 END;
    IF holder <> ALL (counted.holder_ids) AND cardinality(counted.holder_ids) < 64 THEN
      counted.holder_ids := counted.holder_ids || holder;
    END IF;
    remaining := draw.amount - counted.used;
    granted := CASE
      WHEN remaining < greatest(draw.need, 1) THEN 0
      ELSE least(remaining, greatest(draw.need, least(draw.want, remaining / (2 * cardinality(counted.holder_ids)))))
    END;
    remaining := remaining - granted;
    UPDATE rate_counters AS present
      SET window_time = draw_rates.window_time, used = counted.used + draw_rates.granted, holder_ids = counted.holder_ids, expire_time = draw_rates.window_time + make_interval(secs => draw.seconds)
      WHERE present.rate_limit_id = draw.limit_id AND present.counter = draw.counter;
    window_rest_ms := 1000 * extract(epoch FROM window_time + make_interval(secs => draw.seconds) - moment);
    place := draw.place;
    RETURN NEXT;
  END LOOP;
END
$$;

-- Permits for calls at one time, by the fields of weir.policy.v1.PermitDraw. What runs is counted in any case.
CREATE FUNCTION draw_permits(
  holder text, full_limit_ids text[], lease interval,
  limit_ids text[], counters bytea[], amounts bigint[], running_counts bigint[], wants bigint[]
) RETURNS TABLE (place bigint, granted bigint, remaining bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  draw record;
  moment timestamptz;
BEGIN
  FOR draw IN
    SELECT asked.*, rate_counter_of(limit_id, asked_counter, full_limit_ids) AS counter
    FROM unnest(limit_ids, counters, amounts, running_counts, wants) WITH ORDINALITY AS asked (limit_id, asked_counter, amount, running, want, place)
    ORDER BY limit_id, counter
  LOOP
    moment := clock_timestamp();
    INSERT INTO rate_counters AS present (rate_limit_id, counter, expire_time) VALUES (draw.limit_id, draw.counter, moment + lease)
      ON CONFLICT (rate_limit_id, counter) DO UPDATE SET expire_time = greatest(present.expire_time, excluded.expire_time);
    SELECT draw.amount - coalesce(sum(permits), 0) INTO remaining FROM rate_permits
      WHERE rate_limit_id = draw.limit_id AND counter = draw.counter AND holder_id <> holder AND expire_time > clock_timestamp();
    granted := greatest(draw.running, least(draw.want, remaining));
    remaining := remaining - granted;
    IF granted = 0 THEN
      DELETE FROM rate_permits WHERE rate_limit_id = draw.limit_id AND counter = draw.counter AND holder_id = holder;
    ELSE
      INSERT INTO rate_permits AS present (rate_limit_id, counter, holder_id, permits, expire_time) VALUES (draw.limit_id, draw.counter, holder, draw_permits.granted, clock_timestamp() + lease)
        ON CONFLICT (rate_limit_id, counter, holder_id) DO UPDATE SET permits = excluded.permits, expire_time = excluded.expire_time;
    END IF;
    place := draw.place;
    RETURN NEXT;
  END LOOP;
END
$$;
