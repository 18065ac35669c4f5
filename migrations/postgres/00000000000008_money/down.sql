DROP TABLE quotas;
DROP TABLE prices;
DELETE FROM usage_hours WHERE measure IN ('charged_nano_usd', 'absorbed_nano_usd', 'unpriced');
ALTER TABLE usage_attempts DROP COLUMN bearer;
ALTER TABLE usage_attempts DROP COLUMN service_tier;
ALTER TABLE usage_attempts DROP COLUMN price_rule;
ALTER TABLE usage_attempts DROP COLUMN pricing;
ALTER TABLE usage_attempts DROP COLUMN cost_nano_usd;
