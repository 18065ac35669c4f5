-- What lives at providers, and whose it is: files, batches, vector stores and their like.

-- `provider_id` and `credential_id` say where it lives; no foreign keys: what was made outlives them, and stays its
-- team's. An empty `credential_id` is that of a provider that has none, an empty `team_id` that of keys without a
-- team. At one provider a thing is somebody's once, whatever credential names it.
CREATE TABLE owned_resources (
    kind TEXT COLLATE "C" NOT NULL,
    resource_id TEXT COLLATE "C" NOT NULL,
    provider_id TEXT COLLATE "C" NOT NULL,
    credential_id TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C" NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (resource_id, kind, provider_id)
);

CREATE INDEX owned_resources_of_teams ON owned_resources (team_id, kind, provider_id, credential_id);
