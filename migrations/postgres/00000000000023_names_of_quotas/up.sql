-- A quota's name is its own within its team, and among those that are no team's; before, it was over all teams.
ALTER TABLE quotas DROP CONSTRAINT quotas_name_key;

CREATE UNIQUE INDEX quotas_of_a_team_by_name ON quotas (team_id, name) WHERE team_id IS NOT NULL;
CREATE UNIQUE INDEX quotas_of_no_team_by_name ON quotas (name) WHERE team_id IS NULL;
