-- Prices of regions, prices that multiply others, and most amounts where nobody has said a price; what rows were
-- priced again at; what providers say they billed.

ALTER TABLE prices ADD COLUMN region TEXT COLLATE "C";
ALTER TABLE prices ADD COLUMN kind TEXT COLLATE "C" NOT NULL DEFAULT 'absolute';

-- Past usage priced again, as a job that may be taken up where it stood. `cursor` is the last attempt that was
-- looked at; `is_preview` changes nothing.
CREATE TABLE reprices (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    is_preview BOOLEAN NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    from_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    provider_id TEXT COLLATE "C",
    real_model_name TEXT COLLATE "C",
    cursor TEXT COLLATE "C" NOT NULL,
    looked_at BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    raised_nano_usd BIGINT NOT NULL,
    lowered_nano_usd BIGINT NOT NULL,
    known_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- An attempt's row is never changed: what it costs is its own amount and all that was corrected, in order.
CREATE TABLE usage_corrections (
    attempt_id TEXT COLLATE "C" NOT NULL,
    reprice_id TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    delta_nano_usd BIGINT NOT NULL,
    cost_nano_usd BIGINT NOT NULL,
    pricing TEXT COLLATE "C" NOT NULL,
    price_rule TEXT COLLATE "C",
    PRIMARY KEY (attempt_id, at, reprice_id)
);

CREATE TRIGGER usage_corrections_are_never_changed BEFORE UPDATE ON usage_corrections
FOR EACH ROW EXECUTE FUNCTION refuse('a correction is never changed; another one corrects it');

-- What a provider says it billed for a model on a day (UTC), as it was imported last.
CREATE TABLE provider_bills (
    provider_id TEXT COLLATE "C" NOT NULL REFERENCES service_providers (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    real_model_name TEXT COLLATE "C" NOT NULL,
    amount_nano_usd BIGINT NOT NULL,
    imported_at BIGINT NOT NULL,
    PRIMARY KEY (provider_id, day, real_model_name)
);

-- The ledger as double entries: what an attempt cost is owed to its provider and borne by a team or the platform, and
-- so is every correction. Entries of one attempt add up to nothing, and so do all of them.
CREATE VIEW usage_entries AS
WITH amounts AS (
    SELECT a.attempt_id, a.context_id, a.bearer, a.started_at AS at, a.cost_nano_usd AS amount FROM usage_attempts a
    UNION ALL
    SELECT a.attempt_id, a.context_id, a.bearer, r.at, r.delta_nano_usd
    FROM usage_corrections r JOIN usage_attempts a ON a.attempt_id = r.attempt_id
)
SELECT m.attempt_id, m.at,
    CASE WHEN m.bearer = 'platform' THEN 'platform' ELSE 'team:' || coalesce(c.team_id, '') END AS account,
    m.amount
FROM amounts m JOIN usage_contexts c ON c.id = m.context_id
UNION ALL
SELECT m.attempt_id, m.at, 'provider:' || c.provider_id, -m.amount
FROM amounts m JOIN usage_contexts c ON c.id = m.context_id;
