-- Tenancy: organization, team, key. Ids and names collate "C", so that pages walk the same order on every machine, for good.

CREATE TABLE organizations (
  id text COLLATE "C" PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  create_time timestamptz NOT NULL
);

CREATE TABLE teams (
  id text COLLATE "C" PRIMARY KEY,
  organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
  name text COLLATE "C" NOT NULL,
  create_time timestamptz NOT NULL,
  UNIQUE (organization_id, name),
  -- Lets a key refer to its team and organization as one, so that the two cannot disagree.
  UNIQUE (organization_id, id)
);

CREATE INDEX teams_by_name ON teams (name, id);

CREATE TABLE keys (
  id text COLLATE "C" PRIMARY KEY,
  organization_id text COLLATE "C" NOT NULL,
  team_id text COLLATE "C" NOT NULL,
  name text NOT NULL,
  secret_prefix text NOT NULL,
  secret_digest bytea NOT NULL UNIQUE CHECK (octet_length(secret_digest) = 32),
  -- A weir.policy.v1.KeyRole.
  role smallint NOT NULL,
  allowed_models text[] NOT NULL,
  labels jsonb NOT NULL,
  create_time timestamptz NOT NULL,
  revoke_time timestamptz,
  FOREIGN KEY (organization_id, team_id) REFERENCES teams (organization_id, id)
);

CREATE INDEX keys_by_organization ON keys (organization_id, id);
CREATE INDEX keys_by_team ON keys (team_id, id);

-- Whoever changes a key, by whatever way, tells all watchers when the change commits.
CREATE FUNCTION announce_grant_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('weir_policy_grants', NEW.id);
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_grant_change AFTER INSERT OR UPDATE ON keys
  FOR EACH ROW EXECUTE FUNCTION announce_grant_change();

-- What was answered under a request id: the same id again means the same call again.
CREATE TABLE answered_requests (
  method text NOT NULL,
  request_id text NOT NULL,
  input_digest bytea NOT NULL,
  result_id text NOT NULL,
  answer_time timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (method, request_id)
);

CREATE INDEX answered_requests_by_age ON answered_requests (answer_time);
