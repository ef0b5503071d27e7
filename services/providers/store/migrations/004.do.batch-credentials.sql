-- Whose credential made the batch, and finds it again at the vendor: an organization's, or (empty) the installation's.
ALTER TABLE batches ADD COLUMN credential_organization_id text COLLATE "C" NOT NULL DEFAULT '';
