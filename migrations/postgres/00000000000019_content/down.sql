DROP TABLE contents;
DROP TABLE content_keys;
ALTER TABLE teams DROP COLUMN content_ttl_seconds;
