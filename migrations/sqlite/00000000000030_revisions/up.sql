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
    table_name TEXT NOT NULL,
    row_id TEXT NOT NULL,
    before TEXT,
    after TEXT,
    loses_secret BOOLEAN NOT NULL,
    PRIMARY KEY (number, place)
);

CREATE INDEX revisions_by_undone ON revisions (undoes);

-- The number of the revision that the transaction makes; while there is none, nothing is kept.
ALTER TABLE world_revision ADD COLUMN being_made BIGINT;

-- The revision a node could not put in force.
ALTER TABLE nodes ADD COLUMN refused_revision BIGINT;

-- What keeps rows for the revision is made by the program, of the columns there are: see `migrate/keeping.rs`.
