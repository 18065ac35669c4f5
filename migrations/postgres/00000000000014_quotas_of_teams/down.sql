DROP INDEX quotas_by_team;
ALTER TABLE quotas DROP COLUMN is_own;
ALTER TABLE quotas DROP COLUMN team_id;
