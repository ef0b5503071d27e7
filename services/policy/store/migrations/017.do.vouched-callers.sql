-- Keys of callers for whom others vouch: known by their name there, and without a secret.

ALTER TABLE keys
  ALTER COLUMN secret_digest DROP NOT NULL,
  ADD COLUMN issuer text COLLATE "C",
  ADD COLUMN subject text COLLATE "C",
  ADD CHECK ((issuer IS NULL) = (subject IS NULL)),
  ADD CHECK ((secret_digest IS NULL) = (issuer IS NOT NULL));

CREATE UNIQUE INDEX keys_by_subject ON keys (issuer, subject, team_id) WHERE issuer IS NOT NULL;
