-- What the gateway keeps itself where no provider has a place for it: responses, files, batches and their like.

-- A team has a key for what its requests said (`content`), and one for what lies here (`shelf`). Keys without a team
-- have theirs under the id of zeros.
ALTER TABLE content_keys ADD COLUMN purpose TEXT NOT NULL DEFAULT 'content';

DROP INDEX content_keys_of_teams;

CREATE UNIQUE INDEX content_keys_of_teams ON content_keys (team_id, purpose) WHERE destroyed_at IS NULL;

-- `thing_id` is the client's name of it; whose it is stands in `owned_resources`. `bytes` is how much is sealed in it
-- and in its pieces, `is_open` whether something is still to be done for it.
CREATE TABLE shelf_things (
    thing_id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES content_keys (id),
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    is_open BOOLEAN NOT NULL,
    sealed BLOB NOT NULL
);

CREATE INDEX shelf_things_by_expiry ON shelf_things (expires_at);

CREATE INDEX shelf_things_by_key ON shelf_things (key_id);

-- What a thing is made of beside: the parts of a file, the items of a conversation. Sealed as the thing is.
CREATE TABLE shelf_pieces (
    thing_id TEXT NOT NULL REFERENCES shelf_things (thing_id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (thing_id, number)
);
