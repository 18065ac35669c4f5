-- How one of an alias's models is chosen and what is asked instead; which requests a model is there for.

-- `fit` is an object of bounds, `{"context_tokens":128000}`; an absent member sets none.
ALTER TABLE model_routes ADD COLUMN tier BIGINT NOT NULL DEFAULT 0;
ALTER TABLE model_routes ADD COLUMN fit TEXT NOT NULL DEFAULT '{}';

-- `team_id`: none is everybody. `fallbacks` is an object of lists of aliases by cause.
CREATE TABLE routing_rules (
    id TEXT NOT NULL PRIMARY KEY,
    model_alias TEXT NOT NULL,
    team_id TEXT REFERENCES teams (id),
    stands_for TEXT,
    policy TEXT NOT NULL,
    has_affinity BOOLEAN NOT NULL,
    fallbacks TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 1
);

CREATE UNIQUE INDEX routing_rules_by_alias ON routing_rules (model_alias, coalesce(team_id, ''));
CREATE INDEX routing_rules_by_time ON routing_rules (created_at, id);

CREATE TRIGGER routing_rules_insert_moves_the_world AFTER INSERT ON routing_rules
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER routing_rules_update_moves_the_world AFTER UPDATE ON routing_rules
BEGIN UPDATE world_revision SET revision = revision + 1; END;

CREATE TRIGGER routing_rules_delete_moves_the_world AFTER DELETE ON routing_rules
BEGIN UPDATE world_revision SET revision = revision + 1; END;
