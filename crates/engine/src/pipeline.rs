//! A request's way, on one page.
//!
//! parse → authenticate → resolve → select → ( adapt → admit → send → normalise ) → account. The part in
//! brackets is one attempt; failover is the loop around it, and it ends when an answer begins: after
//! the first byte there is no silent replay.

use std::{rc::Rc, time::Duration};

use nexus_core::{
    catalogue::Target,
    failover::{Plan, Step},
    fault::{Class, Fault},
    id::{AttemptId, RequestId},
    principal::Principal,
    refusal::Refusal,
};
use tracing::{Instrument as _, debug_span};

use crate::{
    arrival::{Arrival, BodyStream, Head},
    denial::{Denial, of_fault},
    identity,
    port::Transport,
    relay::Relay,
    reply::{Reply, ReplyBody},
    shared::Engine,
    stage::{
        account::{Attempt, Bill},
        adapt, admit, authenticate, normalise,
        normalise::Begun,
        parse, reserve,
        resolve::{self, Routed},
        select, send, shield, signed,
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
    routed.hold =
        reserve::reserve(&mut routed, &world, request, shared).instrument(debug_span!("reserve")).await?;
    let plan = debug_span!("select")
        .in_scope(|| select::select(&routed, &world, &*engine.dice, shared.limits.attempts))?;
    failover(engine, &world, &routed, plan, request, tally).await
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

/// Tries targets until an answer begins or nothing is left to try.
async fn failover<T: Transport>(
    engine: &Engine<T>,
    world: &World,
    routed: &Routed,
    mut plan: Plan,
    request: RequestId,
    tally: &Rc<Tally>,
) -> Result<Reply<T::Body>, Refused> {
    let mut last = Fault::new(Class::Overloaded, "no provider is configured that could serve this model");
    let mut number = 0;
    while let Step::Try(target) = plan.step() {
        let Some(backend) = world.backend(&target) else { continue };
        tally.heads_for(&backend.meters);
        if let Err(fault) = debug_span!("admit").in_scope(|| admit::admit(&target, &*engine.shared.clock)) {
            plan.passed_over();
            last = fault;
            continue;
        }
        number += 1;
        let id = AttemptId(identity::mint(&*engine.shared.clock, &*engine.dice));
        let attempt = Attempt { id, request, number };
        match attempt_once(engine, routed, &target, backend, attempt).await? {
            Ok((begun, bill)) => {
                plan.commit();
                return Ok(Reply { request, body: promise(engine, begun, bill, tally).await });
            }
            Err(fault) => {
                tracing::warn!(provider = %target.provider.name, class = fault.class.as_str(),
                    status = fault.status, message = %fault.message, "an attempt failed");
                plan.failed(&fault);
                last = fault;
            }
        }
    }
    Err(Refused::There(last))
}

/// One attempt at one target. The outer error is the gateway's own: no other target would help.
async fn attempt_once<T: Transport>(
    engine: &Engine<T>,
    routed: &Routed,
    target: &Target,
    backend: &Backend,
    attempt: Attempt,
) -> Result<Result<(Begun<T::Body>, Bill), Fault>, Refusal> {
    let shared = &engine.shared;
    let encoded = debug_span!("adapt").in_scope(|| adapt::adapt(routed, target, backend))?;
    let mut bill = Bill::open(shared, &backend.meters, routed, target, attempt);
    let exchange = async {
        let deadlines = shared.limits.deadlines;
        let credential = backend.credentials.pick(&*engine.dice);
        let mut inbound = send::send(&engine.transport, target, backend, credential, encoded, deadlines)
            .instrument(debug_span!("send"))
            .await?;
        bill.named(inbound.provider_request_id.take());
        normalise::begin(inbound, &routed.asked.call, backend.dialect, &shared.limits)
            .instrument(debug_span!("normalise"))
            .await
    };
    match exchange.await {
        Ok(begun) => Ok(Ok((begun, bill))),
        Err(fault) => {
            bill.fail(&fault, of_fault(&fault).status());
            Ok(Err(fault))
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
