//! A request's way, on one page.
//!
//! parse → authenticate → resolve → ( select → adapt → admit → send → normalise ) → account. Failover is the
//! loop over what stands in brackets, and it ends when an answer begins: after the first byte there is no
//! silent replay. What follows select there is one attempt, in `attempt.rs`.

use std::{rc::Rc, sync::Arc, time::Duration};

use nexus_core::{
    call::Operation, failover::Step, fault::Fault, id::RequestId, principal::Principal, refusal::Refusal,
};
use tracing::{Instrument as _, debug_span};

use crate::{
    arrival::{Arrival, BodyStream, Head},
    attempt::{Served, There, Trip},
    denial::Denial,
    identity,
    port::Transport,
    relay::Relay,
    reply::{Decision, Reply, ReplyBody},
    shared::Engine,
    stage::{
        authenticate,
        normalise::Begun,
        parse, reserve,
        resolve::{self, Routed},
        select::{self, Course},
        shield, signed,
    },
    tally::Tally,
    world::World,
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
        match there.attempt(engine, ready, trip).await {
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
