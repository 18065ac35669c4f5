//! What is counted about one provider and alias.
//!
//! Recording is a few atomic operations; only the first record of a series registers it and allocates.
//! Histograms keep their samples until the exporter's upkeep folds them into buckets.

use std::sync::{Arc, OnceLock};

use metrics::{Counter, Gauge, Histogram, SharedString};

use crate::{metric, registry::Registry, slots::Slots};

/// The statuses that have a label of their own; every other one is counted by its class, as `4xx`.
pub const STATUSES: [u16; 22] = [
    200, 201, 202, 204, 400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 429, 499, 500, 501, 502, 503,
    504,
];

/// The meters of one provider and alias.
pub struct TargetMeters {
    registry: Registry,
    provider: Arc<str>,
    model: Arc<str>,
    /// By status; by its hundreds where the status has no label of its own.
    requests: Slots<u16, 32>,
    latency: OnceLock<Histogram>,
    first_token: OnceLock<Histogram>,
    queue_wait: OnceLock<Histogram>,
    breaker: OnceLock<Gauge>,
    in_flight: OnceLock<Gauge>,
    tokens: Slots<&'static str, 16>,
    units: Slots<&'static str, 16>,
    cost: Slots<&'static str, 2>,
    unpriced: OnceLock<Counter>,
    attempts: Slots<&'static str, 32>,
}

impl TargetMeters {
    pub(crate) fn new(registry: Registry, provider: &str, model: &str) -> Self {
        Self {
            registry,
            provider: provider.into(),
            model: model.into(),
            requests: Slots::new(),
            latency: OnceLock::new(),
            first_token: OnceLock::new(),
            queue_wait: OnceLock::new(),
            breaker: OnceLock::new(),
            in_flight: OnceLock::new(),
            tokens: Slots::new(),
            units: Slots::new(),
            cost: Slots::new(),
            unpriced: OnceLock::new(),
            attempts: Slots::new(),
        }
    }

    /// A request has ended with this status for the client, so long after its arrival.
    pub fn request_done(&self, status: u16, latency_us: u64) {
        let key = if STATUSES.contains(&status) { status } else { (status / 100).min(9) };
        let label = |key: Option<u16>| match key {
            Some(status @ 100..) => status.to_string(),
            Some(class @ 1..=5) => format!("{class}xx"),
            _ => "other".to_owned(),
        };
        let register = |key| self.registry.counter(&metric::REQUESTS, self.labels(label(key)));
        self.requests.find(key, register).increment(1);
        self.histogram(&self.latency, &metric::LATENCY).record(seconds(latency_us));
    }

    /// The first content of a streamed answer came, so long after the request's arrival.
    pub fn first_token(&self, after_us: u64) {
        self.histogram(&self.first_token, &metric::FIRST_TOKEN).record(seconds(after_us));
    }

    /// A request has waited in line so long, given room or not.
    pub fn waited(&self, for_us: u64) {
        self.histogram(&self.queue_wait, &metric::QUEUE_WAIT).record(seconds(for_us));
    }

    /// The target's breaker (0 closed, 1 half-open, 2 open) and what is under way there, as of now.
    pub fn health(&self, breaker: u8, in_flight: u32) {
        let labels = || [Arc::clone(&self.provider).into(), Arc::clone(&self.model).into()];
        let gauge = |metric| self.registry.gauge(metric, labels());
        self.breaker.get_or_init(|| gauge(&metric::BREAKER)).set(f64::from(breaker));
        self.in_flight.get_or_init(|| gauge(&metric::TARGET_IN_FLIGHT)).set(f64::from(in_flight));
    }

    /// So many tokens of this kind were used. `kind` is a fixed word; zero makes no series.
    pub fn tokens(&self, kind: &'static str, count: u64) {
        if count > 0 {
            self.word(&self.tokens, &metric::TOKENS, kind, count);
        }
    }

    /// So much of something that is no token was used.
    pub fn units(&self, kind: &'static str, count: u64) {
        if count > 0 {
            self.word(&self.units, &metric::UNITS, kind, count);
        }
    }

    /// An attempt cost this; `bearer` is `charged` or `absorbed`.
    pub fn cost(&self, bearer: &'static str, nano_usd: u64) {
        if nano_usd > 0 {
            self.word(&self.cost, &metric::COST, bearer, nano_usd);
        }
    }

    /// An attempt used something for which nobody has said a price.
    pub fn unpriced(&self) {
        let labels = || [Arc::clone(&self.provider).into(), Arc::clone(&self.model).into()];
        self.unpriced.get_or_init(|| self.registry.counter(&metric::UNPRICED, labels())).increment(1);
    }

    /// An attempt has ended. `outcome` is `answered`, `abandoned` or the fault class's word.
    pub fn attempt(&self, outcome: &'static str) {
        self.word(&self.attempts, &metric::ATTEMPTS, outcome, 1);
    }

    fn word<const N: usize>(
        &self,
        slots: &Slots<&'static str, N>,
        metric: &metric::Metric,
        word: &'static str,
        count: u64,
    ) {
        let register =
            |key: Option<&'static str>| self.registry.counter(metric, self.labels(key.unwrap_or("other")));
        slots.find(word, register).increment(count);
    }

    fn histogram<'a>(&self, place: &'a OnceLock<Histogram>, metric: &metric::Metric) -> &'a Histogram {
        let labels = || [Arc::clone(&self.provider).into(), Arc::clone(&self.model).into()];
        place.get_or_init(|| self.registry.histogram(metric, labels()))
    }

    fn labels(&self, third: impl Into<SharedString>) -> [SharedString; 3] {
        [Arc::clone(&self.provider).into(), Arc::clone(&self.model).into(), third.into()]
    }
}

/// A gauge and a histogram count in floating point; 2^53 microseconds are 285 years.
fn seconds(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}
