-- The calendar a quota goes by, as IANA names it; none: that of `utc_offset_minutes`.
ALTER TABLE quotas ADD COLUMN time_zone TEXT COLLATE "C";
