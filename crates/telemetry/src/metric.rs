//! Every metric there is: name, kind, labels and help.
//!
//! A name here is a contract with dashboards and alerts: rename none without saying so in the docs.

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises; reset by a restart.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts in [`LATENCY_BUCKETS_S`], with sum and count.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// The upper bounds of every histogram's buckets, in seconds.
pub const LATENCY_BUCKETS_S: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

const TARGET: &[&str] = &["provider", "model"];

pub const REQUESTS: Metric = Metric {
    name: "nexus_requests_total",
    kind: Kind::Counter,
    labels: &["provider", "model", "status"],
    help: "Requests by the provider and alias that served them and by the status the client got; \
           `none` where a request was refused before a target was chosen.",
};
pub const LATENCY: Metric = Metric {
    name: "nexus_latency_seconds",
    kind: Kind::Histogram,
    labels: TARGET,
    help: "From a request's arrival to the end of its answer.",
};
pub const FIRST_TOKEN: Metric = Metric {
    name: "nexus_time_to_first_token_seconds",
    kind: Kind::Histogram,
    labels: TARGET,
    help: "From a request's arrival to the first content of its streamed answer.",
};
pub const TOKENS: Metric = Metric {
    name: "nexus_tokens_total",
    kind: Kind::Counter,
    labels: &["provider", "model", "kind"],
    help: "Tokens by kind; the kinds do not overlap.",
};
pub const UNITS: Metric = Metric {
    name: "nexus_units_total",
    kind: Kind::Counter,
    labels: &["provider", "model", "kind"],
    help: "What was used beside tokens, by kind: searches, tool calls, images, milliseconds, characters.",
};
pub const COST: Metric = Metric {
    name: "nexus_cost_nano_usd_total",
    kind: Kind::Counter,
    labels: &["provider", "model", "bearer"],
    help: "What attempts cost in nano-USD: `charged` to teams, or `absorbed` because nobody got an answer.",
};
pub const UNPRICED: Metric = Metric {
    name: "nexus_unpriced_attempts_total",
    kind: Kind::Counter,
    labels: TARGET,
    help: "Attempts at models nobody has said a price of.",
};
pub const ATTEMPTS: Metric = Metric {
    name: "nexus_upstream_attempts_total",
    kind: Kind::Counter,
    labels: &["provider", "model", "outcome"],
    help: "Attempts at providers: `answered`, `abandoned`, or the class of the fault.",
};
pub const CREDENTIALS_OUT: Metric = Metric {
    name: "nexus_provider_credentials_out",
    kind: Kind::Gauge,
    labels: &["provider"],
    help: "Credentials that their provider refused and that are out of its pool.",
};
pub const BREAKER: Metric = Metric {
    name: "nexus_breaker_state",
    kind: Kind::Gauge,
    labels: TARGET,
    help: "The circuit breaker of a target: 0 closed, 1 half-open, 2 open; the worst where an alias has several at a provider.",
};
pub const TARGET_IN_FLIGHT: Metric = Metric {
    name: "nexus_upstream_in_flight",
    kind: Kind::Gauge,
    labels: TARGET,
    help: "Attempts under way at a target.",
};
pub const QUEUE_LENGTH: Metric = Metric {
    name: "nexus_queue_length",
    kind: Kind::Gauge,
    labels: &["provider"],
    help: "Requests that wait in line for room at a provider, or at one of its models that is bounded by itself.",
};
pub const QUEUE_WAIT: Metric = Metric {
    name: "nexus_queue_wait_seconds",
    kind: Kind::Histogram,
    labels: TARGET,
    help: "How long requests waited in line for room, given any or not; not those whose client left.",
};
pub const RETRIES_LEFT: Metric = Metric {
    name: "nexus_retries_left",
    kind: Kind::Gauge,
    labels: &[],
    help: "Tries beyond requests' first that there may be at once, over all requests.",
};
pub const LEASES: Metric = Metric {
    name: "nexus_leases",
    kind: Kind::Gauge,
    labels: &[],
    help: "Quotas and counters of which this node has leased a part.",
};
pub const LEASE_ROUNDS: Metric = Metric {
    name: "nexus_lease_rounds_total",
    kind: Kind::Counter,
    labels: &["outcome"],
    help: "Rounds in which parts of shared limits were asked for: `answered` or `failed`.",
};
pub const LEASE_WAITS: Metric = Metric {
    name: "nexus_lease_waits_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Times that a call waited a moment because what was leased of a quota was too little for it.",
};
pub const LEASE_ALONE: Metric = Metric {
    name: "nexus_lease_alone_total",
    kind: Kind::Counter,
    labels: &["outcome"],
    help: "Calls for which too little was leased while what nodes share was out of reach: `refused` or `allowed`.",
};
pub const LEASE_TAMPERED: Metric = Metric {
    name: "nexus_lease_tampered_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Texts of shared limits that no node had written, and that were ignored.",
};
pub const PROMISES_ALONE: Metric = Metric {
    name: "nexus_promises_alone_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Requests with an `Idempotency-Key` of which no other node could be asked whether it was used there.",
};
pub const SIGNATURES_ALONE: Metric = Metric {
    name: "nexus_signatures_alone_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Signed requests of which no other node could be asked whether their nonce was used there.",
};
pub const SHARING_UP: Metric = Metric {
    name: "nexus_sharing_up",
    kind: Kind::Gauge,
    labels: &[],
    help: "Whether what nodes share is in reach: 1 or 0; there only where limits are shared.",
};
pub const DEGRADED: Metric = Metric {
    name: "nexus_degraded",
    kind: Kind::Gauge,
    labels: &["mode"],
    help: "Whether the node does without something just now: 1 or 0.",
};
pub const DEGRADED_TIMES: Metric = Metric {
    name: "nexus_degraded_total",
    kind: Kind::Counter,
    labels: &["mode"],
    help: "How often the node had to begin to do without something.",
};
pub const REPEATED: Metric = Metric {
    name: "nexus_repeated_answers_total",
    kind: Kind::Counter,
    labels: &["kind"],
    help: "Requests that were given what another one got: `cached`, `coalesced` with one under way, or `replayed` \
           to an idempotency key.",
};
pub const CACHE_MISSES: Metric = Metric {
    name: "nexus_cache_misses_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Requests whose answer might have been kept, by their route's rule, and was not.",
};
pub const KEPT_BYTES: Metric = Metric {
    name: "nexus_kept_answers_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Bytes of answers that are kept for the rules of routes and for idempotency keys.",
};
pub const IN_FLIGHT: Metric = Metric {
    name: "nexus_requests_in_flight",
    kind: Kind::Gauge,
    labels: &[],
    help: "Requests that have arrived and not ended.",
};
pub const REFUSALS: Metric = Metric {
    name: "nexus_refusals_total",
    kind: Kind::Counter,
    labels: &["code"],
    help: "Requests the gateway itself refused, by error code.",
};
pub const JOURNAL_BYTES: Metric = Metric {
    name: "nexus_usage_journal_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Bytes in the usage journal that are not in the database yet.",
};
pub const JOURNAL_DAMAGED: Metric = Metric {
    name: "nexus_usage_journal_damaged_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Bytes in the usage journal passed over since the start because they are no records.",
};
pub const JOURNAL_FAILURES: Metric = Metric {
    name: "nexus_usage_journal_shipping_failures",
    kind: Kind::Gauge,
    labels: &[],
    help: "Tries to bring the usage journal into the database that failed since one succeeded.",
};
pub const JOURNAL_AGE: Metric = Metric {
    name: "nexus_usage_journal_age_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "Seconds since the database had everything that was in the usage journal; 0 while it has.",
};
pub const JOURNAL_FAILING: Metric = Metric {
    name: "nexus_usage_journal_failing",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 while the usage journal cannot be written or synced, as on a full disk.",
};
pub const BOOKING_FAILURES: Metric = Metric {
    name: "nexus_usage_journal_booking_failures_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Usage records that could not be made durable when they were booked.",
};
pub const CONTENT_DROPPED: Metric = Metric {
    name: "nexus_content_dropped_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Requests whose content should have been kept and was not, because the queue was full or the database took nothing.",
};
pub const REVISION_REFUSED: Metric = Metric {
    name: "nexus_revision_refused",
    kind: Kind::Gauge,
    labels: &[],
    help: "Whether the newest revision of the configuration could not be put in force here, and the last good one stands: 1 or 0.",
};
pub const KEYS_ENDING: Metric = Metric {
    name: "nexus_keys_expiring_soon",
    kind: Kind::Gauge,
    labels: &[],
    help: "Keys that are good and end within seven days; session keys are not among them.",
};
pub const LOG_LINES_DROPPED: Metric = Metric {
    name: "nexus_log_lines_dropped_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Log lines lost because the queue was full or the output could not be written.",
};
pub const BUILD_INFO: Metric = Metric {
    name: "nexus_build_info",
    kind: Kind::Gauge,
    labels: &["version"],
    help: "Always 1; the label says which version runs.",
};

/// All of them, in the order of the docs.
pub const ALL: [&Metric; 40] = [
    &REQUESTS,
    &LATENCY,
    &FIRST_TOKEN,
    &TOKENS,
    &UNITS,
    &COST,
    &UNPRICED,
    &ATTEMPTS,
    &CREDENTIALS_OUT,
    &BREAKER,
    &TARGET_IN_FLIGHT,
    &QUEUE_LENGTH,
    &QUEUE_WAIT,
    &RETRIES_LEFT,
    &LEASES,
    &LEASE_ROUNDS,
    &LEASE_WAITS,
    &LEASE_ALONE,
    &LEASE_TAMPERED,
    &PROMISES_ALONE,
    &SIGNATURES_ALONE,
    &SHARING_UP,
    &DEGRADED,
    &DEGRADED_TIMES,
    &REPEATED,
    &CACHE_MISSES,
    &KEPT_BYTES,
    &IN_FLIGHT,
    &REFUSALS,
    &JOURNAL_BYTES,
    &JOURNAL_DAMAGED,
    &JOURNAL_FAILURES,
    &JOURNAL_AGE,
    &JOURNAL_FAILING,
    &BOOKING_FAILURES,
    &CONTENT_DROPPED,
    &REVISION_REFUSED,
    &KEYS_ENDING,
    &LOG_LINES_DROPPED,
    &BUILD_INFO,
];
