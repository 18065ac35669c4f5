//! Prices a closed record, books it and counts it: the one door from the pipeline to the ledger.

use std::sync::Arc;

use nexus_core::{
    catalogue::Target,
    id::{AttemptId, RequestId},
    usage::{Bearer, Cost, Outcome, Pricing, Repeat, Source, Usage, UsageRecord},
};
use nexus_telemetry::target::TargetMeters;

use crate::{hold::Hold, port::Ledger, pricing::Priced, shared::Shared, stage::resolve::Routed};

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

/// Books a request that was given what another got. It is no attempt at the target: nothing was sent there.
pub fn book_repeated(
    shared: &Shared,
    routed: &Routed,
    target: &Target,
    (attempt, request): (AttemptId, RequestId),
    repeat: Repeat,
) {
    let call = &routed.asked.call;
    let record = UsageRecord {
        attempt,
        request,
        attempt_number: 1,
        key: routed.caller.key,
        team: routed.caller.team,
        operation: call.operation,
        alias: call.alias.as_str().into(),
        provider: target.provider.id,
        provider_name: Arc::clone(&target.provider.name),
        real_model: target.model_for(&routed.to.name).into(),
        is_stream: call.is_stream,
        outcome: Outcome::Repeated(repeat),
        status: 200,
        usage: Usage::default(),
        source: Source::Nothing,
        doubt: None,
        cost: Cost { pricing: Pricing::Known, ..Cost::default() },
        raw_usage: None,
        provider_request_id: None,
        started_at_ms: shared.clock.unix_ms(),
        first_token_us: None,
        duration_us: 0,
    };
    shared.meters.repeated(repeat.as_str());
    if shared.ledger.book(&record).is_err() {
        tracing::error!(%request, "a repeated answer could not be booked");
    }
}

/// How an attempt ended, as a metric label.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed(class) => class.as_str(),
        outcome => outcome.as_str(),
    }
}
