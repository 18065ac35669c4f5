-- Back to one wide row an attempt.

CREATE TABLE usage_records (
    attempt_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    request_id TEXT COLLATE "C" NOT NULL,
    attempt_number BIGINT NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C",
    operation TEXT COLLATE "C" NOT NULL,
    model_alias TEXT COLLATE "C" NOT NULL,
    provider_id TEXT COLLATE "C" NOT NULL,
    provider_name TEXT COLLATE "C" NOT NULL,
    real_model_name TEXT COLLATE "C" NOT NULL,
    is_stream BOOLEAN NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    fault_class TEXT COLLATE "C",
    status BIGINT NOT NULL,
    input BIGINT NOT NULL,
    cache_read BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    audio_in BIGINT NOT NULL,
    audio_out BIGINT NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    raw_usage TEXT COLLATE "C",
    provider_request_id TEXT COLLATE "C",
    started_at BIGINT NOT NULL,
    first_token_us BIGINT,
    duration_us BIGINT NOT NULL
);

INSERT INTO usage_records
SELECT a.attempt_id, a.request_id, a.attempt_number, c.key_id, c.team_id, c.operation, c.model_alias,
    c.provider_id, c.provider_name, c.real_model_name, c.is_stream,
    CASE WHEN a.outcome IN ('answered', 'abandoned') THEN a.outcome ELSE 'failed' END,
    CASE WHEN a.outcome IN ('answered', 'abandoned') THEN NULL ELSE a.outcome END,
    a.status,
    coalesce((a.quantities::json ->> 'input')::bigint, 0),
    coalesce((a.quantities::json ->> 'cache_read')::bigint, 0),
    coalesce((a.quantities::json ->> 'cache_write')::bigint, 0),
    coalesce((a.quantities::json ->> 'output')::bigint, 0),
    coalesce((a.quantities::json ->> 'reasoning')::bigint, 0),
    coalesce((a.quantities::json ->> 'audio_in')::bigint, 0),
    coalesce((a.quantities::json ->> 'audio_out')::bigint, 0),
    a.source, a.raw_usage, a.provider_request_id, a.started_at, a.first_token_us, a.duration_us
FROM usage_attempts a
JOIN usage_contexts c ON c.id = a.context_id;

DROP TABLE usage_hours;
DROP TABLE usage_attempts;
DROP TABLE usage_contexts;
