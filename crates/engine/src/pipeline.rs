//! A request's way, on one page.
//!
//! parse → authenticate → resolve → ( select → adapt → admit → send → normalise ) → account. Failover is the
//! loop over what stands in brackets, and it ends when an answer begins: after the first byte there is no
//! silent replay. What follows select there is one attempt, in `attempt.rs`.

use std::{cell::Cell, pin::pin, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use nexus_core::{
    call::Operation,
    failover::Step,
    fault::Fault,
    id::RequestId,
    principal::{Level, Principal},
    refusal::Refusal,
    resource::Family,
};
use nexus_providers::tongue::Words;
use nexus_wire::chat::BodyError;
use tracing::{Instrument as _, debug_span};

use crate::{
    arrival::{Arrival, BodyCut, BodyStream, Head},
    attempt::{Served, There, Trip},
    denial::Denial,
    estimate,
    hedge::{self, Runner},
    identity,
    keeping::Keeping,
    port::Transport,
    quote::{Quote, quote},
    relay::Relay,
    reply::{Decision, Reply, ReplyBody, Sharing},
    resource::{self, ResourceCall},
    resume, share,
    shared::{Engine, Shared},
    shelf::{self, Onward, Placed},
    stage::{
        adapt, authenticate,
        limit::Own,
        normalise::{Begun, Shape},
        parse::{self, Asked, Named, form::Hold},
        repeat, reserve,
        resolve::{self, Routed},
        select::{self, Course},
        shield, signed,
    },
    tally::Tally,
    world::World,
};

/// What a client wants of the gateway.
pub enum Wanted {
    Operation(Named),
    /// Something about what a provider keeps.
    Resource(Box<ResourceCall>),
}

impl From<Operation> for Wanted {
    fn from(operation: Operation) -> Self {
        Wanted::Operation(operation.into())
    }
}

impl From<Named> for Wanted {
    fn from(named: Named) -> Self {
        Wanted::Operation(named)
    }
}

/// Serves what is wanted.
pub async fn serve<T: Transport, B: BodyStream>(
    engine: &Rc<Engine<T>>,
    wanted: impl Into<Wanted>,
    arrival: Arrival<'_, B>,
) -> Result<Reply<T::Body>, Denial> {
    answered(engine, wanted.into(), arrival, None).await
}

/// Serves a caller who asked for this before, and is not here any more: whose key must be good still.
pub async fn serve_for<T: Transport>(
    engine: &Rc<Engine<T>>,
    operation: Operation,
    caller: Principal,
    body: Bytes,
) -> Result<Reply<T::Body>, Denial> {
    let body = stream::iter([Ok::<_, BodyCut>(body)]);
    let arrival = Arrival { head: Head::default(), body };
    answered(engine, operation.into(), arrival, Some(caller)).await
}

async fn answered<T: Transport, B: BodyStream>(
    engine: &Rc<Engine<T>>,
    wanted: Wanted,
    arrival: Arrival<'_, B>,
    caller: Option<Principal>,
) -> Result<Reply<T::Body>, Denial> {
    let shared = &engine.shared;
    let request = RequestId(identity::mint(&*shared.clock, &*engine.dice));
    let tally = Rc::new(Tally::open(shared));
    let span = debug_span!("request", %request);
    let mut own = Own::default();
    let mut keeping = None;
    let answered = {
        // pinned first: an instrumented future is moved with all that it may come to hold
        let way = pin!(way(engine, wanted, (arrival, caller), request, &tally, (&mut own, &mut keeping)));
        way.instrument(span).await
    };
    let now_us = shared.clock.monotonic_us();
    let left = own.left(now_us);
    match answered {
        Ok(reply) => {
            let took_us = tally.elapsed_us(now_us);
            Ok(heard(Reply { left, took_us, ..reply }, keeping))
        }
        Err(refused) => {
            let denial = Denial { left, ..Denial::new(request, refused) };
            if let Some(mut keeping) = keeping {
                keeping.hear(&denial.error.to_json());
            }
            tally.finish(denial.error.status());
            Err(denial)
        }
    }
}

/// Lets whoever keeps what is said hear a whole answer, or gives it along with a stream.
fn heard<B>(reply: Reply<B>, mut keeping: Option<Box<Keeping>>) -> Reply<B> {
    match (&reply.body, &mut keeping) {
        (ReplyBody::Whole(body) | ReplyBody::Kept(body), Some(keeping)) => keeping.hear(body),
        (ReplyBody::Stream(_) | ReplyBody::Heard(_), Some(_)) => return Reply { keeping, ..reply },
        // what is no text is not kept
        (_, None) | (ReplyBody::Bytes(..) | ReplyBody::Pieces(..), Some(_)) => {}
    }
    reply
}

/// Why no answer came: the gateway said no, or every attempt failed.
#[derive(Clone, Debug)]
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
    engine: &Rc<Engine<T>>,
    wanted: Wanted,
    (arrival, known): (Arrival<'_, B>, Option<Principal>),
    request: RequestId,
    tally: &Rc<Tally>,
    (own, keeping): (&mut Own, &mut Option<Box<Keeping>>),
) -> Result<Reply<T::Body>, Refused> {
    let shared = &engine.shared;
    let world = shared.worlds.current();
    let Arrival { head, body } = arrival;
    let (caller, signature) = match known {
        Some(caller) => (authenticate::still(caller, &world, shared)?, signed::none()),
        None => {
            let caller = entitled(engine, &wanted, &head, &world)?;
            let signature = signed::head(&head, &caller, &world, shared)?;
            (caller, signature)
        }
    };
    *own = Own::of(&caller, &world, shared.clock.unix_ms());
    if !shared.ledger.takes_calls() {
        return Err(Refusal::Unbookable.into());
    }
    let asked = parse(shared, wanted, request, &head, body, signature.holds()).await?;
    signed::body(signature, asked.sent(), &head, &caller, shared).await?;
    let relays = asked.resource.as_ref().and_then(|call| call.provider.as_deref());
    let relayed = match relays {
        Some(provider) => Some(resource::relayed(provider, &caller, &head.line, &world, shared)?),
        None => None,
    };
    let Onward { asked, telling, home } = match shelf::place(engine, asked, relayed, &caller, own).await? {
        Placed::Here(body) => {
            tally.finish(200);
            return Ok(Reply::here(request, body));
        }
        Placed::Onward(onward) => *onward,
    };
    let place = own.admit(&asked, shared).await?;
    let mut routed = debug_span!("resolve").in_scope(|| resolve::resolve(asked, caller, home, &world))?;
    routed.place = place;
    *keeping = Keeping::of(&routed, &world, shared, request);
    let wish = repeat::wish(&routed, &head, &world)?;
    let now_us = shared.clock.monotonic_us();
    let patience_ms = head.headers.timeout_ms.unwrap_or(shared.limits.deadlines.whole_ms);
    let deadline_us = now_us.saturating_add(patience_ms.saturating_mul(1000));
    let (attempts, shown, status) = (Cell::new(0), Cell::default(), Cell::new(200));
    let trip = Trip { request, head: &head, deadline_us, attempts, shown, status, tally };
    let answered = match (wish, routed.asked.resource.is_some()) {
        (_, true) => Box::pin(resource::serve(engine, &world, routed, &trip)).await,
        (Some(wish), false) => share::share(engine, &world, routed, &wish, trip).await,
        (None, false) => answer(engine, &world, routed, &trip).await,
    };
    let reply = answered.map(|reply| Reply { telling, ..reply })?;
    Ok(kept(reply).await)
}

/// Who calls, if that one may call such a thing.
fn entitled<T: Transport>(
    engine: &Engine<T>,
    wanted: &Wanted,
    head: &Head<'_>,
    world: &World,
) -> Result<Principal, Refusal> {
    let caller = identify(engine, head, world)?;
    match wanted {
        Wanted::Resource(call) if call.operation() == Operation::Resources(Family::Organization) => {
            authenticate::may_manage_providers(caller, &head.line, world, &engine.shared)
        }
        _ => authenticate::may_call_models(caller, &head.line, &engine.shared),
    }
}

/// A reply whose answer is kept where that is wanted: what is there at once is told and kept now, a stream when it is
/// over.
async fn kept<B>(mut reply: Reply<B>) -> Reply<B> {
    let Reply { telling: Some(telling), decision: Some(decision), body, .. } = &mut reply else {
        return reply;
    };
    if decision.words == Words::Own {
        return reply;
    }
    let told = match body {
        ReplyBody::Whole(whole) => telling.keep(whole).await,
        ReplyBody::Kept(events) => telling.keep_events(events).await,
        _ => None,
    };
    if let (Some(told), ReplyBody::Whole(body) | ReplyBody::Kept(body)) = (told, body) {
        (*body, decision.words) = (told, Words::Own);
    }
    reply
}

/// What is asked, by its body.
async fn parse<B: BodyStream>(
    shared: &Shared,
    wanted: Wanted,
    request: RequestId,
    head: &Head<'_>,
    body: B,
    hold: Hold,
) -> Result<Asked, Refusal> {
    let (limits, clock) = (&shared.limits, &*shared.clock);
    match wanted {
        Wanted::Operation(named) => {
            let operation = named.operation;
            let parsing = pin!(parse::body(request, named, &head.headers, body, hold, limits, clock));
            let mut asked = parsing.instrument(debug_span!("parse")).await?;
            if let (Operation::Responses, Some(foreign)) = (operation, &mut asked.foreign) {
                foreign.asked_with(head.line.query.unwrap_or_default());
            }
            Ok(asked)
        }
        Wanted::Resource(call) => {
            let parsing = Box::pin(parse::resource(request, call, &head.headers, body, hold, limits, clock));
            parsing.instrument(debug_span!("parse")).await
        }
    }
}

/// Gets an answer for this request alone: holds what it may need, and tries until an answer begins.
pub(crate) async fn answer<T: Transport>(
    engine: &Rc<Engine<T>>,
    world: &Arc<World>,
    mut routed: Box<Routed>,
    trip: &Trip<'_>,
) -> Result<Reply<T::Body>, Refused> {
    hold(engine, world, &mut routed, trip.request).await?;
    engine.shared.retries.arrive(engine.shared.clock.monotonic_us());
    failover(engine, world, routed, trip).await
}

/// Holds what the request may need on the route it has, or on one that is asked where there is no room for it.
async fn hold<T: Transport>(
    engine: &Engine<T>,
    world: &World,
    routed: &mut Routed,
    request: RequestId,
) -> Result<(), Refused> {
    while let Err(refusal) =
        reserve::reserve(routed, world, request, &engine.shared).instrument(debug_span!("reserve")).await
    {
        let refused = Refused::Here(refusal);
        match select::cause(&refused) {
            Some(cause) if routed.fall_back(cause, world) => {}
            _ => return Err(refused),
        }
    }
    Ok(())
}

/// What a request would cost, asked by somebody who may send it; nothing is sent and nothing is used up.
pub async fn estimate<T: Transport, B: BodyStream>(
    engine: &Engine<T>,
    arrival: Arrival<'_, B>,
) -> Result<(RequestId, Quote), Denial> {
    let shared = &engine.shared;
    let request = RequestId(identity::mint(&*shared.clock, &*engine.dice));
    let quoted = async {
        let world = shared.worlds.current();
        let Arrival { head, body } = arrival;
        let caller = identify(engine, &head, &world)?;
        if !caller.level.may_call_models() {
            return Err(Refusal::WrongLevel { needed: Level::App.as_str() });
        }
        let signature = signed::head(&head, &caller, &world, shared)?;
        let asked = parse::any_body(&head.headers, body, &shared.limits, &*shared.clock).await?;
        signed::body(signature, &asked.body, &head, &caller, shared).await?;
        quote(asked, caller, &world, shared.clock.unix_ms()).await
    };
    match quoted.await {
        Ok(quote) => Ok((request, quote)),
        Err(refusal) => Err(Denial::new(request, refusal.into())),
    }
}

/// How many tokens a prompt has that is said as a chat by `chat`, asked by somebody who may send it.
pub async fn count<T: Transport, B: BodyStream>(
    engine: &Engine<T>,
    arrival: Arrival<'_, B>,
    chat: impl FnOnce(&[u8]) -> Result<Bytes, BodyError>,
) -> Result<(RequestId, u64), Denial> {
    let shared = &engine.shared;
    let request = RequestId(identity::mint(&*shared.clock, &*engine.dice));
    let counted = async {
        let world = shared.worlds.current();
        let Arrival { head, body } = arrival;
        let caller = identify(engine, &head, &world)?;
        if !caller.level.may_call_models() {
            return Err(Refusal::WrongLevel { needed: Level::App.as_str() });
        }
        let signature = signed::head(&head, &caller, &world, shared)?;
        let (sent, asked) = parse::counted(&head.headers, body, &shared.limits, chat, &*shared.clock).await?;
        signed::body(signature, &sent, &head, &caller, shared).await?;
        let routed = resolve::resolve(asked, caller, None, &world)?;
        Ok(estimate::count(routed.asked.prompt(), String::new()).await.prompt_tokens())
    };
    match counted.await {
        Ok(tokens) => Ok((request, tokens)),
        Err(refusal) => Err(Denial::new(request, refusal.into())),
    }
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
pub async fn identify_bodiless<T: Transport>(
    engine: &Engine<T>,
    head: &Head<'_>,
    world: &World,
) -> Result<Principal, Refusal> {
    let caller = identify(engine, head, world)?;
    let signature = signed::head(head, &caller, world, &engine.shared)?;
    signed::body(signature, b"", head, &caller, &engine.shared).await?;
    Ok(caller)
}

/// Tries the targets of a route, and then of the routes that are asked instead, until an answer begins.
pub(crate) async fn failover<T: Transport>(
    engine: &Rc<Engine<T>>,
    world: &Arc<World>,
    mut routed: Box<Routed>,
    trip: &Trip<'_>,
) -> Result<Reply<T::Body>, Refused> {
    let mut before = None;
    loop {
        match course(engine, world, &routed, trip, &[]).await {
            Ok((decision, place, served)) => {
                let (request, sharing) = (trip.request, Sharing::Own);
                let mut body = promise(engine, served, trip.tally).await?;
                if let ReplyBody::Stream(relay) = &mut body
                    && decision.words == Words::Chat
                    && let Some(rest) = resume::Route::of(engine, world, routed, trip, place)
                {
                    relay.inherit(Box::new(rest));
                }
                return Ok(Reply::new(request, decision, sharing, body));
            }
            Err(refused) => match select::cause(&refused) {
                Some(cause) if trip.has_time(engine) && routed.fall_back(cause, world) => {
                    // another route may be dearer; where there is no room for it, the failure stands
                    if hold(engine, world, &mut routed, trip.request).await.is_err() {
                        return Err(refused);
                    }
                    before = Some(refused);
                }
                // what cannot be opened behind the alias that is asked instead is no answer to why it was asked
                _ if matches!(refused, Refused::Here(Refusal::SealedElsewhere { .. })) => {
                    return Err(before.unwrap_or(refused));
                }
                _ => return Err(refused),
            },
        }
    }
}

/// Tries the targets of one route, but those in some places, until an answer begins or nothing is left to try.
pub(crate) async fn course<T: Transport>(
    engine: &Engine<T>,
    world: &World,
    routed: &Routed,
    trip: &Trip<'_>,
    but: &[usize],
) -> Result<(Decision, usize, Served<T::Body>), Refused> {
    let clock = &*engine.shared.clock;
    let mut course = Course::begin(engine, routed, trip.head, trip.deadline_us, but);
    loop {
        let (choice, given) = match debug_span!("select").in_scope(|| course.next(engine, world)) {
            Step::Try(choice) => (choice, None),
            Step::Queue(choice) => {
                let turn = course.queue(engine, world, choice, trip.deadline_us);
                match turn.instrument(debug_span!("queue")).await {
                    Some(place) => (choice, Some(place)),
                    None => continue,
                }
            }
            Step::Pause { us } => {
                tokio::time::sleep(Duration::from_micros(us)).await;
                continue;
            }
            Step::GiveUp(why) => return Err(course.give_up(why, clock.monotonic_us())),
        };
        let (target, backend) = world.stand(&routed.to.route, choice.place)?;
        trip.tally.heads_for(&backend.meters);
        let there = There { routed, target, backend };
        let ready = match there.ready(engine, choice, given).await {
            Ok(ready) => ready,
            Err(refused) => {
                course.passed_over(choice, refused);
                continue;
            }
        };
        course.begun(choice);
        let first = Runner { choice, there, ready: ready.passing(course.passed()) };
        match hedge::attempt(engine, world, &mut course, first, trip).await {
            Ok((choice, target, served)) => {
                course.commit();
                let (attempts, policy) = (trip.attempts.get(), routed.to.rule.policy);
                let (_, backend) = world.stand(&routed.to.route, choice.place)?;
                let words = adapt::words(routed, target, backend);
                let decision = Decision { target: Arc::clone(target), attempts, policy, words };
                return Ok((decision, choice.place, served));
            }
            // what cannot be sent again is not tried elsewhere
            Err((_, fault)) if routed.asked.is_spent() => return Err(Refused::There(fault)),
            Err((choice, fault)) => course.failed(engine, choice, fault),
        }
    }
}

/// Gives the client what has begun. A whole answer is booked before it is handed over, and not handed over where it
/// cannot be.
async fn promise<T: Transport>(
    engine: &Engine<T>,
    served: Served<T::Body>,
    tally: &Rc<Tally>,
) -> Result<ReplyBody<T::Body>, Refused> {
    Ok(match served {
        Served::Unbooked => return Err(Refusal::Unbooked.into()),
        Served::Done(body) => {
            tally.finish(200);
            ReplyBody::Whole(body)
        }
        Served::Begun(Begun::Whole(decoded) | Begun::Part(decoded), mut bill) => {
            bill.wrote(decoded.body.len());
            let settling = pin!(bill.settle(decoded.consumed, decoded.text));
            let settled = settling.instrument(debug_span!("account")).await;
            settled.map_err(|_| Refusal::Unbooked)?;
            tally.finish(200);
            ReplyBody::Whole(decoded.body)
        }
        Served::Begun(Begun::Stream(opened), bill) => {
            let heartbeat = Duration::from_millis(engine.shared.limits.heartbeat_ms);
            let orphans = Rc::clone(&engine.orphans);
            let shape = opened.shape.clone();
            let relay = Relay::new(opened, bill, Rc::clone(tally), heartbeat, orphans);
            match shape {
                Shape::Events => ReplyBody::Stream(relay),
                Shape::Bytes(media) => ReplyBody::Bytes(media, relay),
            }
        }
    })
}
