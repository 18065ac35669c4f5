ALTER TABLE teams DROP COLUMN raw_relay;
