-- Whether a team's keys may ask providers for what stands at paths of their own.
ALTER TABLE teams ADD COLUMN raw_relay BOOLEAN NOT NULL DEFAULT FALSE;
