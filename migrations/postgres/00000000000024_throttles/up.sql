-- What its key is held to because of an anomaly, and until when; who ended it before its time.
ALTER TABLE anomalies ADD COLUMN throttle_requests BIGINT;
ALTER TABLE anomalies ADD COLUMN throttle_until BIGINT;
ALTER TABLE anomalies ADD COLUMN throttle_lifted_by TEXT COLLATE "C";

CREATE INDEX anomalies_by_throttle ON anomalies (throttle_until) WHERE throttle_until IS NOT NULL;

CREATE TRIGGER anomalies_throttle_moves_the_world AFTER UPDATE OF throttle_until ON anomalies
FOR EACH ROW EXECUTE FUNCTION move_the_world();

-- What is done about a team's keys of which something looks wrong, as JSON; NULL: nothing.
ALTER TABLE teams ADD COLUMN throttle TEXT COLLATE "C";
