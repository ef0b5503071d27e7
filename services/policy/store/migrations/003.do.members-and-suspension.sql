-- Members with roles, keys of members, and organizations and teams that are suspended.

CREATE TABLE members (
  id text COLLATE "C" PRIMARY KEY,
  organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
  email text COLLATE "C" NOT NULL,
  -- A weir.policy.v1.Role.
  role smallint NOT NULL,
  create_time timestamptz NOT NULL,
  -- Stays when the member is gone, because keys refer to it.
  delete_time timestamptz,
  -- Lets a key refer to its member and organization as one.
  UNIQUE (organization_id, id)
);

CREATE UNIQUE INDEX members_by_email ON members (organization_id, email) WHERE delete_time IS NULL;
CREATE INDEX members_in_order ON members (email, id) WHERE delete_time IS NULL;

ALTER TABLE keys
  ADD COLUMN member_id text COLLATE "C",
  ADD FOREIGN KEY (organization_id, member_id) REFERENCES members (organization_id, id);
CREATE INDEX keys_by_member ON keys (member_id) WHERE member_id IS NOT NULL;

ALTER TABLE organizations ADD COLUMN suspend_time timestamptz;
ALTER TABLE teams ADD COLUMN suspend_time timestamptz;

-- A grant is made of more than its key: whoever changes the rest tells of every key it is of.
CREATE FUNCTION announce_grant_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('weir_policy_grants', id) FROM keys
    WHERE CASE TG_TABLE_NAME WHEN 'organizations' THEN organization_id = NEW.id WHEN 'teams' THEN team_id = NEW.id ELSE member_id = NEW.id END;
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_grant_changes AFTER UPDATE OF suspend_time ON organizations FOR EACH ROW EXECUTE FUNCTION announce_grant_changes();
CREATE TRIGGER announce_grant_changes AFTER UPDATE OF suspend_time ON teams FOR EACH ROW EXECUTE FUNCTION announce_grant_changes();
CREATE TRIGGER announce_grant_changes AFTER UPDATE OF role ON members FOR EACH ROW EXECUTE FUNCTION announce_grant_changes();

-- Two organizations may choose the same request id, and learn nothing of each other by it. Empty: of nobody's organization.
ALTER TABLE answered_requests
  ADD COLUMN organization_id text NOT NULL DEFAULT '',
  DROP CONSTRAINT answered_requests_pkey,
  ADD PRIMARY KEY (organization_id, method, request_id);
