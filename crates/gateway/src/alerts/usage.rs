//! Watches usage for what is unlike a key's or a team's usual, as it goes into the ledger.
//!
//! Requests never wait for it: it is shown what was shipped, and what it finds waits, bounded, until it is written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nexus_core::{
    anomaly::{FORGOTTEN_MS, Finding, Seen, Watch, Watched},
    id::Uuid,
    usage::{Outcome, UsageRecord},
};
use nexus_store::{
    AnyConnection, Store, StoreError, Watcher,
    repo::{
        anomaly::{self, Sighting},
        baseline::{self, Kept},
    },
};
use serde_json::json;

/// Findings that may wait; beyond it they are dropped.
const WAITING_MAX: usize = 1_000;
/// Of whom what is usual is kept in one transaction.
pub(super) const KEPT_AT_ONCE: usize = 500;

/// Who watches, and what was found and waits to be written.
#[derive(Clone, Debug, Default)]
pub struct Findings(Arc<Mutex<Watching>>);

#[derive(Debug, Default)]
struct Watching {
    watch: Watch,
    waiting: Vec<Finding>,
}

impl Findings {
    /// Goes on with what is usual by what an earlier process kept.
    pub fn recall(&self, store: &Store) -> Result<(), StoreError> {
        let kept = store.read_blocking(baseline::list)?;
        let mut watching = self.lock();
        kept.into_iter().for_each(|Kept { watched, state, .. }| watching.watch.recall(watched, &state));
        Ok(())
    }

    /// Somebody who watches and puts here what is found.
    pub fn watcher(&self) -> Watcher {
        let findings = self.clone();
        Box::new(move |records| {
            let Watching { watch, waiting } = &mut *findings.lock();
            for record in records {
                let room = WAITING_MAX.saturating_sub(waiting.len());
                waiting.extend(see(watch, record).into_iter().take(room));
            }
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    pub(super) fn take(&self) -> Vec<Finding> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// What was learnt since it was kept last, as far as it is time; all of it where the process ends.
    pub(super) fn learnt(&self, is_end: bool) -> Vec<Kept> {
        let kept = self.lock().watch.keep(is_end).into_iter();
        kept.map(|(watched, seen_at_ms, state)| Kept { watched, seen_at_ms, state }).collect()
    }

    /// Keeps what is usual before the process ends.
    pub fn keep(&self, store: &Store) -> Result<(), StoreError> {
        let learnt = self.learnt(true);
        learnt
            .chunks(KEPT_AT_ONCE)
            .try_for_each(|some| store.write_blocking(|conn| baseline::keep(conn, some)))
    }

    fn lock(&self) -> MutexGuard<'_, Watching> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what is usual of those who were not seen for long.
pub(super) fn forget(conn: &mut AnyConnection, now_ms: i64) -> Result<(), StoreError> {
    baseline::forget(conn, now_ms.saturating_sub(FORGOTTEN_MS))
}

fn see(watch: &mut Watch, record: &UsageRecord) -> Vec<Finding> {
    let seen = Seen {
        at_ms: record.started_at_ms,
        alias: &record.alias,
        is_failed: matches!(record.outcome, Outcome::Failed(_)),
        tokens: record.usage.tokens(),
        cost_nano_usd: record.cost.nano_usd,
    };
    watch.see(record.key, record.team, seen)
}

/// Writes a finding as an anomaly.
pub(super) fn write(
    conn: &mut AnyConnection,
    id: Uuid,
    finding: &Finding,
    now_ms: i64,
) -> Result<(), StoreError> {
    let (key, team) = match finding.watched {
        Watched::Key(key, team) => (Some(key), team),
        Watched::Team(team) => (None, Some(team)),
    };
    let rounded = |number: f64| (number * 1_000.0).round() / 1_000.0;
    let evidence = json!({
        "measure": finding.kind.measure(),
        "observed": rounded(finding.observed),
        "expected": rounded(finding.expected),
        "bound": rounded(finding.bound),
        "window_seconds": finding.window_ms.div_euclid(1000),
    });
    let sighting =
        Sighting { kind: finding.kind.as_str(), team, key, address: None, evidence: evidence.to_string() };
    anomaly::record(conn, id, &sighting, now_ms).map(drop)
}
