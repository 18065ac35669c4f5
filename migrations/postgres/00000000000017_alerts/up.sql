-- Alerts, and the webhooks they are sent to.

-- `kinds` are the kinds of alerts wanted, with commas in between; empty: all. With a team, that team's alone.
CREATE TABLE webhooks (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    url TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C" REFERENCES teams (id),
    kinds TEXT COLLATE "C" NOT NULL,
    allow_private_network BOOLEAN NOT NULL,
    is_active BOOLEAN NOT NULL,
    generation BIGINT NOT NULL,
    rotated_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- What is told twice has the same `fingerprint` and is one row.
CREATE TABLE alerts (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C",
    summary TEXT COLLATE "C" NOT NULL,
    evidence TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL UNIQUE,
    acknowledged_at BIGINT,
    acknowledged_by TEXT COLLATE "C",
    version BIGINT NOT NULL
);

CREATE INDEX alerts_by_time ON alerts (at, id);

-- The outbox: what is to be sent, is being tried, and was.
CREATE TABLE webhook_deliveries (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    webhook_id TEXT COLLATE "C" NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    kind TEXT COLLATE "C" NOT NULL,
    payload TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    last_status BIGINT,
    last_error TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (webhook_id, created_at, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (state, next_at);
