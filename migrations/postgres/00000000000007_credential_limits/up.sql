-- Requests a minute with one credential.

ALTER TABLE provider_credentials ADD COLUMN rate_limit BIGINT;
