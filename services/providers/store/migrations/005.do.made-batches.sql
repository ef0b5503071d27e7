-- Batches of vendors that repeat nothing of a request: whose such a one is stands here alone, by the id that the vendor gave it.

-- Empty until the vendor has said it, and of batches that bear the attempt's id there.
ALTER TABLE batches ADD COLUMN vendor_id text COLLATE "C" NOT NULL DEFAULT '';

CREATE TABLE made_batches (
  provider text COLLATE "C" NOT NULL,
  -- In whose account it lies: an organization's, or (empty) the installation's.
  credential_organization_id text COLLATE "C" NOT NULL,
  vendor_id text COLLATE "C" NOT NULL,
  -- Whose it is.
  organization_id text COLLATE "C" NOT NULL,
  make_time timestamptz NOT NULL,
  PRIMARY KEY (provider, credential_organization_id, vendor_id)
);

CREATE INDEX batches_by_vendor_id ON batches (vendor_id) WHERE vendor_id <> '';
CREATE INDEX made_batches_by_organization ON made_batches (organization_id, provider, credential_organization_id, make_time);
CREATE INDEX made_batches_by_make_time ON made_batches (make_time);
