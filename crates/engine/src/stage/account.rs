//! Stage 9, account: every attempt is booked exactly once, answered, failed or abandoned.
//!
//! A [`Bill`] is opened before the attempt is sent and settles itself when it is dropped, so that no
//! way out of the pipeline, cancellation included, can skip the ledger.

use std::sync::Arc;

use nexus_core::{
    catalogue::Target,
    fault::Fault,
    flow::place::Place,
    health::Seat,
    id::{AttemptId, RequestId},
    usage::{Cost, Outcome, PassedOver, Source, Trace, Usage, UsageRecord},
};
use nexus_providers::dialect::Consumed;
use nexus_telemetry::target::TargetMeters;

use crate::{
    booking::{self, Account, Tokens},
    estimate::{Job, Prompt, count},
    hedge::Race,
    hold::Hold,
    port::Unbooked,
    pricing::Priced,
    relay::{cutter::Cutter, orphan::Bounds},
    shared::Shared,
    stage::resolve::Routed,
};

/// The status booked for a client that went away; never sent to anyone.
pub const CLIENT_GONE: u16 = 499;

/// An attempt's open bill. It goes from hand to hand, so it lies in a box: on each way it is a pointer that moves.
pub struct Bill {
    shared: Arc<Shared>,
    account: Account,
    opened_us: u64,
    prompt: Prompt,
    held: Held,
    /// What the request has taken of the caller's limits; it is kept until the answer is over.
    _own: Option<Arc<Place>>,
    race: Race,
    /// `None` once settled.
    record: Option<UsageRecord>,
    /// A whole answer whose tokens are being counted, should nobody wait for that to end.
    counting: Option<(Consumed, String)>,
    /// Where a quota may end the answer; the relay takes it.
    cutter: Option<Box<Cutter>>,
    /// How far the answer is read on after its client has left.
    reads_on: Option<Bounds>,
}

/// What an attempt has at its target until it is over.
pub struct Held {
    pub seat: Seat,
    /// In the target's limits; none where nothing is bounded.
    pub place: Option<Arc<Place>>,
}

/// Whose attempt it is.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub id: AttemptId,
    pub request: RequestId,
    /// From 1.
    pub number: u32,
    /// When its request arrived, on the clock that never runs backwards.
    pub arrived_us: u64,
    pub passed: PassedOver,
}

impl Bill {
    /// Opens the bill of an attempt that is about to be sent.
    pub fn open(
        shared: &Arc<Shared>,
        meters: &Arc<TargetMeters>,
        routed: &Routed,
        target: &Target,
        held: Held,
        attempt: Attempt,
        prompt: Prompt,
    ) -> Box<Self> {
        let call = &routed.asked.call;
        let opened_us = shared.clock.monotonic_us();
        let record = UsageRecord {
            attempt: attempt.id,
            request: attempt.request,
            attempt_number: attempt.number,
            key: routed.caller.key,
            team: routed.caller.team,
            operation: call.operation,
            alias: if *call.alias == *routed.to.route.alias {
                Arc::clone(&routed.to.route.alias)
            } else {
                call.alias.as_str().into()
            },
            provider: target.provider.id,
            provider_name: Arc::clone(&target.provider.name),
            real_model: match target.model_for(&routed.to.name) {
                own if *own == *target.real_model => Arc::clone(&target.real_model),
                asked => asked.into(),
            },
            region: target.region.clone(),
            is_stream: call.is_stream,
            outcome: Outcome::Abandoned,
            status: CLIENT_GONE,
            usage: Usage::default(),
            source: Source::Nothing,
            doubt: None,
            cost: Cost::default(),
            raw_usage: None,
            provider_request_id: None,
            started_at_ms: shared.clock.unix_ms(),
            first_token_us: None,
            duration_us: 0,
            labels: routed.asked.labels.clone(),
            trace: trace(routed, opened_us.saturating_sub(attempt.arrived_us)),
            passed_over: attempt.passed,
        };
        Box::new(Self {
            opened_us,
            shared: Arc::clone(shared),
            account: Account {
                meters: Arc::clone(meters),
                priced: Priced::find(&routed.prices, target, &record.real_model, record.started_at_ms),
                hold: routed.hold.clone(),
                tokens: Tokens::of(routed.place.as_deref(), held.place.as_deref(), &shared.clock),
            },
            prompt,
            held,
            _own: routed.place.clone(),
            race: Race::default(),
            record: Some(record),
            counting: None,
            cutter: Cutter::of(routed).map(Box::new),
            reads_on: if call.is_stream { Bounds::of(&target.provider.options) } else { None },
        })
    }

    /// How far the answer is read on after its client has left; `None`: not at all.
    pub fn reads_on(&self) -> Option<Bounds> {
        self.reads_on
    }

    /// What may end a stream early.
    pub fn cutter(&mut self) -> Option<Box<Cutter>> {
        self.cutter.take()
    }

    /// It may run beside another attempt; what is held for it alone is settled with what it costs.
    pub fn runs(&mut self, race: Race, beside: Option<Arc<Hold>>) {
        self.race = race;
        self.account.hold = beside.or(self.account.hold.take());
    }

    /// The provider named its id for the request.
    pub fn named(&mut self, provider_request_id: Option<String>) {
        if let Some(record) = &mut self.record {
            record.provider_request_id = provider_request_id.map(String::into_boxed_str);
        }
    }

    /// So many bytes were written for the client.
    pub fn wrote(&mut self, bytes: usize) {
        if let Some(record) = &mut self.record {
            record.trace.answer_bytes = record.trace.answer_bytes.saturating_add(bytes as u64);
        }
    }

    /// The first content came.
    pub fn first_token(&mut self) {
        if let Some(record) = &mut self.record
            && record.first_token_us.is_none()
        {
            let elapsed_us = self.shared.clock.monotonic_us().saturating_sub(self.opened_us);
            record.first_token_us = Some(elapsed_us);
            self.held.seat.first_token(self.shared.clock.monotonic_us());
            self.account.meters.first_token(elapsed_us);
        }
    }

    /// Books an attempt that failed before anything could be consumed.
    pub fn fail(mut self: Box<Self>, fault: &Fault, status: u16) {
        self.held.seat.failed(fault, self.shared.clock.monotonic_us());
        self.turn_away(fault, status);
    }

    /// The same where it is the credential that failed and another takes its place: it says nothing of the target.
    pub fn turn_away(mut self: Box<Self>, fault: &Fault, status: u16) {
        if let Some(record) = &mut self.record
            && record.provider_request_id.is_none()
        {
            record.provider_request_id = fault.provider_request_id.clone();
        }
        if let Some(record) = self.close(Outcome::Failed(fault.class), status, 0) {
            // another error is told already
            let _told = self.book(record);
        }
    }

    /// Books what the provider said was consumed. Where it did not say, the tokens are counted first,
    /// off this thread; the record is durable when this returns. Says what was booked; where it is not and must be,
    /// the answer is not to be given.
    pub async fn settle(mut self: Box<Self>, consumed: Consumed, text: String) -> Result<Usage, Unbooked> {
        if let Some(usage) = consumed.usage {
            self.settle_counted(Outcome::Answered, 200, usage, Source::Provider, consumed)?;
            return Ok(usage);
        }
        self.counting = Some((consumed, text.clone()));
        let usage = count(self.prompt.clone(), text).await;
        let (consumed, _) = self.counting.take().unwrap_or_default();
        self.settle_counted(Outcome::Answered, 200, usage, Source::Estimated, consumed)?;
        Ok(usage)
    }

    /// Books an attempt whose tokens are known, one way or the other. An error is that of [`Bill::settle`].
    pub fn settle_counted(
        &mut self,
        outcome: Outcome,
        status: u16,
        usage: Usage,
        source: Source,
        said: Consumed,
    ) -> Result<(), Unbooked> {
        let written = usage.completion_tokens();
        let Some(mut record) = self.close(outcome, status, written) else { return Ok(()) };
        (record.usage, record.source) = (usage, source);
        (record.doubt, record.raw_usage) = (said.doubt, said.raw);
        record.cost.tier = said.tier;
        self.book(record)
    }

    /// Books an answer that broke off, from what was seen of it. Never waits: where tokens have to be
    /// counted, that happens behind the request's back.
    pub fn break_off(&mut self, outcome: Outcome, status: u16, consumed: Consumed, text: &str) {
        match consumed.usage {
            Some(usage) => {
                // nothing is given any more
                let _told = self.settle_counted(outcome, status, usage, Source::Provider, consumed);
            }
            None => {
                if let Some(mut record) = self.close(outcome, status, 0) {
                    (record.doubt, record.raw_usage) = (consumed.doubt, consumed.raw);
                    record.cost.tier = consumed.tier;
                    self.shared.estimator.submit(Job {
                        record,
                        account: self.account.clone(),
                        prompt: self.prompt.clone(),
                        text: text.to_owned(),
                    });
                }
            }
        }
    }

    /// By what the prompt is counted.
    pub fn prompt(&self) -> Prompt {
        self.prompt.clone()
    }

    fn elapsed_us(&self) -> u64 {
        self.shared.clock.monotonic_us().saturating_sub(self.opened_us)
    }

    fn close(&mut self, outcome: Outcome, status: u16, output_tokens: u64) -> Option<UsageRecord> {
        let duration_us = self.elapsed_us();
        let now_us = self.shared.clock.monotonic_us();
        match outcome {
            Outcome::Answered => self.held.seat.answered(output_tokens, now_us),
            Outcome::Failed(class) => self.held.seat.failed(&Fault::new(class, ""), now_us),
            Outcome::Outrun => self.held.seat.outrun(now_us),
            Outcome::Abandoned | Outcome::Repeated(_) => {}
        }
        let mut record = self.record.take()?;
        (record.outcome, record.status, record.duration_us) = (outcome, status, duration_us);
        Some(record)
    }

    fn book(&self, record: UsageRecord) -> Result<(), Unbooked> {
        booking::book(&*self.shared.ledger, &self.account, record)
    }
}

fn trace(routed: &Routed, before_us: u64) -> Trace {
    let (asked, to) = (&routed.asked, &routed.to);
    Trace {
        policy: Some(to.rule.policy),
        route: (*asked.call.alias != *to.route.alias).then(|| Arc::clone(&to.route.alias)),
        before_us,
        request_bytes: asked.body.len() as u64,
        answer_bytes: 0,
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        if let Some((consumed, text)) = self.counting.take() {
            return self.break_off(Outcome::Answered, CLIENT_GONE, consumed, &text);
        }
        let outcome = if self.race.is_lost() { Outcome::Outrun } else { Outcome::Abandoned };
        self.break_off(outcome, CLIENT_GONE, Consumed::default(), "");
    }
}
