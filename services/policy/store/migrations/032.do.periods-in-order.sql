-- As before (011), but periods that are not there yet are begun in one order: two who began some of the same, each in an order of its own, waited for each other.
CREATE OR REPLACE FUNCTION periods_of_calls(organization text, call_keys text[], call_labels jsonb[]) RETURNS TABLE (place bigint, period_id bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY SELECT applied.place, coalesce(
    (SELECT periods.period_id FROM budget_periods AS periods
     WHERE periods.budget_id = (applied.budget).budget_id AND periods.label_value = applied.value AND periods.start_time <= now() AND periods.end_time > now()),
    ensure_period(applied.budget, applied.value))
  FROM (
    SELECT calls.place, budgets AS budget, label_values.value
    FROM unnest(call_keys, call_labels) WITH ORDINALITY AS calls (key_id, labels, place)
    JOIN keys ON keys.id = calls.key_id AND keys.organization_id = organization
    JOIN budgets ON budgets.organization_id = organization AND budgets.delete_time IS NULL
      AND (budgets.team_id IS NULL OR budgets.team_id = keys.team_id)
      AND (budgets.key_id IS NULL OR budgets.key_id = keys.id)
      AND (budgets.member_id IS NULL OR budgets.member_id = keys.member_id)
      AND (budgets.label_name IS NULL OR CASE budgets.label_value WHEN '*' THEN calls.labels ? budgets.label_name ELSE calls.labels ->> budgets.label_name = budgets.label_value END)
    CROSS JOIN LATERAL (SELECT CASE budgets.label_value WHEN '*' THEN calls.labels ->> budgets.label_name ELSE '' END AS value) AS label_values
    ORDER BY budgets.budget_id, label_values.value
  ) AS applied;
END
$$;
