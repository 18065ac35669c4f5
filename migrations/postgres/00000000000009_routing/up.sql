-- How one of an alias's models is chosen and what is asked instead; which requests a model is there for.

-- `fit` is an object of bounds, `{"context_tokens":128000}`; an absent member sets none.
ALTER TABLE model_routes ADD COLUMN tier BIGINT NOT NULL DEFAULT 0;
ALTER TABLE model_routes ADD COLUMN fit TEXT COLLATE "C" NOT NULL DEFAULT '{}';

-- `team_id`: none is everybody. `fallbacks` is an object of lists of aliases by cause.
CREATE TABLE routing_rules (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    model_alias TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C" REFERENCES teams (id),
    stands_for TEXT COLLATE "C",
    policy TEXT COLLATE "C" NOT NULL,
    has_affinity BOOLEAN NOT NULL,
    fallbacks TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 1
);

CREATE UNIQUE INDEX routing_rules_by_alias ON routing_rules (model_alias, coalesce(team_id, ''));
CREATE INDEX routing_rules_by_time ON routing_rules (created_at, id);

CREATE TRIGGER routing_rules_move_the_world AFTER INSERT OR UPDATE OR DELETE ON routing_rules
FOR EACH ROW EXECUTE FUNCTION move_the_world();
