-- what an earlier program cannot read
DELETE FROM quotas WHERE subject_kind IN ('user', 'tag');
ALTER TABLE quotas DROP COLUMN time_zone;
