//! A request's way, on one page.
//!
//! parse → authenticate → resolve → ( select → adapt → admit → send → normalise ) → account. The part in
//! brackets is one attempt; failover is the loop around it, and it ends when an answer begins: after
//! the first byte there is no silent replay.

use std::{rc::Rc, sync::Arc, time::Duration};

use nexus_core::{
    catalogue::Target,
    failover::Step,
    fault::Fault,
    id::{AttemptId, RequestId},
    principal::Principal,
    refusal::Refusal,
};
use nexus_providers::dialect::Encoded;
use tracing::{Instrument as _, debug_span};

use crate::{
    arrival::{Arrival, BodyStream, Head},
    denial::{Denial, of_fault},
    identity,
    port::Transport,
    relay::Relay,
    reply::{Decision, Reply, ReplyBody},
    shared::Engine,
    stage::{
        account::{Attempt, Bill},
        adapt, admit, authenticate, normalise,
        normalise::Begun,
        parse, reserve,
        resolve::{self, Routed},
        select::{self, Course},
        send, shield, signed,
    },
    tally::Tally,
    world::{Backend, World},
};

/// Serves a chat completion.
pub async fn serve<T: Transport, B: BodyStream>(
    engine: &Engine<T>,
    arrival: Arrival<'_, B>,
) -> Result<Reply<T::Body>, Denial> {
    let shared = &engine.shared;
    let request = RequestId(identity::mint(&*shared.clock, &*engine.dice));
    let tally = Rc::new(Tally::open(shared));
    let span = debug_span!("request", %request);
    match way(engine, arrival, request, &tally).instrument(span).await {
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
    let asked = parse::body(&head.headers, body, &shared.limits, &*shared.clock)
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
        let ready = debug_span!("adapt").in_scope(|| adapt::adapt(routed, target, backend));
        let ready = ready.map_err(Refused::Here).and_then(|encoded| {
            let admitted = debug_span!("admit")
                .in_scope(|| admit::admit(target, choice, routed.asked.call.is_stream, clock.monotonic_us()));
            admitted.map(|seat| (encoded, seat)).map_err(Refused::There)
        });
        let (encoded, seat) = match ready {
            Ok(ready) => ready,
            Err(refused) => {
                course.passed_over(choice, refused);
                continue;
            }
        };
        course.begun(choice);
        trip.attempts += 1;
        let id = AttemptId(identity::mint(clock, &*engine.dice));
        let attempt = Attempt { id, request: trip.request, number: trip.attempts };
        let bill = Bill::open(&engine.shared, &backend.meters, routed, target, seat, attempt);
        match attempt_once(engine, routed, (target, backend), encoded, bill, trip.deadline_us).await {
            Ok((begun, bill)) => {
                course.commit();
                let decision = Decision {
                    target: Arc::clone(target),
                    attempts: trip.attempts,
                    policy: routed.to.rule.policy,
                };
                let body = promise(engine, begun, bill, trip.tally).await;
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

/// One attempt at one target, up to where its answer begins.
async fn attempt_once<T: Transport>(
    engine: &Engine<T>,
    routed: &Routed,
    (target, backend): (&Target, &Backend),
    encoded: Encoded,
    mut bill: Bill,
    deadline_us: u64,
) -> Result<(Begun<T::Body>, Bill), Fault> {
    let shared = &engine.shared;
    let call = &routed.asked.call;
    let exchange = async {
        let left_us = deadline_us.saturating_sub(shared.clock.monotonic_us());
        let deadlines = shared.limits.deadlines.within(left_us.div_ceil(1000), call.is_stream);
        let credential = backend.credentials.pick(&*engine.dice);
        let mut inbound = send::send(&engine.transport, target, backend, credential, encoded, deadlines)
            .instrument(debug_span!("send"))
            .await?;
        bill.named(inbound.provider_request_id.take());
        normalise::begin(inbound, call, backend.dialect, &shared.limits)
            .instrument(debug_span!("normalise"))
            .await
    };
    match exchange.await {
        Ok(begun) => Ok((begun, bill)),
        Err(fault) => {
            bill.fail(&fault, of_fault(&fault).status());
            Err(fault)
        }
    }
}

/// Gives the client what has begun. A whole answer is booked before it is handed over.
async fn promise<T: Transport>(
    engine: &Engine<T>,
    begun: Begun<T::Body>,
    bill: Bill,
    tally: &Rc<Tally>,
) -> ReplyBody<T::Body> {
    match begun {
        Begun::Whole(decoded) => {
            bill.settle(decoded.consumed, decoded.text).instrument(debug_span!("account")).await;
            tally.finish(200);
            ReplyBody::Whole(decoded.body)
        }
        Begun::Stream(opened) => {
            let heartbeat = Duration::from_millis(engine.shared.limits.heartbeat_ms);
            ReplyBody::Stream(Box::new(Relay::new(opened, bill, Rc::clone(tally), heartbeat)))
        }
    }
}
