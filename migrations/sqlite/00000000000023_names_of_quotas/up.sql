-- A quota's name is its own within its team, and among those that are no team's; before, it was over all teams.
CREATE TABLE quotas_of_teams (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_value TEXT,
    measure TEXT NOT NULL,
    window_kind TEXT NOT NULL,
    utc_offset_minutes BIGINT NOT NULL,
    rolling_ms BIGINT,
    limit_amount BIGINT NOT NULL,
    mode TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    team_id TEXT,
    is_own BOOLEAN NOT NULL DEFAULT 0,
    time_zone TEXT
);

INSERT INTO quotas_of_teams
SELECT id, name, subject_kind, subject_value, measure, window_kind, utc_offset_minutes, rolling_ms, limit_amount, mode,
       created_at, updated_at, version, team_id, is_own, time_zone
FROM quotas;

DROP TABLE quotas;
ALTER TABLE quotas_of_teams RENAME TO quotas;

CREATE UNIQUE INDEX quotas_of_a_team_by_name ON quotas (team_id, name) WHERE team_id IS NOT NULL;
CREATE UNIQUE INDEX quotas_of_no_team_by_name ON quotas (name) WHERE team_id IS NULL;
CREATE INDEX quotas_by_team ON quotas (team_id, created_at, id);

CREATE TRIGGER quotas_insert_moves_the_world AFTER INSERT ON quotas
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER quotas_update_moves_the_world AFTER UPDATE ON quotas
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER quotas_delete_moves_the_world AFTER DELETE ON quotas
BEGIN UPDATE world_revision SET revision = revision + 1; END;
