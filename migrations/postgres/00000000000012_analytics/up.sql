-- What usage is told apart by beside what it was: how it ended, for whom, and by the day.

-- The HTTP status the client was given; 0 in contexts from before it was told apart.
ALTER TABLE usage_contexts ADD COLUMN status BIGINT NOT NULL DEFAULT 0;

-- `multiplier_ppm` is what the route multiplied the price by. `end_user` and `tags` are what the application said
-- of the call; tags stand between commas.
ALTER TABLE usage_attempts ADD COLUMN region TEXT COLLATE "C";
ALTER TABLE usage_attempts ADD COLUMN multiplier_ppm BIGINT;
ALTER TABLE usage_attempts ADD COLUMN end_user TEXT COLLATE "C";
ALTER TABLE usage_attempts ADD COLUMN tags TEXT COLLATE "C";

-- A request is counted where its first attempt is.
INSERT INTO usage_hours
SELECT started_at / 3600000, context_id, 'requests', count(*)
FROM usage_attempts WHERE attempt_number = 1
GROUP BY 1, 2;

-- The same sums as those of hours; `day` counts from the Unix epoch.
CREATE TABLE usage_days (
    day BIGINT NOT NULL,
    context_id TEXT COLLATE "C" NOT NULL,
    measure TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (day, context_id, measure)
);

INSERT INTO usage_days
SELECT hour / 24, context_id, measure, sum(amount) FROM usage_hours GROUP BY 1, 2, 3;

-- Sums by what applications said. `kind` is `user` or `tag`; `team_id` is empty for usage of no team. Of a team and
-- a day a bounded number of labels is kept apart, the others stand under an empty one.
CREATE TABLE usage_label_days (
    day BIGINT NOT NULL,
    team_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    measure TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (day, team_id, kind, label, measure)
);
