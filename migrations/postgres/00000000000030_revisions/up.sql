-- The changes of configuration, one after another. `seq`: the row of the trail that tells of it; `undoes`: the one it
-- takes back.
CREATE TABLE revisions (
    number BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL UNIQUE,
    undoes BIGINT
);

-- What a revision changed, row by row, as JSON without secrets. `loses_secret`: what the row held of a secret before is
-- not kept.
CREATE TABLE revision_rows (
    number BIGINT NOT NULL,
    place BIGINT NOT NULL,
    table_name TEXT COLLATE "C" NOT NULL,
    row_id TEXT COLLATE "C" NOT NULL,
    before TEXT COLLATE "C",
    after TEXT COLLATE "C",
    loses_secret BOOLEAN NOT NULL,
    PRIMARY KEY (number, place)
);

CREATE INDEX revisions_by_undone ON revisions (undoes);

-- The number of the revision that the transaction makes; while there is none, nothing is kept.
ALTER TABLE world_revision ADD COLUMN being_made BIGINT;

-- The revision a node could not put in force.
ALTER TABLE nodes ADD COLUMN refused_revision BIGINT;

-- Its arguments: the column that names a row, and the one that is secret.
CREATE FUNCTION keep_for_the_revision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    made BIGINT := (SELECT being_made FROM world_revision);
    was JSONB;
    becomes JSONB;
BEGIN
    IF made IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN was := to_jsonb(OLD); END IF;
    IF TG_OP <> 'DELETE' THEN becomes := to_jsonb(NEW); END IF;
    INSERT INTO revision_rows VALUES (
        made,
        (SELECT coalesce(max(place), 0) + 1 FROM revision_rows WHERE number = made),
        TG_TABLE_NAME,
        coalesce(becomes, was) ->> TG_ARGV[0],
        (was - TG_ARGV[1])::text,
        (becomes - TG_ARGV[1])::text,
        coalesce(was ->> TG_ARGV[1], '') <> coalesce(becomes ->> TG_ARGV[1], '') AND TG_OP <> 'INSERT'
    );
    RETURN NULL;
END $$;

CREATE TRIGGER teams_are_kept AFTER INSERT OR UPDATE OR DELETE ON teams
    FOR EACH ROW EXECUTE FUNCTION keep_for_the_revision('id', '');

CREATE TRIGGER keys_are_kept AFTER INSERT OR UPDATE OR DELETE ON keys
    FOR EACH ROW EXECUTE FUNCTION keep_for_the_revision('id', 'digest');

CREATE TRIGGER users_are_kept AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION keep_for_the_revision('id', 'password_hash');

CREATE TRIGGER service_providers_are_kept AFTER INSERT OR UPDATE OR DELETE ON service_providers
    FOR EACH ROW EXECUTE FUNCTION keep_for_the_revision('id', '');

CREATE TRIGGER provider_credentials_are_kept AFTER INSERT OR UPDATE OR DELETE ON provider_credentials
    FOR EACH ROW EXECUTE FUNCTION keep_for_the_revision('id', 'api_key_sealed');

CREATE TRIGGER model_routes_are_kept AFTER INSERT OR UPDATE OR DELETE ON model_routes
    FOR EACH ROW EXECUTE FUNCTION keep_for_the_revision('id', '');

CREATE TRIGGER routing_rules_are_kept AFTER INSERT OR UPDATE OR DELETE ON routing_rules
    FOR EACH ROW EXECUTE FUNCTION keep_for_the_revision('id', '');

CREATE TRIGGER prices_are_kept AFTER INSERT OR UPDATE OR DELETE ON prices
    FOR EACH ROW EXECUTE FUNCTION keep_for_the_revision('id', '');

CREATE TRIGGER quotas_are_kept AFTER INSERT OR UPDATE OR DELETE ON quotas
    FOR EACH ROW EXECUTE FUNCTION keep_for_the_revision('id', '');

CREATE TRIGGER settings_are_kept AFTER INSERT OR UPDATE OR DELETE ON settings
    FOR EACH ROW EXECUTE FUNCTION keep_for_the_revision('name', '');

CREATE TRIGGER webhooks_are_kept AFTER INSERT OR UPDATE OR DELETE ON webhooks
    FOR EACH ROW EXECUTE FUNCTION keep_for_the_revision('id', '');
