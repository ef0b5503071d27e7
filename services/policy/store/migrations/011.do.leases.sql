-- Leases: what is taken from budgets before it is spent.

CREATE TABLE leases (
  lease_id text COLLATE "C" PRIMARY KEY,
  organization_id text COLLATE "C" NOT NULL,
  holder_id text COLLATE "C" NOT NULL,
  period_ids bigint[] NOT NULL,           -- of all budgets that applied when it was made; what is posted later counts there, too
  amount_nanos bigint NOT NULL,
  returned_nanos bigint NOT NULL DEFAULT 0,
  posted_nanos bigint NOT NULL DEFAULT 0,
  held_nanos bigint NOT NULL,             -- of the amount, what is neither returned nor posted, until it is closed
  is_returned boolean NOT NULL DEFAULT false,  -- nothing is drawn from it any more
  create_time timestamptz NOT NULL DEFAULT now(),
  expire_time timestamptz NOT NULL,
  close_time timestamptz                  -- since then nothing is held, whatever is posted
);

CREATE INDEX leases_to_close ON leases (expire_time) WHERE close_time IS NULL;
CREATE INDEX leases_to_recall ON leases (organization_id) WHERE NOT is_returned;
CREATE INDEX leases_to_forget ON leases (close_time) WHERE close_time IS NOT NULL;

-- What is left of each period, and what of it is held; of a rolling one, of its window up to now.
CREATE VIEW budget_rooms AS
SELECT periods.period_id, budgets.budget_id, budgets.organization_id, budgets.name, budgets.is_hard, budgets.shortage, budgets.period,
       periods.label_value, periods.start_time, periods.end_time, window_sums.*,
       window_sums.limit_nanos - window_sums.posted_nanos - window_sums.held_nanos AS headroom_nanos
FROM budget_periods AS periods
JOIN budgets USING (budget_id)
CROSS JOIN LATERAL (
  SELECT budgets.limit_nanos + coalesce(sum(extra_nanos), 0)::int8 AS limit_nanos, coalesce(sum(posted_nanos), 0)::int8 AS posted_nanos,
         coalesce(sum(held_nanos), 0)::int8 AS held_nanos, coalesce(sum(drawable_leases), 0)::int4 AS drawable_leases
  FROM budget_periods AS slices
  WHERE slices.budget_id = periods.budget_id AND slices.label_value = periods.label_value
    AND slices.end_time > periods.start_time - budgets.rolling_window AND slices.end_time <= periods.end_time
) AS window_sums;

-- Which budgets apply to each of these calls, and their current periods. `place` is the call's, from 1.
CREATE FUNCTION periods_of_calls(organization text, call_keys text[], call_labels jsonb[]) RETURNS TABLE (place bigint, period_id bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY SELECT calls.place, coalesce(
    (SELECT periods.period_id FROM budget_periods AS periods
     WHERE periods.budget_id = budgets.budget_id AND periods.label_value = applied.value AND periods.start_time <= now() AND periods.end_time > now()),
    ensure_period(budgets, applied.value))
  FROM unnest(call_keys, call_labels) WITH ORDINALITY AS calls (key_id, labels, place)
  JOIN keys ON keys.id = calls.key_id AND keys.organization_id = organization
  JOIN budgets ON budgets.organization_id = organization AND budgets.delete_time IS NULL
    AND (budgets.team_id IS NULL OR budgets.team_id = keys.team_id)
    AND (budgets.key_id IS NULL OR budgets.key_id = keys.id)
    AND (budgets.member_id IS NULL OR budgets.member_id = keys.member_id)
    AND (budgets.label_name IS NULL OR CASE budgets.label_value WHEN '*' THEN calls.labels ? budgets.label_name ELSE calls.labels ->> budgets.label_name = budgets.label_value END)
  CROSS JOIN LATERAL (SELECT CASE budgets.label_value WHEN '*' THEN calls.labels ->> budgets.label_name ELSE '' END AS value) AS applied;
END
$$;

-- Takes an amount for each of these calls of one organization from all budgets that apply to it, or nothing where one has too little left.
-- Calls come in their order, and where one waits, none behind it takes from the same budgets. Whoever changes several periods locks them in
-- the order of their ids. The last columns say what of a call decides which budgets apply to it, at the latest when these were taken from.
CREATE FUNCTION acquire_leases(organization text, life interval, lease_ids text[], holder_ids text[], call_keys text[], call_labels jsonb[], needed bigint[], useful bigint[], wished bigint[], can_wait boolean[])
RETURNS TABLE (place integer, amount_nanos bigint, life_left interval, short_period_id bigint, by_team boolean, by_key boolean, label_names text[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  clamp CONSTANT smallint := 2;
  wait CONSTANT smallint := 3;
  -- Who applies to whom: the call's place, and its period's place in the arrays below.
  match_places bigint[]; match_periods bigint[]; match_indexes bigint[];
  -- The periods, in order; the room of a soft one is null. The most that there can be is what there would be if nothing were held.
  rooms bigint[]; most bigint[]; shortages smallint[]; ends timestamptz[]; ids bigint[];
  taken bigint[]; counts integer[]; is_awaited boolean[];
  match_index integer := 1; first_match integer;
  room bigint; short integer; index integer; is_behind boolean; ends_at timestamptz;
BEGIN
  SELECT array_agg(matches.place ORDER BY matches.place, matches.index), array_agg(matches.period_id ORDER BY matches.place, matches.index), array_agg(matches.index ORDER BY matches.place, matches.index)
    INTO match_places, match_periods, match_indexes
    FROM (SELECT calls.place, calls.period_id, dense_rank() OVER (ORDER BY calls.period_id) AS index FROM periods_of_calls(organization, call_keys, call_labels) AS calls) AS matches;
  PERFORM FROM budget_periods AS periods WHERE periods.period_id = ANY (match_periods) ORDER BY periods.period_id FOR NO KEY UPDATE;
  -- A statement of its own: it sees what others changed before they let go of the locks.
  SELECT array_agg(CASE WHEN is_hard THEN headroom_nanos END ORDER BY period_id), array_agg(limit_nanos - posted_nanos ORDER BY period_id), array_agg(shortage ORDER BY period_id), array_agg(end_time ORDER BY period_id),
         array_agg(period_id ORDER BY period_id), array_agg(0::int8), array_agg(0), array_agg(false)
    INTO rooms, most, shortages, ends, ids, taken, counts, is_awaited
    FROM budget_rooms WHERE period_id = ANY (match_periods);
  SELECT count(team_id) > 0, count(key_id) + count(member_id) > 0, coalesce(array_agg(DISTINCT label_name) FILTER (WHERE label_name IS NOT NULL), '{}')
    INTO by_team, by_key, label_names FROM budgets WHERE organization_id = organization AND delete_time IS NULL;

  FOR turn IN 1 .. cardinality(lease_ids) LOOP
    place := turn; first_match := match_index; room := NULL; short := NULL; is_behind := false; ends_at := now() + life; amount_nanos := NULL; short_period_id := NULL;
    WHILE match_places[match_index] = place LOOP
      index := match_indexes[match_index];
      ends_at := least(ends_at, ends[index]);
      IF is_awaited[index] AND NOT is_behind THEN
        is_behind := true; short := index;
      ELSIF NOT is_behind AND (room IS NULL OR rooms[index] < room) THEN
        room := rooms[index];
        IF room IS NOT NULL THEN short := index; END IF;
      END IF;
      match_index := match_index + 1;
    END LOOP;
    life_left := ends_at - now();

    IF first_match = match_index THEN
      -- No budget applies; to a key that is not of the organization, nothing does.
      IF NOT EXISTS (SELECT FROM keys WHERE id = call_keys[place] AND organization_id = organization) THEN life_left := NULL; END IF;
    ELSIF is_behind THEN
      short_period_id := ids[short];
    ELSIF room IS NULL THEN
      amount_nanos := greatest(needed[place], wished[place]);
    ELSIF room >= needed[place] THEN
      -- Of what is left, a part: what others take meanwhile must not come to an end because of what nobody uses.
      amount_nanos := greatest(needed[place], least(wished[place], room / 8));
    ELSIF shortages[short] = clamp AND useful[place] > 0 AND useful[place] <= room THEN
      amount_nanos := greatest(useful[place], room / 2);
      short_period_id := ids[short];
    ELSE
      short_period_id := ids[short];
    END IF;

    IF amount_nanos IS NOT NULL THEN
      INSERT INTO leases (lease_id, organization_id, holder_id, period_ids, amount_nanos, held_nanos, expire_time)
        VALUES (lease_ids[place], organization, holder_ids[place], match_periods[first_match : match_index - 1], amount_nanos, amount_nanos, ends_at);
      FOR matched IN first_match .. match_index - 1 LOOP
        index := match_indexes[matched];
        rooms[index] := rooms[index] - amount_nanos; taken[index] := taken[index] + amount_nanos; counts[index] := counts[index] + 1;
      END LOOP;
    ELSIF short IS NOT NULL AND shortages[short] = wait AND can_wait[place] AND needed[place] <= most[short] THEN
      FOR matched IN first_match .. match_index - 1 LOOP
        IF rooms[match_indexes[matched]] IS NOT NULL THEN is_awaited[match_indexes[matched]] := true; END IF;
      END LOOP;
    END IF;
    RETURN NEXT;
  END LOOP;

  UPDATE budget_periods SET held_nanos = held_nanos + changes.taken, drawable_leases = drawable_leases + changes.leases
    FROM unnest(ids, taken, counts) AS changes (period_id, taken, leases) WHERE budget_periods.period_id = changes.period_id AND changes.leases > 0;
END
$$;

-- The room of a period as it is now, also where the statement that asks is what has changed it; of none, nothing is asked.
CREATE FUNCTION room_of(wanted bigint) RETURNS SETOF budget_rooms LANGUAGE plpgsql STRICT AS $$
BEGIN
  RETURN QUERY SELECT * FROM budget_rooms WHERE period_id = wanted;
END
$$;

-- Settles leases: what is returned of them, what attempts under them came to, and, with `closes`, that nothing more is to come. Each entry says
-- one of the first two of one lease; null says nothing. Returns how many of the leases there are.
CREATE FUNCTION settle_leases(settled_ids text[], owners text[], unspents bigint[], deltas bigint[], closes boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  settled bigint;
BEGIN
  -- In order: first leases, then periods.
  PERFORM FROM leases WHERE lease_id = ANY (settled_ids) ORDER BY lease_id FOR NO KEY UPDATE;
  PERFORM FROM budget_periods WHERE period_id = ANY (ARRAY(SELECT unnest(period_ids) FROM leases WHERE lease_id = ANY (settled_ids))) ORDER BY period_id FOR NO KEY UPDATE;
  WITH told AS (
    SELECT lease_id, max(unspent) AS unspent, coalesce(sum(delta), 0)::int8 AS delta
    FROM unnest(settled_ids, owners, unspents, deltas) AS entries (lease_id, owner, unspent, delta) JOIN leases USING (lease_id)
    -- Whoever returns a lease holds it, and what is posted is of its organization.
    WHERE owner IN (holder_id, organization_id)
    GROUP BY lease_id
  ), before AS (
    SELECT lease_id, period_ids, held_nanos, is_returned, delta, posted_nanos + delta AS posted,
           greatest(returned_nanos, least(coalesce(unspent, 0), amount_nanos)) AS returned, is_returned OR unspent IS NOT NULL OR closes AS returns, close_time IS NOT NULL OR closes AS is_closed
    FROM leases JOIN told USING (lease_id)
  ), after AS (
    UPDATE leases SET posted_nanos = before.posted, returned_nanos = before.returned, is_returned = before.returns,
           close_time = CASE WHEN before.is_closed THEN coalesce(leases.close_time, now()) END,
           held_nanos = CASE WHEN before.is_closed THEN 0 ELSE greatest(0, least(leases.amount_nanos - before.returned, leases.amount_nanos - before.returned - before.posted)) END
    FROM before WHERE leases.lease_id = before.lease_id
    RETURNING leases.period_ids, before.delta, leases.held_nanos - before.held_nanos AS held, CASE WHEN before.is_returned = leases.is_returned THEN 0 ELSE -1 END AS drawable
  ), changes AS (
    SELECT period_id, sum(delta)::int8 AS posted, sum(held)::int8 AS held, sum(drawable)::int4 AS drawable FROM after, unnest(period_ids) AS period_id GROUP BY period_id
  ), counted AS (
    UPDATE budget_periods SET posted_nanos = posted_nanos + changes.posted, held_nanos = held_nanos + changes.held, drawable_leases = drawable_leases + changes.drawable
    FROM changes WHERE budget_periods.period_id = changes.period_id
  )
  SELECT count(*) INTO settled FROM after;
  RETURN settled;
END
$$;

-- How far the ledger's postings are on these books. Whoever applies a batch moves the version on, so that of two who hold the same batch one fails.
CREATE TABLE posting_progress (
  version bigint NOT NULL,
  posting_ids bigint[] NOT NULL           -- of the batch applied last, to be confirmed with the next
);
INSERT INTO posting_progress VALUES (0, '{}');
