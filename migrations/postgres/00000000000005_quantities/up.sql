-- Quantities that are counted apart become rows instead of columns, so that one more is no new column, and what
-- is written to a cache is told apart by how long it stays there.

-- Why the provider's counts are not beyond doubt; NULL where they are.
ALTER TABLE usage_attempts ADD COLUMN doubt TEXT COLLATE "C";

UPDATE usage_attempts SET quantities = replace(quantities, '"cache_write":', '"cache_write_5m":')
WHERE quantities LIKE '%"cache_write":%';

-- `measure` is `attempts`, `failed` or a quantity.
CREATE TABLE usage_hour_sums (
    hour BIGINT NOT NULL,
    context_id TEXT COLLATE "C" NOT NULL,
    measure TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (hour, context_id, measure)
);

INSERT INTO usage_hour_sums SELECT hour, context_id, 'attempts', attempts FROM usage_hours WHERE attempts > 0;
INSERT INTO usage_hour_sums SELECT hour, context_id, 'failed', failed FROM usage_hours WHERE failed > 0;
INSERT INTO usage_hour_sums SELECT hour, context_id, 'input', input FROM usage_hours WHERE input > 0;
INSERT INTO usage_hour_sums SELECT hour, context_id, 'cache_read', cache_read FROM usage_hours WHERE cache_read > 0;
INSERT INTO usage_hour_sums SELECT hour, context_id, 'cache_write_5m', cache_write FROM usage_hours WHERE cache_write > 0;
INSERT INTO usage_hour_sums SELECT hour, context_id, 'output', output FROM usage_hours WHERE output > 0;
INSERT INTO usage_hour_sums SELECT hour, context_id, 'reasoning', reasoning FROM usage_hours WHERE reasoning > 0;
INSERT INTO usage_hour_sums SELECT hour, context_id, 'audio_in', audio_in FROM usage_hours WHERE audio_in > 0;
INSERT INTO usage_hour_sums SELECT hour, context_id, 'audio_out', audio_out FROM usage_hours WHERE audio_out > 0;

DROP TABLE usage_hours;
ALTER TABLE usage_hour_sums RENAME TO usage_hours;
