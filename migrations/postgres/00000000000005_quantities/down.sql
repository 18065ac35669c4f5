-- What the older program does not know is added to its next of kin or left out; the attempts' own quantities
-- keep their words.

CREATE TABLE usage_hour_columns (
    hour BIGINT NOT NULL,
    context_id TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    input BIGINT NOT NULL,
    cache_read BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    audio_in BIGINT NOT NULL,
    audio_out BIGINT NOT NULL,
    PRIMARY KEY (hour, context_id)
);

INSERT INTO usage_hour_columns
SELECT hour, context_id,
    sum(CASE WHEN measure = 'attempts' THEN amount ELSE 0 END),
    sum(CASE WHEN measure = 'failed' THEN amount ELSE 0 END),
    sum(CASE WHEN measure IN ('input', 'image_in') THEN amount ELSE 0 END),
    sum(CASE WHEN measure = 'cache_read' THEN amount ELSE 0 END),
    sum(CASE WHEN measure IN ('cache_write_5m', 'cache_write_1h') THEN amount ELSE 0 END),
    sum(CASE WHEN measure IN ('output', 'image_out') THEN amount ELSE 0 END),
    sum(CASE WHEN measure = 'reasoning' THEN amount ELSE 0 END),
    sum(CASE WHEN measure IN ('audio_in', 'audio_cache_read') THEN amount ELSE 0 END),
    sum(CASE WHEN measure = 'audio_out' THEN amount ELSE 0 END)
FROM usage_hours
GROUP BY hour, context_id;

DROP TABLE usage_hours;
ALTER TABLE usage_hour_columns RENAME TO usage_hours;

UPDATE usage_attempts SET quantities = replace(quantities, '"cache_write_5m":', '"cache_write":')
WHERE quantities LIKE '%"cache_write_5m":%';

ALTER TABLE usage_attempts DROP COLUMN doubt;
