-- Whoever listens is told that the world of a schema moved on, when the transaction that moved it stands.
CREATE FUNCTION tell_of_the_world() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('nexus_world', TG_TABLE_SCHEMA);
    RETURN NULL;
END $$;

CREATE TRIGGER world_revision_is_told AFTER UPDATE OF revision ON world_revision
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_the_world();
