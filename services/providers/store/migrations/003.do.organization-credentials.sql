-- Credentials that an organization has brought, and the data keys under which the secrets of each owner are encrypted.

-- Empty when it is the installation's.
ALTER TABLE credentials ADD COLUMN organization_id text COLLATE "C" NOT NULL DEFAULT '';

-- What one organization stored, and under which request id, is not to be learnt by another.
ALTER TABLE credentials DROP CONSTRAINT credentials_provider_fingerprint_key, ADD UNIQUE (organization_id, provider, fingerprint);
ALTER TABLE credentials DROP CONSTRAINT credentials_create_request_id_key, ADD UNIQUE (organization_id, create_request_id);

CREATE TABLE data_keys (
  -- Empty for the installation's.
  organization_id text COLLATE "C" PRIMARY KEY,
  -- Wrapped under the installation's key.
  wrapped bytea NOT NULL
);
