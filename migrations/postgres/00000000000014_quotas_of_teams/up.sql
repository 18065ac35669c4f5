-- `team_id` is whose use a quota bounds, as far as that is one team's; `is_own` says that the team set it itself.
ALTER TABLE quotas ADD COLUMN team_id TEXT COLLATE "C";
ALTER TABLE quotas ADD COLUMN is_own BOOLEAN NOT NULL DEFAULT FALSE;

UPDATE quotas SET team_id = subject_value WHERE subject_kind = 'team';
UPDATE quotas SET team_id = (SELECT keys.team_id FROM keys WHERE keys.id = subject_value) WHERE subject_kind = 'key';

CREATE INDEX quotas_by_team ON quotas (team_id, created_at, id);
