-- What requests and their answers said, of teams that want it kept.

-- For how long; none: nothing of it is kept.
ALTER TABLE teams ADD COLUMN content_ttl_seconds BIGINT;

-- What a team's content is sealed under, itself sealed under a data key. A key that is destroyed leaves its row until
-- nothing that was sealed under it is left. No foreign key: the row outlives the team.
CREATE TABLE content_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    team_id TEXT COLLATE "C" NOT NULL,
    key_sealed TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    destroyed_at BIGINT,
    CHECK ((key_sealed IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE UNIQUE INDEX content_keys_of_teams ON content_keys (team_id) WHERE destroyed_at IS NULL;

-- `bytes` is how much was said, `is_cut` whether it is not all there.
CREATE TABLE contents (
    request_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    key_id TEXT COLLATE "C" NOT NULL REFERENCES content_keys (id),
    at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    is_cut BOOLEAN NOT NULL,
    sealed BYTEA NOT NULL
);

CREATE INDEX contents_by_key ON contents (key_id, at);
