-- What was done and by whom, what looks wrong, and the keys that seal credentials.

-- The id is the version's name in sealed text; `wrapped` opens under the root secret only.
CREATE TABLE data_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    wrapped TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);

CREATE TRIGGER data_keys_move_the_world AFTER INSERT OR UPDATE OR DELETE ON data_keys
FOR EACH ROW EXECUTE FUNCTION move_the_world();

-- One row a UTC day that began while the gateway ran, also for a day in which nothing happened: retention
-- counts these rows and not the clock. Its rows are `first_seq` to `last_seq`; of a day without rows
-- `last_seq` is `first_seq` - 1. The last three columns are filled in once each.
CREATE TABLE audit_days (
    day TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    first_seq BIGINT NOT NULL,
    first_previous_hash TEXT COLLATE "C" NOT NULL,
    last_seq BIGINT,
    last_hash TEXT COLLATE "C",
    sealed_at BIGINT,
    purged_at BIGINT,
    CHECK ((last_seq IS NULL) = (sealed_at IS NULL) AND (last_hash IS NULL) = (sealed_at IS NULL)),
    CHECK (purged_at IS NULL OR sealed_at IS NOT NULL)
);

-- The trail. Each hash covers the one before and every other column of its row. `seq` counts from 1
-- without a gap.
CREATE TABLE audit_log (
    seq BIGINT NOT NULL PRIMARY KEY,
    day TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    actor_kind TEXT COLLATE "C" NOT NULL,
    actor_id TEXT COLLATE "C",
    actor_name TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C",
    action TEXT COLLATE "C" NOT NULL,
    target_kind TEXT COLLATE "C",
    target_id TEXT COLLATE "C",
    before TEXT COLLATE "C",
    after TEXT COLLATE "C",
    address TEXT COLLATE "C",
    request_id TEXT COLLATE "C",
    outcome TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C",
    hash TEXT COLLATE "C" NOT NULL
);

CREATE INDEX audit_log_by_outcome ON audit_log (outcome, seq);
CREATE INDEX audit_log_by_team ON audit_log (team_id, seq);
CREATE INDEX audit_log_by_actor ON audit_log (actor_id, seq);
CREATE INDEX audit_log_by_target ON audit_log (target_id, seq);
CREATE INDEX audit_log_by_time ON audit_log (day, at);

-- A rule of the trail that was broken; the one argument says which.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0];
END $$;

CREATE FUNCTION audit_log_takes_the_next_row_of_the_open_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq IS DISTINCT FROM (
        SELECT COALESCE(
            (SELECT seq + 1 FROM audit_log WHERE seq >= first_seq ORDER BY seq DESC LIMIT 1),
            first_seq
        )
        FROM audit_days WHERE day = NEW.day AND sealed_at IS NULL
    ) THEN
        RAISE EXCEPTION 'the trail takes only its next row, in the day that is open';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER audit_log_takes_the_next_row_of_the_open_day BEFORE INSERT ON audit_log
FOR EACH ROW EXECUTE FUNCTION audit_log_takes_the_next_row_of_the_open_day();

CREATE TRIGGER audit_log_is_never_changed BEFORE UPDATE ON audit_log
FOR EACH ROW EXECUTE FUNCTION refuse('a row of the trail is never changed');

CREATE FUNCTION audit_log_goes_by_whole_purged_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM audit_days
        WHERE day = OLD.day AND purged_at IS NOT NULL AND OLD.seq BETWEEN first_seq AND last_seq
    ) THEN
        RAISE EXCEPTION 'a row of the trail goes only after its day was marked as purged';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER audit_log_goes_by_whole_purged_days BEFORE DELETE ON audit_log
FOR EACH ROW EXECUTE FUNCTION audit_log_goes_by_whole_purged_days();

CREATE TRIGGER audit_log_is_never_emptied BEFORE TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse('a row of the trail goes only after its day was marked as purged');

CREATE FUNCTION audit_days_open_one_after_another() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.sealed_at IS NOT NULL
        OR EXISTS (SELECT 1 FROM audit_days WHERE day >= NEW.day OR sealed_at IS NULL)
    THEN
        RAISE EXCEPTION 'a day of the trail opens when every day before it is sealed';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER audit_days_open_one_after_another BEFORE INSERT ON audit_days
FOR EACH ROW EXECUTE FUNCTION audit_days_open_one_after_another();

-- 180: the days a trail must be kept. A longer retention is the program's business.
CREATE FUNCTION audit_days_are_sealed_once_and_purged_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.day IS DISTINCT FROM OLD.day
        OR NEW.first_seq IS DISTINCT FROM OLD.first_seq
        OR NEW.first_previous_hash IS DISTINCT FROM OLD.first_previous_hash
        OR NEW.sealed_at IS NULL
        OR (CASE WHEN OLD.sealed_at IS NULL
            THEN NEW.purged_at IS NOT NULL
            ELSE NEW.last_seq IS DISTINCT FROM OLD.last_seq
                OR NEW.last_hash IS DISTINCT FROM OLD.last_hash
                OR NEW.sealed_at IS DISTINCT FROM OLD.sealed_at
                OR NEW.purged_at IS NULL
                OR OLD.purged_at IS NOT NULL
                OR (SELECT COUNT(*) FROM audit_days WHERE day > OLD.day AND sealed_at IS NOT NULL) < 180
        END)
    THEN
        RAISE EXCEPTION 'a day of the trail is sealed once, and purged once 180 later days are sealed';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER audit_days_are_sealed_once_and_purged_once BEFORE UPDATE ON audit_days
FOR EACH ROW EXECUTE FUNCTION audit_days_are_sealed_once_and_purged_once();

CREATE TRIGGER audit_days_stay BEFORE DELETE ON audit_days
FOR EACH ROW EXECUTE FUNCTION refuse('a day of the trail stays known');

CREATE TRIGGER audit_days_are_never_emptied BEFORE TRUNCATE ON audit_days
FOR EACH STATEMENT EXECUTE FUNCTION refuse('a day of the trail stays known');

CREATE TABLE anomalies (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C",
    key_id TEXT COLLATE "C",
    address TEXT COLLATE "C",
    evidence TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL,
    acknowledged_at BIGINT,
    acknowledged_by TEXT COLLATE "C",
    version BIGINT NOT NULL DEFAULT 1
);

CREATE INDEX anomalies_by_kind ON anomalies (kind, at);
CREATE INDEX anomalies_by_time ON anomalies (at, id);
CREATE INDEX anomalies_by_team ON anomalies (team_id, at, id);

-- The id is a digest of who asks and of the key sent. Without `status` the request is under way.
CREATE TABLE idempotency_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    request_hash TEXT COLLATE "C" NOT NULL,
    status BIGINT,
    response_sealed TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

-- No foreign key: what was seen stands whatever becomes of the key.
CREATE TABLE key_addresses (
    key_id TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    first_seen_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, address)
);
