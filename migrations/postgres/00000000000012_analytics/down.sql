-- Contexts that differ in their status stay apart; that changes no sum.

DROP TABLE usage_label_days;
DROP TABLE usage_days;

DELETE FROM usage_hours
WHERE measure = 'requests' OR measure LIKE 'latency\_%' ESCAPE '\' OR measure LIKE 'first\_token\_%' ESCAPE '\';

ALTER TABLE usage_attempts DROP COLUMN tags;
ALTER TABLE usage_attempts DROP COLUMN end_user;
ALTER TABLE usage_attempts DROP COLUMN multiplier_ppm;
ALTER TABLE usage_attempts DROP COLUMN region;
ALTER TABLE usage_contexts DROP COLUMN status;
