-- Credentials for vendors. A secret is encrypted under a data key of its own, and that one is wrapped under the installation's key.

CREATE TABLE credentials (
  id text COLLATE "C" PRIMARY KEY,
  provider text COLLATE "C" NOT NULL,
  name text NOT NULL,
  weight integer NOT NULL CHECK (weight > 0),
  is_enabled boolean NOT NULL,
  secret bytea NOT NULL,
  -- The last characters of the secret, for people; empty of a short one.
  hint text NOT NULL,
  -- A keyed digest of the secret, by which the same one is known again.
  fingerprint text NOT NULL,
  -- The secret before, while a rotation overlaps.
  former_secret bytea,
  former_expire_time timestamptz,
  create_time timestamptz NOT NULL,
  -- When the vendor refused it, unless it has taken it since.
  refuse_time timestamptz,
  -- The request that made it, and the one that rotated it last.
  create_request_id text UNIQUE,
  rotate_request_id text,
  UNIQUE (provider, fingerprint),
  CHECK ((former_secret IS NULL) = (former_expire_time IS NULL))
);

CREATE FUNCTION announce_credentials() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NOTIFY weir_providers_credentials;
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_credentials AFTER INSERT OR UPDATE OR DELETE ON credentials
  FOR EACH STATEMENT EXECUTE FUNCTION announce_credentials();
