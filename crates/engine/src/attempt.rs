//! One attempt: a request at one target, from its words to the begin of an answer.
//!
//! adapt → admit → send → normalise, under one bill an exchange: an operation may take several exchanges,
//! and each may go through several credentials of the provider. No bill is left open on any way out.

use std::{cell::Cell, pin::pin, rc::Rc, sync::Arc};

use bytes::Bytes;
use nexus_core::{
    catalogue::Target,
    fault::Fault,
    flow::place::Place,
    health::Seat,
    id::{AttemptId, CredentialId, RequestId},
    select::Choice,
    usage::PassedOver,
};
use nexus_providers::dialect::Encoded;
use tracing::{Instrument as _, debug_span};

use crate::{
    arrival::Head,
    conceal,
    credentials::{Credential, Member, Tried},
    denial::of_fault,
    hedge::Race,
    hold::Hold,
    identity,
    pipeline::Refused,
    port::Transport,
    resource, sealed,
    shared::Engine,
    stage::{
        account::{Attempt, Bill, Held},
        adapt::{self, Adapted},
        admit,
        draw::Drawing,
        normalise::{self, Begun},
        resolve::Routed,
        select, send,
    },
    tally::Tally,
    world::Backend,
};

/// What stays the same while a request goes from target to target.
pub(crate) struct Trip<'a> {
    pub(crate) request: RequestId,
    pub(crate) head: &'a Head<'a>,
    pub(crate) deadline_us: u64,
    pub(crate) attempts: Cell<u32>,
    /// What the provider was shown that answered.
    pub(crate) shown: Cell<Option<CredentialId>>,
    /// The status of its answer.
    pub(crate) status: Cell<u16>,
    pub(crate) tally: &'a Rc<Tally>,
}

impl Trip<'_> {
    /// The headers a target may be there for, for whoever outlives the request.
    pub(crate) fn owned_headers(&self) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.head.others.iter().map(owned).collect()
    }

    pub(crate) fn has_time<T: Transport>(&self, engine: &Engine<T>) -> bool {
        engine.shared.clock.monotonic_us() < self.deadline_us
    }
}

/// Where a request is being tried.
#[derive(Clone, Copy)]
pub(crate) struct There<'a> {
    pub(crate) routed: &'a Routed,
    pub(crate) target: &'a Arc<Target>,
    pub(crate) backend: &'a Backend,
}

/// What a request needs before it can be sent.
pub(crate) struct Ready<'a> {
    adapted: Adapted<'a>,
    encoded: Encoded,
    seat: Seat,
    place: Option<Arc<Place>>,
    member: Option<&'a Member>,
    /// What is held for it beside what the request holds.
    hold: Option<Arc<Hold>>,
    passed: PassedOver,
}

impl Ready<'_> {
    /// The same, for which this is held beside what the request holds.
    pub(crate) fn holding(self, hold: Option<Arc<Hold>>) -> Self {
        Self { hold, ..self }
    }

    /// The same, whose choice passed these over.
    pub(crate) fn passing(self, passed: PassedOver) -> Self {
        Self { passed, ..self }
    }
}

impl<'a> There<'a> {
    /// Its words, a place at the target, and a credential.
    pub(crate) async fn ready<T: Transport>(
        self,
        engine: &Engine<T>,
        choice: Choice,
        given: Option<Place>,
    ) -> Result<Ready<'a>, Refused> {
        let Self { routed, target, backend } = self;
        let (adapted, encoded) = debug_span!("adapt").in_scope(|| adapt::adapt(routed, target, backend))?;
        let wish = (routed.asked.call.is_stream, select::tokens(&routed.asked));
        let admitting = pin!(admit::admit(target, choice, given, wish, &engine.shared));
        let (seat, place) = admitting.instrument(debug_span!("admit")).await.map_err(Refused::There)?;
        let drawing = Drawing::new(&engine.shared, target, backend, routed);
        let member = drawing.draw(&Tried::default(), &*engine.dice).map_err(Refused::There)?;
        let passed = PassedOver::default();
        Ok(Ready { adapted, encoded, seat, place, member, hold: None, passed })
    }

    /// One try at one target: an exchange, or as many as the operation takes there, each with a bill of its own.
    pub(crate) async fn attempt<T: Transport>(
        self,
        engine: &Engine<T>,
        mut ready: Ready<'a>,
        trip: &Trip<'_>,
        race: &Race,
    ) -> Result<Served<T::Body>, Fault> {
        loop {
            let (encoded, adapted) = (ready.encoded, &mut ready.adapted);
            let held = (ready.seat, ready.place.as_ref());
            let (hold, passed) = (&ready.hold, &ready.passed);
            let run = Run { held, member: ready.member, hold, passed, race };
            let (begun, mut bill) = pool(engine, self, &encoded, adapted, run, trip).await?;
            let Begun::Part(decoded) = begun else { return Ok(Served::Begun(begun, bill)) };
            let usage = {
                bill.wrote(decoded.body.len());
                let settling = pin!(bill.settle(decoded.consumed, decoded.text));
                settling.instrument(debug_span!("account")).await
            };
            let Ok(usage) = usage else { return Ok(Served::Unbooked) };
            adapted.spent(usage);
            let next = debug_span!("adapt").in_scope(|| adapted.ask()).map_err(adapt::too_late)?;
            let Some(encoded) = next else { return Ok(Served::Done(adapted.finish())) };
            let drawing = Drawing::new(&engine.shared, self.target, self.backend, self.routed);
            ready.member = drawing.draw(&Tried::default(), &*engine.dice)?;
            ready.seat = drawing.another_seat(self.routed.asked.call.is_stream)?;
            ready.encoded = encoded;
        }
    }
}

/// What a target gave.
pub(crate) enum Served<B> {
    /// An answer that has begun, and its open bill.
    Begun(Begun<B>, Box<Bill>),
    /// The answer out of parts that are booked already.
    Done(Bytes),
    /// A part could not be booked: there is nothing to give.
    Unbooked,
}

/// How an exchange goes on its way.
struct Run<'a, 'b> {
    /// At the target and in its limits.
    held: (Seat, Option<&'b Arc<Place>>),
    member: Option<&'a Member>,
    hold: &'b Option<Arc<Hold>>,
    passed: &'b PassedOver,
    race: &'b Race,
}

/// One exchange, with one credential of the provider after the other as long as another may fare better.
async fn pool<'a, T: Transport>(
    engine: &Engine<T>,
    there: There<'a>,
    encoded: &Encoded,
    adapted: &mut Adapted<'_>,
    Run { held: (mut seat, place), mut member, hold, passed, race }: Run<'a, '_>,
    trip: &Trip<'_>,
) -> Result<(Begun<T::Body>, Box<Bill>), Fault> {
    let There { routed, target, backend } = there;
    let shared = &engine.shared;
    let drawing = Drawing::new(shared, target, backend, routed);
    let mut tried = Tried::default();
    loop {
        trip.attempts.set(trip.attempts.get().saturating_add(1));
        let id = AttemptId(identity::mint(&*shared.clock, &*engine.dice));
        let (number, passed, arrived_us) = (trip.attempts.get(), passed.clone(), trip.tally.opened_us());
        let attempt = Attempt { id, request: trip.request, number, passed, arrived_us };
        let held = Held { seat, place: place.cloned() };
        let mut bill = Bill::open(shared, &backend.meters, routed, target, held, attempt, adapted.prompt());
        bill.runs(race.clone(), hold.clone());
        let credential = member.map(|member| &member.credential);
        let outcome =
            exchange(engine, there, credential, encoded.clone(), adapted, &mut bill, trip.deadline_us).await;
        let fault = match outcome {
            Ok((status, begun)) => {
                drawing.answered(member);
                trip.status.set(status);
                trip.shown.set(credential.map(|credential| credential.id));
                return Ok((begun, bill));
            }
            Err(fault) => fault,
        };
        let status = of_fault(&fault).status();
        let may_fare_better = drawing.failed(member, &fault, &mut tried);
        let other = match may_fare_better && !routed.asked.is_spent() {
            true => drawing.draw(&tried, &*engine.dice).ok(),
            false => None,
        };
        let Some((next, another)) = other.zip(drawing.another_seat(routed.asked.call.is_stream).ok()) else {
            bill.fail(&fault, status);
            return Err(fault);
        };
        bill.turn_away(&fault, status);
        (seat, member) = (another, next);
    }
}

/// One request, and the status and the begin of its answer.
async fn exchange<T: Transport>(
    engine: &Engine<T>,
    there: There<'_>,
    credential: Option<&Credential>,
    encoded: Encoded,
    adapted: &mut Adapted<'_>,
    bill: &mut Bill,
    deadline_us: u64,
) -> Result<(u16, Begun<T::Body>), Fault> {
    let There { routed, target, backend } = there;
    let shared = &engine.shared;
    let left_us = deadline_us.saturating_sub(shared.clock.monotonic_us());
    let deadlines = shared.limits.deadlines.within(left_us.div_ceil(1000), routed.asked.call.is_stream);
    let mut inbound = {
        let carried = adapted.carried()?;
        let sending =
            pin!(send::send(&engine.transport, target, backend, credential, encoded, carried, deadlines));
        sending.instrument(debug_span!("send")).await?
    };
    bill.named(inbound.provider_request_id.take());
    if let Some(learned) = inbound.learned.take() {
        Drawing::new(shared, target, backend, routed).learned(credential, *learned);
    }
    let status = inbound.status;
    let mark = if adapted.may_seal() { sealed::mark(routed, backend, credential) } else { None };
    let beginning = pin!(normalise::begin(inbound, adapted, &shared.limits));
    match beginning.instrument(debug_span!("normalise")).await {
        Ok(begun) => {
            let begun = conceal::from_now_on(sealed::from_now_on(begun, mark), credential);
            Ok((status, resource::noticed(begun, shared, routed, (target, backend), credential)))
        }
        Err(fault) => Err(conceal::conceal(fault, credential)),
    }
}
