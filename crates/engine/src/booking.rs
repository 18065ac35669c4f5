//! Books a record and counts it: the one door from the pipeline to the ledger.

use nexus_core::usage::{Outcome, UsageRecord};
use nexus_telemetry::target::TargetMeters;

use crate::port::Ledger;

/// Makes a closed record durable and counts what it used. A ledger that cannot take it is reported and
/// counted; the answer, which exists and may have been paid for, is not held back for it.
pub fn book(ledger: &dyn Ledger, meters: &TargetMeters, record: &UsageRecord) {
    meters.attempt(word(record.outcome));
    for (quantity, count) in record.usage.counts() {
        if quantity.is_token() {
            meters.tokens(quantity.as_str(), count);
        } else {
            meters.units(quantity.as_str(), count);
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
