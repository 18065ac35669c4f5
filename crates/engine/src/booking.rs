//! Books a record and counts it: the one door from the pipeline to the ledger.

use nexus_core::usage::{Outcome, UsageRecord};
use nexus_telemetry::target::TargetMeters;

use crate::port::Ledger;

/// Makes a closed record durable and counts its tokens. A ledger that cannot take it is reported and
/// counted; the answer, which exists and may have been paid for, is not held back for it.
pub fn book(ledger: &dyn Ledger, meters: &TargetMeters, record: &UsageRecord) {
    meters.attempt(word(record.outcome));
    for (kind, tokens) in record.usage.kinds() {
        if tokens > 0 {
            meters.tokens(kind, tokens);
        }
    }
    if ledger.book(record).is_err() {
        tracing::error!(attempt = %record.attempt, "usage could not be booked");
    }
}

/// How an attempt ended, as a metric label.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed(class) => class.as_str(),
        Outcome::Answered | Outcome::Abandoned => outcome.as_str(),
    }
}
