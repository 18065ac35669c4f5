-- What attempts cost, what models cost, and what may be spent.

-- `pricing` says whether the cost is known; where it is not, the amount means nothing. Old rows were never priced.
ALTER TABLE usage_attempts ADD COLUMN cost_nano_usd BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_attempts ADD COLUMN pricing TEXT COLLATE "C" NOT NULL DEFAULT 'unknown';
ALTER TABLE usage_attempts ADD COLUMN price_rule TEXT COLLATE "C";
ALTER TABLE usage_attempts ADD COLUMN service_tier TEXT COLLATE "C" NOT NULL DEFAULT 'standard';
ALTER TABLE usage_attempts ADD COLUMN bearer TEXT COLLATE "C" NOT NULL DEFAULT 'team';
UPDATE usage_attempts SET bearer = 'platform' WHERE outcome NOT IN ('answered', 'abandoned');

-- A price is never changed: a later one takes its place from its moment on. `rates` are words as in the
-- shipped catalogue; a price without any is one of nothing, and says so in `is_free`.
CREATE TABLE prices (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    real_model_name TEXT COLLATE "C" NOT NULL,
    provider_id TEXT COLLATE "C" REFERENCES service_providers (id) ON DELETE CASCADE,
    rates TEXT COLLATE "C" NOT NULL,
    per_request_nano_usd BIGINT NOT NULL,
    is_free BOOLEAN NOT NULL,
    multiplier_ppm BIGINT,
    valid_from BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TRIGGER prices_move_the_world AFTER INSERT OR UPDATE OR DELETE ON prices
FOR EACH ROW EXECUTE FUNCTION move_the_world();

-- `subject_value` is an id, or a pattern of aliases; NULL for the platform.
CREATE TABLE quotas (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    subject_kind TEXT COLLATE "C" NOT NULL,
    subject_value TEXT COLLATE "C",
    measure TEXT COLLATE "C" NOT NULL,
    window_kind TEXT COLLATE "C" NOT NULL,
    utc_offset_minutes BIGINT NOT NULL,
    rolling_ms BIGINT,
    limit_amount BIGINT NOT NULL,
    mode TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

CREATE TRIGGER quotas_move_the_world AFTER INSERT OR UPDATE OR DELETE ON quotas
FOR EACH ROW EXECUTE FUNCTION move_the_world();
