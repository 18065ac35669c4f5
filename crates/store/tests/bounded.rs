//! Retention goes through millions of rows in the memory of one step. A process of its own, whose peak is read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may be blunt")]

use diesel::connection::SimpleConnection as _;
use nexus_store::{AnyConnection, Store, StoreError, archive, migrate, repo::usage::requests};

const DAY_MS: i64 = 86_400_000;
/// In every one of so many days lie two segments of the archive.
const DAYS: i64 = 8;
/// What the peak may rise by after the first steps: 4 to 7 MiB are the allocator's own ups and downs, all rows together
/// take 60.
const RISE_MAX_KIB: u64 = 12 * 1024;

/// Attempts of one day, as the gateway writes them.
const ATTEMPTS: &str = r#"
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < 10000),
row AS (
    SELECT (SELECT count(*) FROM usage_attempts) + i AS i,
        (SELECT count(*) FROM usage_attempts) / 10000 * 86400000 + i * 8000 AS at FROM n
)
INSERT INTO usage_attempts (attempt_id, request_id, attempt_number, context_id, outcome, status, quantities, source,
    raw_usage, provider_request_id, started_at, first_token_us, duration_us, cost_nano_usd, pricing, price_rule, trace)
SELECT printf('%08x-%04x-7000-8000-%012x', at >> 16, at & 65535, i), printf('00000000-0000-7000-8000-%012x', i), 1,
    'context', 'answered', 200, '{"input":' || i || ',"output":7}', 'provider', printf('{"raw":"%0200d"}', i),
    printf('req_%012x', i), at, 1000, 1500, 2500, 'known', 'catalogue', '{"policy":"weighted","before_us":90}'
FROM row
"#;

const CONTEXT: &str =
    "INSERT INTO usage_contexts VALUES ('context', '00000000-0000-7000-8000-000000000001', NULL,
    'chat.completions', 'a', '00000000-0000-7000-8000-000000000002', 'p', 'm', 0, 200)";

fn run(store: &Store, sql: &str) {
    let done = store.write_blocking(|conn| match conn {
        AnyConnection::Sqlite(conn) => conn.batch_execute(sql).map_err(StoreError::from),
        AnyConnection::Postgres(_) => panic!("this one is SQLite"),
    });
    done.unwrap();
}

/// The most memory this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn what_is_past_its_time_goes_in_the_memory_of_one_step() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}/nexus.db", folder.path().display())).unwrap();
    migrate::run(&store).unwrap();
    run(&store, CONTEXT);
    (0..DAYS).for_each(|_| run(&store, ATTEMPTS));
    let end_ms = (DAYS + 1) * DAY_MS;
    let forget = || store.write_blocking(|conn| requests::forget_traces(conn, end_ms, 1_000)).unwrap();
    let archive = || archive::step(&store, &folder.path().join("archive"), end_ms, end_ms).unwrap();

    let (mut forgotten, mut archived) = (forget() + forget(), archive() + archive());
    let before_kib = peak_kib();
    loop {
        match forget() {
            0 => break,
            rows => forgotten += rows,
        }
    }
    loop {
        match archive() {
            0 => break,
            rows => archived += rows,
        }
    }
    let rise_kib = peak_kib() - before_kib;
    // what was archived first has no trace to forget any more
    assert_eq!((forgotten, archived), (72_000, 80_000));
    assert!(rise_kib < RISE_MAX_KIB, "{rise_kib} KiB");
}
