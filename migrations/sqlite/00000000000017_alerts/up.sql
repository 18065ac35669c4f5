-- Alerts, and the webhooks they are sent to.

-- `kinds` are the kinds of alerts wanted, with commas in between; empty: all. With a team, that team's alone.
CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    team_id TEXT REFERENCES teams (id),
    kinds TEXT NOT NULL,
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
    id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    team_id TEXT,
    summary TEXT NOT NULL,
    evidence TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,
    acknowledged_at BIGINT,
    acknowledged_by TEXT,
    version BIGINT NOT NULL
);

CREATE INDEX alerts_by_time ON alerts (at, id);

-- The outbox: what is to be sent, is being tried, and was.
CREATE TABLE webhook_deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    last_status BIGINT,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (webhook_id, created_at, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (state, next_at);
