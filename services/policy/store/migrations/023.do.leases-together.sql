-- As before (011), but all leases of a statement are written at once (one by one, they took a third of the time of a long one),
-- and a call that waits holds up only the budgets that it waits for: it held up all that apply to it, with those of everybody.

CREATE OR REPLACE FUNCTION acquire_leases(organization text, life interval, lease_ids text[], holder_ids text[], call_keys text[], call_labels jsonb[], needed bigint[], useful bigint[], wished bigint[], can_wait boolean[])
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
  granted_places integer[]; granted_amounts bigint[]; granted_ends timestamptz[]; granted_firsts integer[]; granted_lasts integer[];
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
      granted_places := granted_places || turn; granted_amounts := granted_amounts || amount_nanos; granted_ends := granted_ends || ends_at;
      granted_firsts := granted_firsts || first_match; granted_lasts := granted_lasts || match_index - 1;
      FOR matched IN first_match .. match_index - 1 LOOP
        index := match_indexes[matched];
        rooms[index] := rooms[index] - amount_nanos; taken[index] := taken[index] + amount_nanos; counts[index] := counts[index] + 1;
      END LOOP;
    ELSIF short IS NOT NULL AND shortages[short] = wait AND can_wait[place] AND needed[place] <= most[short] THEN
      -- Those that have room for it are free for others: what it waits for is in none of them.
      FOR matched IN first_match .. match_index - 1 LOOP
        index := match_indexes[matched];
        IF rooms[index] < needed[place] AND shortages[index] = wait THEN is_awaited[index] := true; END IF;
      END LOOP;
    END IF;
    RETURN NEXT;
  END LOOP;

  INSERT INTO leases (lease_id, organization_id, holder_id, period_ids, amount_nanos, held_nanos, expire_time)
    SELECT lease_ids[granted.place], organization, holder_ids[granted.place], match_periods[granted.first : granted.last], granted.amount, granted.amount, granted.ends
    FROM unnest(granted_places, granted_amounts, granted_ends, granted_firsts, granted_lasts) AS granted (place, amount, ends, first, last);
  UPDATE budget_periods SET held_nanos = held_nanos + changes.taken, drawable_leases = drawable_leases + changes.leases
    FROM unnest(ids, taken, counts) AS changes (period_id, taken, leases) WHERE budget_periods.period_id = changes.period_id AND changes.leases > 0;
END
$$;
