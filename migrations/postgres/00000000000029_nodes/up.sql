-- The nodes there are, by what each says of itself. `has_leased`: it may have a part of a shared limit.
CREATE TABLE nodes (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    zone TEXT COLLATE "C",
    version TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    in_flight BIGINT NOT NULL,
    has_leased BOOLEAN NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

-- Who does what only one node at a time does. `token` rises whenever another node takes over, so that whoever had it
-- before can be told from whoever has it.
CREATE TABLE job_leases (
    job TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    node_id TEXT COLLATE "C" NOT NULL,
    token BIGINT NOT NULL,
    until BIGINT NOT NULL
);
