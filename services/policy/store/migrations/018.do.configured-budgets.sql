-- Budgets of the configuration file: changed and ended there alone.
ALTER TABLE budgets ADD COLUMN is_configured boolean NOT NULL DEFAULT false;
