//! A request's way, on one page.
//!
//! parse → authenticate → resolve → ( select → adapt → admit → send → normalise ) → account. The part in
//! brackets is one attempt; failover is the loop around it, and it ends when an answer begins: after
//! the first byte there is no silent replay.

use std::{rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use nexus_core::{
    call::Operation,
    catalogue::Target,
    failover::Step,
    fault::Fault,
    health::Seat,
    id::{AttemptId, RequestId},
    principal::Principal,
    refusal::Refusal,
    select::Choice,
};
use nexus_providers::dialect::Encoded;
use tracing::{Instrument as _, debug_span};

use crate::{
    arrival::{Arrival, BodyStream, Head},
    credentials::{Credential, Member, Tried},
    denial::{Denial, of_fault},
    identity,
    port::Transport,
    relay::Relay,
    reply::{Decision, Reply, ReplyBody},
    shared::Engine,
    stage::{
        account::{Attempt, Bill},
        adapt,
        adapt::Adapted,
        admit, authenticate,
        draw::Drawing,
        normalise,
        normalise::Begun,
        parse, reserve,
        resolve::{self, Routed},
        select::{self, Course},
        send, shield, signed,
    },
    tally::Tally,
    world::{Backend, World},
};

/// Serves an operation.
pub async fn serve<T: Transport, B: BodyStream>(
    engine: &Engine<T>,
    operation: Operation,
    arrival: Arrival<'_, B>,
) -> Result<Reply<T::Body>, Denial> {
    let shared = &engine.shared;
    let request = RequestId(identity::mint(&*shared.clock, &*engine.dice));
    let tally = Rc::new(Tally::open(shared));
    let span = debug_span!("request", %request);
    match way(engine, operation, arrival, request, &tally).instrument(span).await {
        Ok(reply) => Ok(reply),
        Err(refused) => {
            let denial = Denial::new(request, refused);
            tally.finish(denial.error.status());
            Err(denial)
        }
    }
}

/// Why no answer came: the gateway said no, or every attempt failed.
#[derive(Debug)]
pub enum Refused {
    Here(Refusal),
    There(Fault),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Refused::Here(refusal)
    }
}

async fn way<T: Transport, B: BodyStream>(
    engine: &Engine<T>,
    operation: Operation,
    arrival: Arrival<'_, B>,
    request: RequestId,
    tally: &Rc<Tally>,
) -> Result<Reply<T::Body>, Refused> {
    let shared = &engine.shared;
    let world = shared.worlds.current();
    let Arrival { head, body } = arrival;
    let caller = identify(engine, &head, &world)?;
    let caller = authenticate::may_call_models(caller, &head.line, shared)?;
    let signature = signed::head(&head, &caller, &world, shared)?;
    let asked = parse::body(operation, &head.headers, body, &shared.limits, &*shared.clock)
        .instrument(debug_span!("parse"))
        .await?;
    signed::body(signature, &asked.body, &head, &caller, shared)?;
    let mut routed = debug_span!("resolve").in_scope(|| resolve::resolve(asked, caller, &world))?;
    while let Err(refusal) =
        reserve::reserve(&mut routed, &world, request, shared).instrument(debug_span!("reserve")).await
    {
        let refused = Refused::Here(refusal);
        match select::cause(&refused) {
            Some(cause) if routed.fall_back(cause, &world) => {}
            _ => return Err(refused),
        }
    }
    let now_us = shared.clock.monotonic_us();
    shared.retries.arrive(now_us);
    let patience_ms = head.headers.timeout_ms.unwrap_or(shared.limits.deadlines.whole_ms);
    let deadline_us = now_us.saturating_add(patience_ms.saturating_mul(1000));
    failover(engine, &world, routed, Trip { request, head: &head, deadline_us, attempts: 0, tally }).await
}

/// Who is calling, by the key in the headers and where it comes from.
pub fn identify<T: Transport>(
    engine: &Engine<T>,
    head: &Head<'_>,
    world: &World,
) -> Result<Principal, Refusal> {
    debug_span!("authenticate").in_scope(|| {
        let shown = parse::key(&head.headers)?;
        let caller = authenticate::authenticate(shown, &head.line, world, &engine.shared, &engine.known)?;
        shield::judge(head, &caller, world, &engine.shared)?;
        Ok(caller)
    })
}

/// The same, of a request without a body, which is signed where its key wants that.
pub fn identify_bodiless<T: Transport>(
    engine: &Engine<T>,
    head: &Head<'_>,
    world: &World,
) -> Result<Principal, Refusal> {
    let caller = identify(engine, head, world)?;
    let signature = signed::head(head, &caller, world, &engine.shared)?;
    signed::body(signature, b"", head, &caller, &engine.shared)?;
    Ok(caller)
}

/// Tries the targets of a route, and then of the routes that are asked instead, until an answer begins.
async fn failover<T: Transport>(
    engine: &Engine<T>,
    world: &World,
    mut routed: Routed,
    mut trip: Trip<'_>,
) -> Result<Reply<T::Body>, Refused> {
    loop {
        match course(engine, world, &routed, &mut trip).await {
            Ok(reply) => return Ok(reply),
            Err(refused) => match select::cause(&refused) {
                Some(cause) if trip.has_time(engine) && routed.fall_back(cause, world) => {}
                _ => return Err(refused),
            },
        }
    }
}

/// What stays the same while a request goes from target to target.
struct Trip<'a> {
    request: RequestId,
    head: &'a Head<'a>,
    deadline_us: u64,
    attempts: u32,
    tally: &'a Rc<Tally>,
}

impl Trip<'_> {
    fn has_time<T: Transport>(&self, engine: &Engine<T>) -> bool {
        engine.shared.clock.monotonic_us() < self.deadline_us
    }
}

/// Tries the targets of one route until an answer begins or nothing is left to try.
async fn course<T: Transport>(
    engine: &Engine<T>,
    world: &World,
    routed: &Routed,
    trip: &mut Trip<'_>,
) -> Result<Reply<T::Body>, Refused> {
    let clock = &*engine.shared.clock;
    let mut course = Course::begin(engine, routed, trip.head, trip.deadline_us);
    loop {
        let choice = match debug_span!("select").in_scope(|| course.next(engine, world)) {
            Step::Try(choice) => choice,
            Step::Pause { us } => {
                tokio::time::sleep(Duration::from_micros(us)).await;
                continue;
            }
            Step::GiveUp(why) => return Err(course.give_up(why, clock.monotonic_us())),
        };
        let (target, backend) = world.stand(&routed.to.route, choice.place)?;
        trip.tally.heads_for(&backend.meters);
        let there = There { routed, target, backend };
        let ready = match there.ready(engine, choice) {
            Ok(ready) => ready,
            Err(refused) => {
                course.passed_over(choice, refused);
                continue;
            }
        };
        course.begun(choice);
        match attempt(engine, there, ready, trip).await {
            Ok(served) => {
                course.commit();
                let decision = Decision {
                    target: Arc::clone(target),
                    attempts: trip.attempts,
                    policy: routed.to.rule.policy,
                };
                let body = promise(engine, served, trip.tally).await;
                return Ok(Reply { request: trip.request, decision, body });
            }
            Err(fault) => {
                tracing::warn!(provider = %target.provider.name, class = fault.class.as_str(),
                    status = fault.status, message = %fault.message, "an attempt failed");
                course.failed(engine, choice, fault);
            }
        }
    }
}

/// Where a request is being tried.
#[derive(Clone, Copy)]
struct There<'a> {
    routed: &'a Routed,
    target: &'a Target,
    backend: &'a Backend,
}

/// What a request needs before it can be sent.
struct Ready<'a> {
    adapted: Adapted<'a>,
    encoded: Encoded,
    seat: Seat,
    member: Option<&'a Member>,
}

impl<'a> There<'a> {
    /// Its words, a place at the target, and a credential.
    fn ready<T: Transport>(self, engine: &Engine<T>, choice: Choice) -> Result<Ready<'a>, Refused> {
        let Self { routed, target, backend } = self;
        let (adapted, encoded) = debug_span!("adapt").in_scope(|| adapt::adapt(routed, target, backend))?;
        let (is_stream, now_us) = (routed.asked.call.is_stream, engine.shared.clock.monotonic_us());
        let seat = debug_span!("admit").in_scope(|| admit::admit(target, choice, is_stream, now_us));
        let seat = seat.map_err(Refused::There)?;
        let drawing = Drawing::new(&engine.shared, target, backend, &routed.to.name);
        let member = drawing.draw(&Tried::default(), &*engine.dice).map_err(Refused::There)?;
        Ok(Ready { adapted, encoded, seat, member })
    }
}

/// What a target gave.
#[expect(clippy::large_enum_variant, reason = "it is handed on once and kept nowhere")]
enum Served<B> {
    /// An answer that has begun, and its open bill.
    Begun(Begun<B>, Bill),
    /// The answer out of parts that are booked already.
    Done(Bytes),
}

/// One try at one target: an exchange, or as many as the operation takes there, each with a bill of its own.
async fn attempt<'a, T: Transport>(
    engine: &Engine<T>,
    there: There<'a>,
    mut ready: Ready<'a>,
    trip: &mut Trip<'_>,
) -> Result<Served<T::Body>, Fault> {
    loop {
        let (encoded, adapted) = (ready.encoded, &mut ready.adapted);
        let (begun, bill) = pool(engine, there, &encoded, adapted, (ready.seat, ready.member), trip).await?;
        let Begun::Part(decoded) = begun else { return Ok(Served::Begun(begun, bill)) };
        let settling = bill.settle(decoded.consumed, decoded.text);
        adapted.spent(settling.instrument(debug_span!("account")).await);
        let next = debug_span!("adapt").in_scope(|| adapted.ask()).map_err(adapt::too_late)?;
        let Some(encoded) = next else { return Ok(Served::Done(adapted.finish())) };
        let drawing = Drawing::new(&engine.shared, there.target, there.backend, &there.routed.to.name);
        ready.member = drawing.draw(&Tried::default(), &*engine.dice)?;
        ready.seat = drawing.another_seat(there.routed.asked.call.is_stream)?;
        ready.encoded = encoded;
    }
}

/// One exchange, with one credential of the provider after the other as long as another may fare better.
async fn pool<'a, T: Transport>(
    engine: &Engine<T>,
    there: There<'a>,
    encoded: &Encoded,
    adapted: &mut Adapted<'_>,
    (mut seat, mut member): (Seat, Option<&'a Member>),
    trip: &mut Trip<'_>,
) -> Result<(Begun<T::Body>, Bill), Fault> {
    let There { routed, target, backend } = there;
    let shared = &engine.shared;
    let drawing = Drawing::new(shared, target, backend, &routed.to.name);
    let mut tried = Tried::default();
    loop {
        trip.attempts += 1;
        let id = AttemptId(identity::mint(&*shared.clock, &*engine.dice));
        let attempt = Attempt { id, request: trip.request, number: trip.attempts };
        let mut bill = Bill::open(shared, &backend.meters, routed, target, seat, attempt, adapted.prompt());
        let credential = member.map(|member| &member.credential);
        let exchange =
            exchange(engine, there, credential, encoded.clone(), adapted, &mut bill, trip.deadline_us);
        let fault = match exchange.await {
            Ok(begun) => {
                drawing.answered(member);
                return Ok((begun, bill));
            }
            Err(fault) => fault,
        };
        let status = of_fault(&fault).status();
        let other = match drawing.failed(member, &fault, &mut tried) {
            true => drawing.draw(&tried, &*engine.dice).ok(),
            false => None,
        };
        let Some((next, place)) = other.zip(drawing.another_seat(routed.asked.call.is_stream).ok()) else {
            bill.fail(&fault, status);
            return Err(fault);
        };
        bill.turn_away(&fault, status);
        (seat, member) = (place, next);
    }
}

/// One request and the begin of its answer.
async fn exchange<T: Transport>(
    engine: &Engine<T>,
    there: There<'_>,
    credential: Option<&Credential>,
    encoded: Encoded,
    adapted: &mut Adapted<'_>,
    bill: &mut Bill,
    deadline_us: u64,
) -> Result<Begun<T::Body>, Fault> {
    let There { routed, target, backend } = there;
    let shared = &engine.shared;
    let left_us = deadline_us.saturating_sub(shared.clock.monotonic_us());
    let deadlines = shared.limits.deadlines.within(left_us.div_ceil(1000), routed.asked.call.is_stream);
    let mut inbound = send::send(&engine.transport, target, backend, credential, encoded, deadlines)
        .instrument(debug_span!("send"))
        .await?;
    bill.named(inbound.provider_request_id.take());
    normalise::begin(inbound, adapted, &shared.limits).instrument(debug_span!("normalise")).await
}

/// Gives the client what has begun. A whole answer is booked before it is handed over.
async fn promise<T: Transport>(
    engine: &Engine<T>,
    served: Served<T::Body>,
    tally: &Rc<Tally>,
) -> ReplyBody<T::Body> {
    match served {
        Served::Done(body) => {
            tally.finish(200);
            ReplyBody::Whole(body)
        }
        Served::Begun(Begun::Whole(decoded) | Begun::Part(decoded), bill) => {
            bill.settle(decoded.consumed, decoded.text).instrument(debug_span!("account")).await;
            tally.finish(200);
            ReplyBody::Whole(decoded.body)
        }
        Served::Begun(Begun::Stream(opened), bill) => {
            let heartbeat = Duration::from_millis(engine.shared.limits.heartbeat_ms);
            ReplyBody::Stream(Box::new(Relay::new(opened, bill, Rc::clone(tally), heartbeat)))
        }
    }
}
