-- The nodes there are, by what each says of itself. `has_leased`: it may have a part of a shared limit.
CREATE TABLE nodes (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    zone TEXT,
    version TEXT NOT NULL,
    revision BIGINT NOT NULL,
    in_flight BIGINT NOT NULL,
    has_leased BOOLEAN NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
) WITHOUT ROWID;

-- Who does what only one node at a time does. `token` rises whenever another node takes over, so that whoever had it
-- before can be told from whoever has it.
CREATE TABLE job_leases (
    job TEXT NOT NULL PRIMARY KEY,
    node_id TEXT NOT NULL,
    token BIGINT NOT NULL,
    until BIGINT NOT NULL
) WITHOUT ROWID;
