-- Sessions at the console. Those that are over are deleted, by the next sign-in at the latest: who came and went stands in the audit log.

CREATE TABLE sessions (
  id text COLLATE "C" PRIMARY KEY,
  secret_digest bytea NOT NULL UNIQUE,
  key_id text COLLATE "C" NOT NULL REFERENCES keys (id),
  -- Of the key's secret with which it was opened, and ends; null of a person for whom an issuer vouches.
  key_secret_digest bytea,
  -- What the issuer said of the person, by which the rules say at each call what the person may do; null of the holder of a key.
  claims jsonb,
  create_time timestamptz NOT NULL,
  use_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  CHECK ((key_secret_digest IS NULL) <> (claims IS NULL))
);

CREATE INDEX sessions_by_key ON sessions (key_id, use_time);
