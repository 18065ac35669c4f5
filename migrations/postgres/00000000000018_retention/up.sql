-- What is kept for how long: what is known of an attempt beyond its cost goes sooner than its row, and rows may move
-- into an archive.

-- An object, `{"policy":"weighted","before_us":90}`, that is forgotten after the request log's time.
ALTER TABLE usage_attempts ADD COLUMN trace TEXT COLLATE "C";

-- A request is found by its first attempt, whose id is of the same time; the others, which are few, by this.
CREATE INDEX usage_attempts_again ON usage_attempts (request_id, attempt_number) WHERE attempt_number > 1;

-- Rows of the ledger that lie in a file: those from one id to another. `sha256` is the file's.
CREATE TABLE usage_archives (
    seq BIGINT NOT NULL PRIMARY KEY,
    file TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    first_attempt_id TEXT COLLATE "C" NOT NULL,
    last_attempt_id TEXT COLLATE "C" NOT NULL,
    first_started_at BIGINT NOT NULL,
    last_started_at BIGINT NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    archived_at BIGINT NOT NULL
);

-- What the accounts came to in the rows that are archived.
CREATE TABLE usage_balances (
    account TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    amount BIGINT NOT NULL
);
