-- The first world: who calls, what is offered, what was used.
-- Ids are UUIDv7 text made by the program, times are Unix milliseconds, JSON and enums are text:
-- the subset SQLite shares with PostgreSQL.

CREATE TABLE teams (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- A key is known by its token's `jti`; the token itself is stored nowhere.
CREATE TABLE keys (
    id TEXT NOT NULL PRIMARY KEY,
    team_id TEXT REFERENCES teams (id),
    level TEXT NOT NULL,
    name TEXT NOT NULL,
    token_last_four TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

CREATE TABLE service_providers (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    api_key_sealed TEXT,
    weight BIGINT NOT NULL,
    rate_limit BIGINT,
    allow_private_network BOOLEAN NOT NULL,
    is_active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- `cost_multiplier_ppm`: 1 000 000 is 1.0.
CREATE TABLE model_routes (
    id TEXT NOT NULL PRIMARY KEY,
    model_alias TEXT NOT NULL,
    provider_id TEXT NOT NULL REFERENCES service_providers (id),
    real_model_name TEXT NOT NULL,
    cost_multiplier_ppm BIGINT NOT NULL DEFAULT 1000000,
    rate_limit BIGINT,
    region_weights TEXT,
    is_active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (model_alias, provider_id, real_model_name)
);

-- No foreign keys: a booking stands whatever became of its key or provider. The key is a UUID of version 7,
-- so it sorts by time and serves as the index by time; without a rowid a booking is one entry in one tree.
CREATE TABLE usage_records (
    attempt_id TEXT NOT NULL PRIMARY KEY,
    request_id TEXT NOT NULL,
    attempt_number BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    team_id TEXT,
    operation TEXT NOT NULL,
    model_alias TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    provider_name TEXT NOT NULL,
    real_model_name TEXT NOT NULL,
    is_stream BOOLEAN NOT NULL,
    outcome TEXT NOT NULL,
    fault_class TEXT,
    status BIGINT NOT NULL,
    input BIGINT NOT NULL,
    cache_read BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    audio_in BIGINT NOT NULL,
    audio_out BIGINT NOT NULL,
    source TEXT NOT NULL,
    raw_usage TEXT,
    provider_request_id TEXT,
    started_at BIGINT NOT NULL,
    first_token_us BIGINT,
    duration_us BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row. Every change to the world moves it on in the same transaction, whoever makes the change.
CREATE TABLE world_revision (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL
);

INSERT INTO world_revision (id, revision) VALUES (1, 1);

CREATE TRIGGER teams_insert_moves_the_world AFTER INSERT ON teams
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER teams_update_moves_the_world AFTER UPDATE ON teams
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER teams_delete_moves_the_world AFTER DELETE ON teams
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER keys_insert_moves_the_world AFTER INSERT ON keys
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER keys_update_moves_the_world AFTER UPDATE ON keys
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER keys_delete_moves_the_world AFTER DELETE ON keys
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER service_providers_insert_moves_the_world AFTER INSERT ON service_providers
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER service_providers_update_moves_the_world AFTER UPDATE ON service_providers
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER service_providers_delete_moves_the_world AFTER DELETE ON service_providers
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER model_routes_insert_moves_the_world AFTER INSERT ON model_routes
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER model_routes_update_moves_the_world AFTER UPDATE ON model_routes
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER model_routes_delete_moves_the_world AFTER DELETE ON model_routes
BEGIN UPDATE world_revision SET revision = revision + 1; END;
