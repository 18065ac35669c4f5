DROP TABLE usage_balances;
DROP TABLE usage_archives;
DROP INDEX usage_attempts_again;
ALTER TABLE usage_attempts DROP COLUMN trace;
