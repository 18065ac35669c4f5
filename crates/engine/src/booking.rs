//! Prices a closed record, books it and counts it: the one door from the pipeline to the ledger.

use std::sync::Arc;

use nexus_core::{
    catalogue::Target,
    flow::place::{Place, Taken},
    id::{AttemptId, RequestId},
    usage::{Bearer, Cost, Outcome, PassedOver, Pricing, Repeat, Source, Trace, Usage, UsageRecord},
};
use nexus_telemetry::target::TargetMeters;

use crate::{
    hold::Hold,
    port::{Clock, Ledger, Unbooked},
    pricing::Priced,
    shared::Shared,
    stage::resolve::Routed,
};

/// On whose account an attempt goes.
#[derive(Clone)]
pub struct Account {
    pub meters: Arc<TargetMeters>,
    pub priced: Priced,
    pub hold: Option<Arc<Hold>>,
    pub tokens: Option<Arc<Tokens>>,
}

/// What was taken of token limits, to be put right by what is booked.
pub struct Tokens {
    /// Of the caller's; what a failed attempt used is not the caller's to bear.
    own: Option<Arc<Taken>>,
    /// Of the target's.
    there: Option<Arc<Taken>>,
    clock: Arc<dyn Clock>,
}

impl Tokens {
    pub fn of(own: Option<&Place>, there: Option<&Place>, clock: &Arc<dyn Clock>) -> Option<Arc<Self>> {
        let [own, there] = [own, there].map(|place| place?.taken());
        let is_any = own.is_some() || there.is_some();
        is_any.then(|| Arc::new(Self { own, there, clock: Arc::clone(clock) }))
    }

    fn settle(&self, record: &UsageRecord) {
        let (used, now_us) = (record.usage.tokens(), self.clock.monotonic_us());
        let own = self.own.as_ref().filter(|_| record.bearer() == Bearer::Team);
        for taken in own.into_iter().chain(&self.there) {
            taken.settle(used, now_us);
        }
    }
}

/// Prices a closed record, makes it durable, settles what was held for it and counts what it used. A ledger
/// that cannot take it is reported and counted. It is an error where the answer is not to be given then: nobody is
/// charged for what he did not get.
pub fn book(ledger: &dyn Ledger, account: &Account, mut record: UsageRecord) -> Result<(), Unbooked> {
    let Account { meters, priced, hold, tokens } = account;
    record.cost = priced.cost(&record.usage, record.source, record.cost.tier);
    meters.attempt(word(record.outcome));
    for (quantity, count) in record.usage.counts() {
        if quantity.is_token() {
            meters.tokens(quantity.as_str(), count);
        } else {
            meters.units(quantity.as_str(), count);
        }
    }
    let booked = ledger.book(&record).inspect_err(|_| {
        tracing::error!(attempt = %record.attempt, "usage could not be booked");
    });
    let booked = booked.or_else(|unbooked| if ledger.gives_unbooked() { Ok(()) } else { Err(unbooked) });
    let bearer = match record.bearer() {
        Bearer::Team if booked.is_ok() => "charged",
        Bearer::Team | Bearer::Platform => "absorbed",
    };
    meters.cost(bearer, record.cost.nano_usd);
    if record.cost.pricing.is_unpriced() {
        meters.unpriced();
    }
    if let Some(tokens) = tokens {
        tokens.settle(&record);
    }
    if let Some(hold) = hold.as_ref().filter(|_| booked.is_ok()) {
        hold.settle(&record);
    }
    booked
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
        region: target.region.clone(),
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
        labels: routed.asked.labels.clone(),
        trace: Trace { request_bytes: routed.asked.body.len() as u64, ..Trace::default() },
        passed_over: PassedOver::default(),
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
