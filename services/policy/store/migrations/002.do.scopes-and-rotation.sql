-- Keys with bounds on their use, an end, and a second secret while they are rotated.

ALTER TABLE keys
  -- A weir.policy.v1.Scope as JSON.
  ADD COLUMN scope jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN expire_time timestamptz,
  ADD COLUMN previous_secret_digest bytea UNIQUE CHECK (octet_length(previous_secret_digest) = 32),
  ADD COLUMN previous_secret_expire_time timestamptz,
  ADD CHECK ((previous_secret_digest IS NULL) = (previous_secret_expire_time IS NULL));

UPDATE keys SET scope = jsonb_build_object('models', to_jsonb(allowed_models)) WHERE cardinality(allowed_models) > 0;

ALTER TABLE keys DROP COLUMN allowed_models;

-- Beside the keys, so that noting a use announces no change of a grant.
CREATE TABLE key_uses (
  key_id text COLLATE "C" PRIMARY KEY REFERENCES keys (id),
  last_use_time timestamptz NOT NULL
);
