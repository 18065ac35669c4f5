//! Watches usage for what is unlike a key's or a team's usual, as it goes into the ledger.
//!
//! Requests never wait for it: it is shown what was shipped, and what it finds waits, bounded, until it is written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nexus_core::{
    anomaly::{Finding, Seen, Watch, Watched},
    id::Uuid,
    usage::{Outcome, UsageRecord},
};
use nexus_store::{
    AnyConnection, StoreError, Watcher,
    repo::anomaly::{self, Sighting},
};
use serde_json::json;

/// Findings that may wait; beyond it they are dropped.
const WAITING_MAX: usize = 1_000;

/// What was found and waits to be written.
#[derive(Clone, Debug, Default)]
pub struct Findings(Arc<Mutex<Vec<Finding>>>);

impl Findings {
    /// Somebody who watches and puts here what is found.
    pub fn watcher(&self) -> Watcher {
        let (mut watch, findings) = (Watch::default(), self.clone());
        Box::new(move |records| {
            let found: Vec<Finding> = records.iter().flat_map(|record| see(&mut watch, record)).collect();
            if !found.is_empty() {
                let mut waiting = findings.lock();
                let room = WAITING_MAX.saturating_sub(waiting.len());
                waiting.extend(found.into_iter().take(room));
            }
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn take(&self) -> Vec<Finding> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Finding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
