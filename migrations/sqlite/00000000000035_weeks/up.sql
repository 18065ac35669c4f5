-- The same sums as those of days, of seven days each, so that a total over many months is read from few rows. `week`
-- counts from the Unix epoch.
CREATE TABLE usage_weeks (
    week BIGINT NOT NULL,
    context_id TEXT NOT NULL,
    measure TEXT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (week, context_id, measure)
) WITHOUT ROWID;

INSERT INTO usage_weeks
SELECT day / 7, context_id, measure, sum(amount) FROM usage_days GROUP BY 1, 2, 3;
