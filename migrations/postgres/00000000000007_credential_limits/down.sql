ALTER TABLE provider_credentials DROP COLUMN rate_limit;
