-- What was done and by whom, what looks wrong, and the keys that seal credentials.

-- The id is the version's name in sealed text; `wrapped` opens under the root secret only.
CREATE TABLE data_keys (
    id TEXT NOT NULL PRIMARY KEY,
    wrapped TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);

CREATE TRIGGER data_keys_insert_moves_the_world AFTER INSERT ON data_keys
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER data_keys_update_moves_the_world AFTER UPDATE ON data_keys
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER data_keys_delete_moves_the_world AFTER DELETE ON data_keys
BEGIN UPDATE world_revision SET revision = revision + 1; END;

-- One row a UTC day that began while the gateway ran, also for a day in which nothing happened: retention
-- counts these rows and not the clock. Its rows are `first_seq` to `last_seq`; of a day without rows
-- `last_seq` is `first_seq` - 1. The last three columns are filled in once each.
CREATE TABLE audit_days (
    day TEXT NOT NULL PRIMARY KEY,
    first_seq BIGINT NOT NULL,
    first_previous_hash TEXT NOT NULL,
    last_seq BIGINT,
    last_hash TEXT,
    sealed_at BIGINT,
    purged_at BIGINT,
    CHECK ((last_seq IS NULL) = (sealed_at IS NULL) AND (last_hash IS NULL) = (sealed_at IS NULL)),
    CHECK (purged_at IS NULL OR sealed_at IS NOT NULL)
);

-- The trail. Each hash covers the one before and every other column of its row. `seq` counts from 1
-- without a gap; declared INTEGER, which has 64 bits, it is the order in which SQLite stores the rows.
CREATE TABLE audit_log (
    seq INTEGER NOT NULL PRIMARY KEY,
    day TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT,
    actor_name TEXT NOT NULL,
    team_id TEXT,
    action TEXT NOT NULL,
    target_kind TEXT,
    target_id TEXT,
    before TEXT,
    after TEXT,
    address TEXT,
    request_id TEXT,
    outcome TEXT NOT NULL,
    detail TEXT,
    hash TEXT NOT NULL
);

-- Of several that fit a query SQLite takes the one made last: the choosier stand lower.
CREATE INDEX audit_log_by_outcome ON audit_log (outcome, seq);
CREATE INDEX audit_log_by_team ON audit_log (team_id, seq);
CREATE INDEX audit_log_by_actor ON audit_log (actor_id, seq);
CREATE INDEX audit_log_by_target ON audit_log (target_id, seq);
CREATE INDEX audit_log_by_time ON audit_log (day, at);

-- Also keeps INSERT OR REPLACE from taking a row away, which fires no trigger for DELETE.
CREATE TRIGGER audit_log_takes_the_next_row_of_the_open_day BEFORE INSERT ON audit_log
WHEN NEW.seq IS NOT (
    SELECT COALESCE(
        (SELECT seq + 1 FROM audit_log WHERE seq >= first_seq ORDER BY seq DESC LIMIT 1),
        first_seq
    )
    FROM audit_days WHERE day = NEW.day AND sealed_at IS NULL
)
BEGIN SELECT RAISE(ABORT, 'the trail takes only its next row, in the day that is open'); END;

CREATE TRIGGER audit_log_is_never_changed BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'a row of the trail is never changed'); END;

CREATE TRIGGER audit_log_goes_by_whole_purged_days BEFORE DELETE ON audit_log
WHEN NOT EXISTS (
    SELECT 1 FROM audit_days
    WHERE day = OLD.day AND purged_at IS NOT NULL AND OLD.seq BETWEEN first_seq AND last_seq
)
BEGIN SELECT RAISE(ABORT, 'a row of the trail goes only after its day was marked as purged'); END;

CREATE TRIGGER audit_days_open_one_after_another BEFORE INSERT ON audit_days
WHEN NEW.sealed_at IS NOT NULL
    OR EXISTS (SELECT 1 FROM audit_days WHERE day >= NEW.day OR sealed_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a day of the trail opens when every day before it is sealed'); END;

-- 180: the days a trail must be kept. A longer retention is the program's business.
CREATE TRIGGER audit_days_are_sealed_once_and_purged_once BEFORE UPDATE ON audit_days
WHEN NEW.day IS NOT OLD.day
    OR NEW.first_seq IS NOT OLD.first_seq
    OR NEW.first_previous_hash IS NOT OLD.first_previous_hash
    OR NEW.sealed_at IS NULL
    OR CASE WHEN OLD.sealed_at IS NULL
        THEN NEW.purged_at IS NOT NULL
        ELSE NEW.last_seq IS NOT OLD.last_seq
            OR NEW.last_hash IS NOT OLD.last_hash
            OR NEW.sealed_at IS NOT OLD.sealed_at
            OR NEW.purged_at IS NULL
            OR OLD.purged_at IS NOT NULL
            OR (SELECT COUNT(*) FROM audit_days WHERE day > OLD.day AND sealed_at IS NOT NULL) < 180
    END
BEGIN SELECT RAISE(ABORT, 'a day of the trail is sealed once, and purged once 180 later days are sealed'); END;

CREATE TRIGGER audit_days_stay BEFORE DELETE ON audit_days
BEGIN SELECT RAISE(ABORT, 'a day of the trail stays known'); END;

CREATE TABLE anomalies (
    id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    team_id TEXT,
    key_id TEXT,
    address TEXT,
    evidence TEXT NOT NULL,
    count BIGINT NOT NULL,
    acknowledged_at BIGINT,
    acknowledged_by TEXT,
    version BIGINT NOT NULL DEFAULT 1
);

CREATE INDEX anomalies_by_kind ON anomalies (kind, at);
CREATE INDEX anomalies_by_time ON anomalies (at, id);
CREATE INDEX anomalies_by_team ON anomalies (team_id, at, id);

-- The id is a digest of who asks and of the key sent. Without `status` the request is under way.
CREATE TABLE idempotency_keys (
    id TEXT NOT NULL PRIMARY KEY,
    request_hash TEXT NOT NULL,
    status BIGINT,
    response_sealed TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

-- No foreign key: what was seen stands whatever becomes of the key.
CREATE TABLE key_addresses (
    key_id TEXT NOT NULL,
    address TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, address)
);
