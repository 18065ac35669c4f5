-- Who may do what: scopes and roles of teams and keys, people and their sign-ins, several credentials a
-- provider. `version` goes up with every change somebody makes; it is what an `If-Match` is compared with.
-- A scope is an object of lists, `{"models":["gpt-*"]}`; an absent list sets no bound.

ALTER TABLE teams ADD COLUMN scope TEXT COLLATE "C" NOT NULL DEFAULT '{}';
ALTER TABLE teams ADD COLUMN shield TEXT COLLATE "C" NOT NULL DEFAULT 'flag';
ALTER TABLE teams ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

CREATE INDEX teams_by_time ON teams (created_at, id);

-- `digest` is hex and there for the form `opaque` only. `retires_at`: when a replaced key ends.
ALTER TABLE keys ADD COLUMN role TEXT COLLATE "C";
ALTER TABLE keys ADD COLUMN scope TEXT COLLATE "C" NOT NULL DEFAULT '{}';
ALTER TABLE keys ADD COLUMN parent_id TEXT COLLATE "C";
ALTER TABLE keys ADD COLUMN form TEXT COLLATE "C" NOT NULL DEFAULT 'jwt';
ALTER TABLE keys ADD COLUMN digest TEXT COLLATE "C";
ALTER TABLE keys ADD COLUMN signing TEXT COLLATE "C" NOT NULL DEFAULT 'off';
ALTER TABLE keys ADD COLUMN signing_generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN is_disabled BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE keys ADD COLUMN retires_at BIGINT;
ALTER TABLE keys ADD COLUMN replaced_by TEXT COLLATE "C";
ALTER TABLE keys ADD COLUMN max_requests BIGINT;
-- Whether the token says that it is worth nothing where this row is not known.
ALTER TABLE keys ADD COLUMN is_bound BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE keys ADD COLUMN last_used_at BIGINT;
ALTER TABLE keys ADD COLUMN created_by TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

UPDATE keys SET updated_at = created_at;

CREATE UNIQUE INDEX keys_by_digest ON keys (digest);
CREATE INDEX keys_by_time ON keys (created_at, id);
CREATE INDEX keys_by_team ON keys (team_id, created_at, id);
CREATE INDEX keys_by_parent ON keys (parent_id, created_at, id);
CREATE INDEX keys_by_expiry ON keys (expires_at);

CREATE TABLE users (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    email TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT COLLATE "C" NOT NULL,
    password_hash TEXT COLLATE "C",
    oidc_issuer TEXT COLLATE "C",
    oidc_subject TEXT COLLATE "C",
    role TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C" REFERENCES teams (id),
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    last_login_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 1,
    CHECK ((oidc_issuer IS NULL) = (oidc_subject IS NULL)),
    UNIQUE (oidc_issuer, oidc_subject)
);

CREATE INDEX users_by_time ON users (created_at, id);
CREATE INDEX users_by_team ON users (team_id, created_at, id);

-- The id is the digest of the cookie's token; the token itself is stored nowhere.
CREATE TABLE user_sessions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    csrf_digest TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    revoked_at BIGINT,
    address TEXT COLLATE "C",
    user_agent TEXT COLLATE "C"
);

CREATE INDEX user_sessions_by_user ON user_sessions (user_id, created_at);
CREATE INDEX user_sessions_by_expiry ON user_sessions (expires_at);

-- `generation` goes up with each new secret and is bound into the seal.
CREATE TABLE provider_credentials (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    provider_id TEXT COLLATE "C" NOT NULL REFERENCES service_providers (id),
    name TEXT COLLATE "C" NOT NULL,
    api_key_sealed TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL DEFAULT 0,
    last_four TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    weight BIGINT NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 1,
    UNIQUE (provider_id, name)
);

CREATE INDEX provider_credentials_by_time ON provider_credentials (provider_id, created_at, id);

-- What was sealed for the provider's row opens in a row of the same id.
INSERT INTO provider_credentials (
    id, provider_id, name, api_key_sealed, last_four, fingerprint, weight, created_at, updated_at
)
SELECT id, id, 'default', api_key_sealed, '', '', 100, created_at, updated_at
FROM service_providers WHERE api_key_sealed IS NOT NULL;

ALTER TABLE service_providers DROP COLUMN api_key_sealed;
ALTER TABLE service_providers ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

CREATE INDEX service_providers_by_time ON service_providers (created_at, id);

-- `weight` takes the place of the provider's.
ALTER TABLE model_routes ADD COLUMN weight BIGINT;
ALTER TABLE model_routes ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

CREATE INDEX model_routes_by_time ON model_routes (created_at, id);
CREATE INDEX model_routes_by_provider ON model_routes (provider_id);

-- A session key's token says itself what its row says when it is made, and it ends by itself.
DROP TRIGGER keys_move_the_world ON keys;

CREATE TRIGGER keys_insert_moves_the_world AFTER INSERT ON keys
FOR EACH ROW WHEN (NEW.level <> 'session') EXECUTE FUNCTION move_the_world();

CREATE TRIGGER keys_update_moves_the_world
AFTER UPDATE OF id, team_id, level, expires_at, revoked_at, role, scope, form, digest, signing,
    signing_generation, is_disabled, retires_at ON keys
FOR EACH ROW EXECUTE FUNCTION move_the_world();

CREATE TRIGGER keys_delete_moves_the_world AFTER DELETE ON keys
FOR EACH ROW WHEN (OLD.level <> 'session') EXECUTE FUNCTION move_the_world();

CREATE TRIGGER provider_credentials_move_the_world AFTER INSERT OR UPDATE OR DELETE ON provider_credentials
FOR EACH ROW EXECUTE FUNCTION move_the_world();
