-- What nodes share where they have no other place for it, such as who leased how much of a limit. Names and texts are
-- the program's own.
CREATE TABLE shared_texts (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    text BYTEA NOT NULL,
    keep_until BIGINT NOT NULL
);
CREATE INDEX shared_texts_by_keep_until ON shared_texts (keep_until);
