-- What is usual of keys and teams, so that a restart need not learn it anew. `watched` is `key:` or `team:` and an id;
-- `team_id` is the key's. `state` is the program's own.
CREATE TABLE usage_baselines (
    watched TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    team_id TEXT COLLATE "C",
    seen_at BIGINT NOT NULL,
    state BYTEA NOT NULL
);
