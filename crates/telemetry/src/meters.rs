//! What is counted about the whole process, and the door to the meters of each target.
//!
//! The number of series is bounded: beyond [`TARGETS_MAX`] pairs of provider and alias every new pair
//! counts under `other`. Callers pass configured names only.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::{Counter, Gauge};

use crate::{metric, registry::Registry, slots::Slots, target::TargetMeters};

/// How many pairs of provider and alias have meters of their own.
pub const TARGETS_MAX: usize = 2_000;
/// A longer label value is cut, at a character.
const LABEL_MAX_BYTES: usize = 128;

/// How much usage waits in the journal for the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub bytes: u64,
    /// Bytes passed over since the start because they are no records.
    pub damaged_bytes: u64,
    /// Tries that failed since one succeeded.
    pub failures_in_a_row: u32,
    /// How long ago the database had everything.
    pub behind_seconds: u64,
    /// Whether the journal cannot be written or synced.
    pub is_failing: bool,
}

/// What has come of sharing limits with other nodes, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Quotas of which something is leased, as of now.
    pub leased: u64,
    /// Calls for which what was leased was too little.
    pub short: u64,
    /// Of those while nobody could be asked.
    pub refused: u64,
    pub allowed: u64,
}

/// Every meter of the process. Shared by all threads.
pub struct Meters {
    registry: Registry,
    targets: Mutex<Targets>,
    unrouted: Arc<TargetMeters>,
    other: Arc<TargetMeters>,
    in_flight: Gauge,
    retries_left: Gauge,
    repeated: Slots<&'static str, 4>,
    cache_misses: Counter,
    kept_bytes: Gauge,
    refusals: Slots<&'static str, 64>,
    journal_bytes: Gauge,
    journal_damaged: Gauge,
    journal_failures: Gauge,
    journal_age: Gauge,
    journal_failing: Gauge,
    booking_failures: Counter,
    content_dropped: Counter,
    revision_refused: Gauge,
    keys_ending: Gauge,
    log_lines_dropped: Counter,
}

#[derive(Default)]
struct Targets {
    by_provider: HashMap<Box<str>, HashMap<Box<str>, Arc<TargetMeters>>>,
    count: usize,
}

impl Meters {
    pub(crate) fn new(registry: Registry) -> Self {
        registry.gauge(&metric::BUILD_INFO, [env!("CARGO_PKG_VERSION").into()]).set(1.0);
        Self {
            targets: Mutex::default(),
            unrouted: Arc::new(TargetMeters::new(registry.clone(), "none", "none")),
            other: Arc::new(TargetMeters::new(registry.clone(), "other", "other")),
            in_flight: registry.gauge(&metric::IN_FLIGHT, []),
            retries_left: registry.gauge(&metric::RETRIES_LEFT, []),
            repeated: Slots::new(),
            cache_misses: registry.counter(&metric::CACHE_MISSES, []),
            kept_bytes: registry.gauge(&metric::KEPT_BYTES, []),
            refusals: Slots::new(),
            journal_bytes: registry.gauge(&metric::JOURNAL_BYTES, []),
            journal_damaged: registry.gauge(&metric::JOURNAL_DAMAGED, []),
            journal_failures: registry.gauge(&metric::JOURNAL_FAILURES, []),
            journal_age: registry.gauge(&metric::JOURNAL_AGE, []),
            journal_failing: registry.gauge(&metric::JOURNAL_FAILING, []),
            booking_failures: registry.counter(&metric::BOOKING_FAILURES, []),
            content_dropped: registry.counter(&metric::CONTENT_DROPPED, []),
            revision_refused: registry.gauge(&metric::REVISION_REFUSED, []),
            keys_ending: registry.gauge(&metric::KEYS_ENDING, []),
            log_lines_dropped: registry.counter(&metric::LOG_LINES_DROPPED, []),
            registry,
        }
    }

    /// The meters of a configured provider and alias, made where they are new. Takes a lock: call it
    /// when the world is built, or at most once a request.
    pub fn for_target(&self, provider: &str, model: &str) -> Arc<TargetMeters> {
        let (provider, model) = (bounded(provider), bounded(model));
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = targets.by_provider.get(provider).and_then(|models| models.get(model)) {
            return Arc::clone(known);
        }
        if targets.count >= TARGETS_MAX {
            return Arc::clone(&self.other);
        }
        targets.count += 1;
        let made = Arc::new(TargetMeters::new(self.registry.clone(), provider, model));
        targets.by_provider.entry(provider.into()).or_default().insert(model.into(), Arc::clone(&made));
        made
    }

    /// The meters of requests that were refused before a target was chosen.
    pub fn unrouted(&self) -> &Arc<TargetMeters> {
        &self.unrouted
    }

    /// A request has arrived; it counts as in flight until the guard is dropped.
    pub fn arrive(&self) -> InFlight {
        self.in_flight.increment(1.0);
        InFlight(self.in_flight.clone())
    }

    /// Tries there may be beyond requests' first, as of now.
    pub fn retries_left(&self, tries: u64) {
        self.retries_left.set(tries as f64);
    }

    /// What has come of sharing limits.
    pub fn shares(&self, shares: Shares) {
        let alone = |outcome: &'static str| self.registry.counter(&metric::LEASE_ALONE, [outcome.into()]);
        self.registry.gauge(&metric::LEASES, []).set(shares.leased as f64);
        self.registry.counter(&metric::LEASE_WAITS, []).absolute(shares.short);
        alone("refused").absolute(shares.refused);
        alone("allowed").absolute(shares.allowed);
    }

    /// A round of asks is over; `outcome` is a fixed word.
    pub fn share_round(&self, outcome: &'static str) {
        self.registry.counter(&metric::LEASE_ROUNDS, [outcome.into()]).increment(1);
    }

    /// Shared limits that somebody else wrote.
    pub fn tampered(&self, texts: u64) {
        self.registry.counter(&metric::LEASE_TAMPERED, []).increment(texts);
    }

    /// Of a request with an `Idempotency-Key` only this node could say whether it was new.
    pub fn promise_unheard(&self) {
        self.registry.counter(&metric::PROMISES_ALONE, []).increment(1);
    }

    /// Of a signed request only this node could say whether it was new.
    pub fn claim_unheard(&self) {
        self.registry.counter(&metric::SIGNATURES_ALONE, []).increment(1);
    }

    /// Whether what nodes share is in reach.
    pub fn keeper_is_there(&self, is_there: bool) {
        self.registry.gauge(&metric::SHARING_UP, []).set(f64::from(u8::from(is_there)));
    }

    /// Whether the node does without something, and whether that began just now; `mode` is a fixed word.
    pub fn degraded(&self, mode: &'static str, is_so: bool, begins: bool) {
        self.registry.gauge(&metric::DEGRADED, [mode.into()]).set(f64::from(u8::from(is_so)));
        self.registry.counter(&metric::DEGRADED_TIMES, [mode.into()]).increment(u64::from(begins));
    }

    /// A request was given what another one got; `kind` is a fixed word.
    pub fn repeated(&self, kind: &'static str) {
        let register = |key: Option<&'static str>| {
            self.registry.counter(&metric::REPEATED, [key.unwrap_or("other").into()])
        };
        self.repeated.find(kind, register).increment(1);
    }

    /// An answer that might have been kept was not.
    pub fn cache_missed(&self) {
        self.cache_misses.increment(1);
    }

    /// Bytes of answers that are kept, as of now.
    pub fn kept_bytes(&self, bytes: u64) {
        self.kept_bytes.set(bytes as f64);
    }

    /// The gateway refused a request. `code` is a fixed word of the error table.
    pub fn refused(&self, code: &'static str) {
        let register = |key: Option<&'static str>| {
            self.registry.counter(&metric::REFUSALS, [key.unwrap_or("other").into()])
        };
        self.refusals.find(code, register).increment(1);
    }

    /// What waits in the usage journal as of now.
    pub fn journal(&self, backlog: Backlog) {
        self.journal_bytes.set(backlog.bytes as f64);
        self.journal_damaged.set(backlog.damaged_bytes as f64);
        self.journal_failures.set(f64::from(backlog.failures_in_a_row));
        self.journal_age.set(backlog.behind_seconds as f64);
        self.journal_failing.set(f64::from(u8::from(backlog.is_failing)));
    }

    /// How many credentials of a configured provider are out. For when that changes, and never on a request's way.
    pub fn credentials_out(&self, provider: &str, count: usize) {
        let gauge = self.registry.gauge(&metric::CREDENTIALS_OUT, [bounded(provider).to_owned().into()]);
        gauge.set(count as f64);
    }

    /// How many wait in line at a configured provider, as of now. Never on a request's way.
    pub fn queue_length(&self, provider: &str, count: usize) {
        let gauge = self.registry.gauge(&metric::QUEUE_LENGTH, [bounded(provider).to_owned().into()]);
        gauge.set(count as f64);
    }

    /// A usage record could not be made durable.
    pub fn booking_failed(&self) {
        self.booking_failures.increment(1);
    }

    /// What so many requests said should have been kept and was not.
    pub fn content_dropped(&self, requests: u64) {
        self.content_dropped.increment(requests);
    }

    /// How many keys end within days.
    pub fn revision_refused(&self, is_refused: bool) {
        self.revision_refused.set(f64::from(u8::from(is_refused)));
    }

    pub fn keys_ending(&self, count: u64) {
        self.keys_ending.set(count as f64);
    }

    /// How many log lines were lost since the start.
    pub(crate) fn log_lines_dropped(&self, total: u64) {
        self.log_lines_dropped.absolute(total);
    }
}

/// A request under way.
#[must_use = "the request counts as ended when this is dropped"]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

fn bounded(label: &str) -> &str {
    label.get(..label.floor_char_boundary(LABEL_MAX_BYTES)).unwrap_or(label)
}
