-- Guardrails made by RPC, and word to routing of changed rules of whatever kind.

CREATE TABLE guardrails (
  id text COLLATE "C" PRIMARY KEY,
  -- Empty: of all organizations.
  organization_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  -- A weir.policy.v1.GuardrailRule as JSON.
  rule jsonb NOT NULL,
  create_time timestamptz NOT NULL,
  -- Stays when the guardrail is gone, so that a repeated call is answered alike.
  delete_time timestamptz
);

CREATE UNIQUE INDEX guardrails_by_name ON guardrails (organization_id, name) WHERE delete_time IS NULL;

CREATE FUNCTION announce_rule_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('weir_policy_rules', TG_TABLE_NAME);
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_rule_change AFTER INSERT OR UPDATE OR DELETE ON guardrails FOR EACH STATEMENT EXECUTE FUNCTION announce_rule_change();
