//! What is kept for how long, beside the trail: goes through what is past its time in small transactions, a bounded
//! number of them in a round, so that usage is shipped in between.

use std::path::Path;

use nexus_store::{
    AnyConnection, Store, StoreError,
    archive::{self, ArchiveError},
    repo::{
        content, setting, shelf,
        usage::{parts, requests},
    },
};

/// The setting that says how many days the request log goes back.
const REQUEST_LOG: &str = "request_log_days";
/// What it usually is.
pub const REQUEST_LOG_DAYS: u32 = 30;

/// The setting that says after how many days the ledger's rows move into the archive; 0: never.
const LEDGER_ARCHIVE: &str = "ledger_archive_after_days";
/// The fewest days after which they do: longer than anything is shipped late or asked for row by row.
pub const ARCHIVE_DAYS_MIN: u32 = 35;

const DAY_MS: i64 = 86_400_000;
/// Rows of one transaction.
const STEP_ROWS: u32 = 1_000;
/// The same of what may be large.
const CONTENT_STEP_ROWS: u32 = 50;
/// Transactions of one kind in a round.
const STEPS: usize = 100;
/// Segments that are archived in a round.
const ARCHIVE_STEPS: usize = 20;

/// Does a round.
pub fn round(store: &Store, archive: &Path, now_ms: i64) -> Result<(), StoreError> {
    let (days, archive_days) = store.read_blocking(|conn| {
        Ok((days(conn, REQUEST_LOG, REQUEST_LOG_DAYS)?, days(conn, LEDGER_ARCHIVE, 0)?))
    })?;
    let before_ms = now_ms.saturating_sub(DAY_MS.saturating_mul(days.into()));
    in_steps(store, |conn| requests::forget_traces(conn, before_ms, STEP_ROWS))?;
    in_steps(store, |conn| content::forget(conn, now_ms, CONTENT_STEP_ROWS))?;
    in_steps(store, |conn| shelf::forget(conn, now_ms, CONTENT_STEP_ROWS))?;
    if archive_days > 0
        && let Err(error) = archive_ledger(store, archive, archive_days, now_ms, ARCHIVE_STEPS)
    {
        tracing::error!(%error, "the ledger is not archived; its rows stay");
    }
    parts::tend(store, now_ms)
}

/// Moves rows older than so many days into the archive, at most so many segments of them; says how many went.
pub fn archive_ledger(
    store: &Store,
    folder: &Path,
    days: u32,
    now_ms: i64,
    segments: usize,
) -> Result<u64, ArchiveError> {
    let age_ms = DAY_MS.saturating_mul(days.max(ARCHIVE_DAYS_MIN).into());
    let mut archived = 0_u64;
    for _ in 0..segments {
        match archive::step(store, folder, now_ms.saturating_sub(age_ms), now_ms)? {
            0 => break,
            rows => archived = archived.saturating_add(rows),
        }
    }
    Ok(archived)
}

/// What is set, or else what is usual; what is no number of days forgets nothing.
fn days(conn: &mut AnyConnection, name: &str, usual: u32) -> Result<u32, StoreError> {
    let chosen = setting::find_chosen(conn, name)?;
    Ok(chosen.map_or(usual, |days| days.parse().unwrap_or(u32::MAX)))
}

/// Takes steps until one finds nothing to do, or enough are taken.
fn in_steps(
    store: &Store,
    step: impl Fn(&mut AnyConnection) -> Result<u64, StoreError>,
) -> Result<(), StoreError> {
    for _ in 0..STEPS {
        if store.write_blocking(&step)? == 0 {
            break;
        }
    }
    Ok(())
}
