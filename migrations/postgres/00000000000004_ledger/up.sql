-- The ledger in three parts: what attempts were for (few combinations), the attempts themselves (narrow
-- rows, written once), and their sums by the hour, which every total is read from.

CREATE TABLE usage_contexts (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    key_id TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C",
    operation TEXT COLLATE "C" NOT NULL,
    model_alias TEXT COLLATE "C" NOT NULL,
    provider_id TEXT COLLATE "C" NOT NULL,
    provider_name TEXT COLLATE "C" NOT NULL,
    real_model_name TEXT COLLATE "C" NOT NULL,
    is_stream BOOLEAN NOT NULL
);

-- `outcome` is `answered`, `abandoned`, or the class of the fault. `quantities` is an object of token counts
-- by kind; a kind that is zero is left out. Parted by time, which is what an id begins with: parts are made ahead
-- by the program, and what has no part of its own lies in the last.
CREATE TABLE usage_attempts (
    attempt_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    request_id TEXT COLLATE "C" NOT NULL,
    attempt_number BIGINT NOT NULL,
    context_id TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    status BIGINT NOT NULL,
    quantities TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    raw_usage TEXT COLLATE "C",
    provider_request_id TEXT COLLATE "C",
    started_at BIGINT NOT NULL,
    first_token_us BIGINT,
    duration_us BIGINT NOT NULL
) PARTITION BY RANGE (attempt_id);

CREATE TABLE usage_attempts_rest PARTITION OF usage_attempts DEFAULT;

-- `hour` counts from the Unix epoch.
CREATE TABLE usage_hours (
    hour BIGINT NOT NULL,
    context_id TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    input BIGINT NOT NULL,
    cache_read BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    audio_in BIGINT NOT NULL,
    audio_out BIGINT NOT NULL,
    PRIMARY KEY (hour, context_id)
);

INSERT INTO usage_contexts
SELECT replace(gen_random_uuid()::text, '-', ''), key_id, team_id, operation, model_alias, provider_id,
    provider_name, real_model_name, is_stream
FROM usage_records
GROUP BY key_id, team_id, operation, model_alias, provider_id, provider_name, real_model_name, is_stream;

INSERT INTO usage_attempts
SELECT r.attempt_id, r.request_id, r.attempt_number, c.id, coalesce(r.fault_class, r.outcome), r.status,
    json_strip_nulls(json_build_object(
        'input', nullif(r.input, 0), 'cache_read', nullif(r.cache_read, 0),
        'cache_write', nullif(r.cache_write, 0), 'output', nullif(r.output, 0),
        'reasoning', nullif(r.reasoning, 0), 'audio_in', nullif(r.audio_in, 0),
        'audio_out', nullif(r.audio_out, 0)))::text,
    r.source, r.raw_usage, r.provider_request_id, r.started_at, r.first_token_us, r.duration_us
FROM usage_records r
JOIN usage_contexts c ON c.key_id = r.key_id AND c.team_id IS NOT DISTINCT FROM r.team_id
    AND c.operation = r.operation AND c.model_alias = r.model_alias AND c.provider_id = r.provider_id
    AND c.provider_name = r.provider_name AND c.real_model_name = r.real_model_name
    AND c.is_stream = r.is_stream;

INSERT INTO usage_hours
SELECT a.started_at / 3600000, a.context_id, count(*),
    count(*) FILTER (WHERE a.outcome NOT IN ('answered', 'abandoned')),
    sum(r.input), sum(r.cache_read), sum(r.cache_write), sum(r.output), sum(r.reasoning), sum(r.audio_in),
    sum(r.audio_out)
FROM usage_attempts a
JOIN usage_records r ON r.attempt_id = a.attempt_id
GROUP BY 1, 2;

DROP TABLE usage_records;
