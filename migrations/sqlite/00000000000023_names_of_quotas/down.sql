-- Of several quotas of one name all but the first are given their id behind it.
CREATE TABLE quotas_of_all (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
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

INSERT INTO quotas_of_all
SELECT id, CASE WHEN EXISTS (SELECT 1 FROM quotas AS earlier WHERE earlier.name = quotas.name AND earlier.id < quotas.id)
       THEN name || ' ' || id ELSE name END, subject_kind, subject_value, measure, window_kind, utc_offset_minutes, rolling_ms, limit_amount, mode,
       created_at, updated_at, version, team_id, is_own, time_zone
FROM quotas;

DROP TABLE quotas;
ALTER TABLE quotas_of_all RENAME TO quotas;

CREATE INDEX quotas_by_team ON quotas (team_id, created_at, id);

CREATE TRIGGER quotas_insert_moves_the_world AFTER INSERT ON quotas
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER quotas_update_moves_the_world AFTER UPDATE ON quotas
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER quotas_delete_moves_the_world AFTER DELETE ON quotas
BEGIN UPDATE world_revision SET revision = revision + 1; END;
