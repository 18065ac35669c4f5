//! Keeps the trail and what else grows: begins its days, forgets what is past its time, tells its anchors and the
//! keys that will soon be good no more.
//!
//! Forgetting goes in small transactions, a bounded number of them a minute, so that requests to the database
//! never wait long. What may go is the store's to decide; here it is only asked for.

use std::{path::PathBuf, sync::Arc};

use nexus_engine::port::Clock;
use nexus_store::{
    Store, StoreError,
    repo::{
        audit::{self, Anchor, RETENTION_DAYS_MIN},
        idempotency, key, setting, user_session,
    },
};
use nexus_telemetry::meters::Meters;

use crate::{nodes::UPKEEP, reprice::advance, retention};

/// The setting that says how many days the trail is kept.
const RETENTION_DAYS: &str = "audit_retention_days";

/// Milliseconds between two rounds.
const ROUND_MS: u64 = 60_000;
/// Milliseconds between two anchors of a day.
const ANCHOR_MS: u64 = 3_600_000;
/// A key ends soon that is good for less than this, in milliseconds.
const SOON_MS: i64 = 7 * 86_400_000;
/// Milliseconds between two warnings of keys that end.
const WARNING_MS: u64 = 86_400_000;
/// Keys a warning names.
const WARNING_KEYS: u32 = 20;
/// How long a session key is shown after its end, in milliseconds.
const ENDED_SHOWN_MS: i64 = 7 * 86_400_000;
/// Rows forgotten in one transaction.
const STEP_ROWS: u32 = 500;
/// Transactions of that kind in a round.
const STEPS: usize = 20;

/// Steps of a job that prices past usage again, in a turn.
const REPRICE_STEPS: usize = 20;

/// Tends the trail.
pub struct Upkeep {
    store: Store,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    /// The folder of the ledger's archive.
    archive: PathBuf,
    round_at_ms: Option<i64>,
    anchored_at_ms: Option<i64>,
    warned_at_ms: Option<i64>,
    /// The newest anchor that was told.
    anchor: Option<Anchor>,
}

impl Upkeep {
    pub fn new(store: Store, clock: Arc<dyn Clock>, meters: Arc<Meters>, archive: PathBuf) -> Self {
        let (round_at_ms, anchored_at_ms, warned_at_ms) = (None, None, None);
        Self { store, clock, meters, archive, round_at_ms, anchored_at_ms, warned_at_ms, anchor: None }
    }

    /// Does what is due under the lease with this token.
    pub fn turn_as(&mut self, token: i64) -> Result<(), StoreError> {
        self.store = self.store.fenced(UPKEEP, token);
        self.turn()
    }

    /// Does a round where one is due.
    pub fn turn(&mut self) -> Result<(), StoreError> {
        let now_ms = self.clock.unix_ms();
        advance(&self.store, None, now_ms, REPRICE_STEPS)?;
        if is_due(self.round_at_ms, ROUND_MS, now_ms) {
            self.round(now_ms)?;
            self.round_at_ms = Some(now_ms);
        }
        Ok(())
    }

    fn round(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.store.write_blocking(|conn| audit::begin_day(conn, now_ms))?;
        self.store.write_blocking(|conn| {
            idempotency::purge(conn, now_ms)?;
            user_session::delete_expired(conn, now_ms)
        })?;
        self.forget_sessions(now_ms)?;
        self.forget(now_ms)?;
        retention::round(&self.store, &self.archive, now_ms)?;
        for anchor in self.news(now_ms)? {
            let Anchor { day, last_seq, last_hash } = anchor;
            tracing::info!(day, last_seq, last_hash, "audit anchor");
        }
        if let Some(Ending { count, some }) = self.ending(now_ms)? {
            tracing::warn!(count, some, "keys will be good no more within seven days; rotate them");
        }
        Ok(())
    }

    /// Forgets session keys that ended days ago.
    fn forget_sessions(&self, now_ms: i64) -> Result<(), StoreError> {
        let before_ms = now_ms.saturating_sub(ENDED_SHOWN_MS);
        for _ in 0..STEPS {
            let step = |conn: &mut _| key::delete_ended_sessions(conn, before_ms, STEP_ROWS);
            if self.store.write_blocking(step)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Counts the keys that soon end; once a day, where there are any, they are to be told.
    fn ending(&mut self, now_ms: i64) -> Result<Option<Ending>, StoreError> {
        let until_ms = now_ms.saturating_add(SOON_MS);
        let (count, some) = self.store.read_blocking(|conn| {
            let count = key::count_ending_before(conn, until_ms, now_ms)?;
            Ok((count, key::ending_before(conn, None, until_ms, WARNING_KEYS, now_ms)?))
        })?;
        self.meters.keys_ending(count);
        if count == 0 || !is_due(self.warned_at_ms, WARNING_MS, now_ms) {
            return Ok(None);
        }
        self.warned_at_ms = Some(now_ms);
        let some: Vec<String> = some.iter().map(|key| key.id.to_string()).collect();
        Ok(Some(Ending { count, some: some.join(" ") }))
    }

    /// Forgets rows of the trail whose day is past its retention.
    fn forget(&self, now_ms: i64) -> Result<u64, StoreError> {
        let days = self.store.read_blocking(|conn| setting::find_chosen(conn, RETENTION_DAYS))?;
        // what is no number of days forgets nothing early
        let days = days.map_or(RETENTION_DAYS_MIN.into(), |days| days.parse().unwrap_or(u32::MAX));
        let mut forgotten = 0_u64;
        for _ in 0..STEPS {
            match self.store.write_blocking(|conn| audit::purge(conn, days, STEP_ROWS, now_ms))? {
                0 => break,
                rows => forgotten = forgotten.saturating_add(rows),
            }
        }
        Ok(forgotten)
    }

    /// The anchors to be told: of every day that was sealed since, and once an hour of the open one.
    fn news(&mut self, now_ms: i64) -> Result<Vec<Anchor>, StoreError> {
        let mut anchors = self.store.read_blocking(audit::anchors)?;
        let Some(newest) = anchors.last() else { return Ok(anchors) };
        let is_new_day = self.anchor.as_ref().is_none_or(|told| told.day != newest.day);
        if !is_new_day && !is_due(self.anchored_at_ms, ANCHOR_MS, now_ms) {
            return Ok(Vec::new());
        }
        let told = self.anchor.replace(newest.clone());
        self.anchored_at_ms = Some(now_ms);
        // the first time, of the last sealed day and the open one
        let from = told.as_ref().map_or_else(
            || anchors.len().saturating_sub(2),
            |told| anchors.partition_point(|anchor| anchor.day < told.day),
        );
        anchors.drain(..from);
        anchors.retain(|anchor| Some(anchor) != told.as_ref());
        Ok(anchors)
    }
}

/// Keys that soon end.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    count: u64,
    /// The ids of the oldest of them.
    some: String,
}

/// A moment in the future, after the clock was set back, is as long ago as it is ahead.
fn is_due(last_ms: Option<i64>, period_ms: u64, now_ms: i64) -> bool {
    last_ms.is_none_or(|last_ms| now_ms.abs_diff(last_ms) >= period_ms)
}

#[cfg(test)]
mod tests;
