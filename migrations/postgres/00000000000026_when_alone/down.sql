ALTER TABLE quotas DROP COLUMN when_alone;
