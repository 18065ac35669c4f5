-- Of several quotas of one name all but the first are given their id behind it.
DROP INDEX quotas_of_no_team_by_name;
DROP INDEX quotas_of_a_team_by_name;

UPDATE quotas SET name = name || ' ' || id
WHERE EXISTS (SELECT 1 FROM quotas AS earlier WHERE earlier.name = quotas.name AND earlier.id < quotas.id);

ALTER TABLE quotas ADD CONSTRAINT quotas_name_key UNIQUE (name);
