//! Prices a closed record, books it and counts it: the one door from the pipeline to the ledger.

use std::sync::Arc;

use nexus_core::usage::{Bearer, Outcome, Pricing, UsageRecord};
use nexus_telemetry::target::TargetMeters;

use crate::{hold::Hold, port::Ledger, pricing::Priced};

/// On whose account an attempt goes.
#[derive(Clone)]
pub struct Account {
    pub meters: Arc<TargetMeters>,
    pub priced: Priced,
    pub hold: Option<Arc<Hold>>,
}

/// Prices a closed record, makes it durable, settles what was held for it and counts what it used. A ledger
/// that cannot take it is reported and counted; the answer, which exists and may have been paid for, is not
/// held back for it.
pub fn book(ledger: &dyn Ledger, account: &Account, mut record: UsageRecord) {
    let Account { meters, priced, hold } = account;
    record.cost = priced.cost(&record.usage, record.source, record.cost.tier);
    meters.attempt(word(record.outcome));
    for (quantity, count) in record.usage.counts() {
        if quantity.is_token() {
            meters.tokens(quantity.as_str(), count);
        } else {
            meters.units(quantity.as_str(), count);
        }
    }
    let bearer = match record.bearer() {
        Bearer::Team => "charged",
        Bearer::Platform => "absorbed",
    };
    meters.cost(bearer, record.cost.nano_usd);
    if record.cost.pricing == Pricing::Unknown {
        meters.unpriced();
    }
    if ledger.book(&record).is_err() {
        tracing::error!(attempt = %record.attempt, "usage could not be booked");
    }
    if let Some(hold) = hold {
        hold.settle(&record);
    }
}

/// How an attempt ended, as a metric label.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed(class) => class.as_str(),
        Outcome::Answered | Outcome::Abandoned => outcome.as_str(),
    }
}
