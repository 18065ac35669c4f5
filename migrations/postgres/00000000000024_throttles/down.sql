ALTER TABLE teams DROP COLUMN throttle;

DROP TRIGGER anomalies_throttle_moves_the_world ON anomalies;
DROP INDEX anomalies_by_throttle;
ALTER TABLE anomalies DROP COLUMN throttle_lifted_by;
ALTER TABLE anomalies DROP COLUMN throttle_until;
ALTER TABLE anomalies DROP COLUMN throttle_requests;
