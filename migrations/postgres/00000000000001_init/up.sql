-- The first world: who calls, what is offered, what was used.
-- Ids are UUIDv7 text made by the program, times are Unix milliseconds, JSON and enums are text:
-- the subset PostgreSQL shares with SQLite. Text is compared byte by byte, as SQLite does it.

CREATE TABLE teams (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- A key is known by its token's `jti`; the token itself is stored nowhere.
CREATE TABLE keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    team_id TEXT COLLATE "C" REFERENCES teams (id),
    level TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    token_last_four TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

CREATE TABLE service_providers (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    kind TEXT COLLATE "C" NOT NULL,
    endpoint TEXT COLLATE "C" NOT NULL,
    api_key_sealed TEXT COLLATE "C",
    weight BIGINT NOT NULL,
    rate_limit BIGINT,
    allow_private_network BOOLEAN NOT NULL,
    is_active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- `cost_multiplier_ppm`: 1 000 000 is 1.0.
CREATE TABLE model_routes (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    model_alias TEXT COLLATE "C" NOT NULL,
    provider_id TEXT COLLATE "C" NOT NULL REFERENCES service_providers (id),
    real_model_name TEXT COLLATE "C" NOT NULL,
    cost_multiplier_ppm BIGINT NOT NULL DEFAULT 1000000,
    rate_limit BIGINT,
    region_weights TEXT COLLATE "C",
    is_active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (model_alias, provider_id, real_model_name)
);

-- No foreign keys: a booking stands whatever became of its key or provider. The key is a UUID of version 7,
-- so it sorts by time and serves as the index by time.
CREATE TABLE usage_records (
    attempt_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    request_id TEXT COLLATE "C" NOT NULL,
    attempt_number BIGINT NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C",
    operation TEXT COLLATE "C" NOT NULL,
    model_alias TEXT COLLATE "C" NOT NULL,
    provider_id TEXT COLLATE "C" NOT NULL,
    provider_name TEXT COLLATE "C" NOT NULL,
    real_model_name TEXT COLLATE "C" NOT NULL,
    is_stream BOOLEAN NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    fault_class TEXT COLLATE "C",
    status BIGINT NOT NULL,
    input BIGINT NOT NULL,
    cache_read BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    audio_in BIGINT NOT NULL,
    audio_out BIGINT NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    raw_usage TEXT COLLATE "C",
    provider_request_id TEXT COLLATE "C",
    started_at BIGINT NOT NULL,
    first_token_us BIGINT,
    duration_us BIGINT NOT NULL
);

CREATE TABLE settings (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

-- One row. Every change to the world moves it on in the same transaction, whoever makes the change.
CREATE TABLE world_revision (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL
);

INSERT INTO world_revision (id, revision) VALUES (1, 1);

CREATE FUNCTION move_the_world() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE world_revision SET revision = revision + 1;
    RETURN NULL;
END $$;

CREATE TRIGGER teams_move_the_world AFTER INSERT OR UPDATE OR DELETE ON teams
FOR EACH ROW EXECUTE FUNCTION move_the_world();

CREATE TRIGGER keys_move_the_world AFTER INSERT OR UPDATE OR DELETE ON keys
FOR EACH ROW EXECUTE FUNCTION move_the_world();

CREATE TRIGGER service_providers_move_the_world AFTER INSERT OR UPDATE OR DELETE ON service_providers
FOR EACH ROW EXECUTE FUNCTION move_the_world();

CREATE TRIGGER model_routes_move_the_world AFTER INSERT OR UPDATE OR DELETE ON model_routes
FOR EACH ROW EXECUTE FUNCTION move_the_world();
