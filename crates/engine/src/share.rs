//! Requests that are given one answer: the first leads, in a task of its own, and everybody listens.
//!
//! The task belongs to no client: one that leaves takes the answer from nobody else. It ends with the last listener,
//! unless the answer was promised to an `Idempotency-Key`; then it ends with the answer.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use nexus_core::{
    fault::{Class, Fault},
    id::{AttemptId, RequestId},
    usage::Repeat,
};
use tracing::Instrument as _;

use crate::{
    arrival::Head,
    attempt::Trip,
    booking, identity,
    pipeline::{self, Refused},
    port::Transport,
    relay::Relay,
    repeat::{
        Entered, Lead, Wish,
        flight::{Began, End, Listener, Silent},
        promised::Promised,
    },
    reply::{Decision, Reply, ReplyBody, Sharing},
    shared::Engine,
    stage::resolve::Routed,
    tally::Tally,
    world::World,
};

/// Answers with what another request got or gets, or gets it for all that wish for the same.
pub async fn share<T: Transport>(
    engine: &Rc<Engine<T>>,
    world: &Arc<World>,
    routed: Box<Routed>,
    wish: &Wish,
    trip: Trip<'_>,
) -> Result<Reply<T::Body>, Refused> {
    let shared = &engine.shared;
    let may_keep = wish.same.is_some_and(|same| same.ttl_us.is_some());
    let mut failures = 0;
    loop {
        match shared.repeats.enter(wish, failures, shared.clock.monotonic_us())? {
            Some(Entered::Kept(kept, repeat)) => {
                let body = kept.body.clone();
                let body = if kept.is_stream { ReplyBody::Kept(body) } else { ReplyBody::Whole(body) };
                return Ok(given(engine, &routed, &trip, &kept.decision, repeat, body));
            }
            Some(Entered::Follows(listener, repeat)) => match in_time(engine, &trip, &listener).await? {
                Ok(Began::Whole(decision, body)) => {
                    return Ok(given(engine, &routed, &trip, &decision, repeat, ReplyBody::Whole(body)));
                }
                Ok(Began::Stream(decision)) => {
                    let body = ReplyBody::Heard(Box::new(listener.counted(trip.tally)));
                    return Ok(given(engine, &routed, &trip, &decision, repeat, body));
                }
                Err(Silent::Refused(refused)) => return Err(refused),
                Err(Silent::Again { failures: before }) => failures = before,
            },
            Some(Entered::Leads(lead, listener)) => {
                let sharing = if may_keep { Sharing::Missed } else { Sharing::Own };
                if may_keep {
                    shared.meters.cache_missed();
                }
                let request = trip.request;
                let promised = match Promised::make(shared, wish.promise.as_ref(), request).await {
                    Ok(promised) => promised,
                    Err(refusal) => {
                        lead.fail(End::Failed(refusal.clone().into()));
                        return Err(refusal.into());
                    }
                };
                let errand = Errand::of(&trip, promised);
                let led = led(Rc::clone(engine), Arc::clone(world), routed, errand, lead);
                tokio::task::spawn_local(led.instrument(tracing::Span::current()));
                return own(request, listener, sharing).await;
            }
            None if wish.promise.is_some() => {
                let why = "too many answers are under way to promise another";
                return Err(Refused::There(Fault::new(Class::Overloaded, why)));
            }
            None => return pipeline::answer(engine, world, routed, &trip).await,
        }
    }
}

/// What the one that leads hears of its own answer.
async fn own<B>(request: RequestId, listener: Listener, sharing: Sharing) -> Result<Reply<B>, Refused> {
    match listener.began().await {
        Ok(Began::Whole(decision, body)) => {
            Ok(Reply::new(request, decision, sharing, ReplyBody::Whole(body)))
        }
        Ok(Began::Stream(decision)) => {
            Ok(Reply::new(request, decision, sharing, ReplyBody::Heard(Box::new(listener))))
        }
        Err(Silent::Refused(refused)) => Err(refused),
        Err(Silent::Again { .. }) => Err(Refused::There(Fault::new(Class::Reset, "the answer is lost"))),
    }
}

/// What is heard before the request's own time is over.
async fn in_time<T: Transport>(
    engine: &Engine<T>,
    trip: &Trip<'_>,
    listener: &Listener,
) -> Result<Result<Began, Silent>, Refused> {
    let left_us = trip.deadline_us.saturating_sub(engine.shared.clock.monotonic_us());
    let over = |_| Refused::There(Fault::new(Class::Timeout, "the client's time is over"));
    tokio::time::timeout(Duration::from_micros(left_us), listener.began()).await.map_err(over)
}

/// What a task needs of the request that made it.
struct Errand {
    request: RequestId,
    others: Vec<(String, String)>,
    deadline_us: u64,
    tally: Rc<Tally>,
    promised: Option<Promised>,
}

impl Errand {
    fn of(trip: &Trip<'_>, promised: Option<Promised>) -> Self {
        Self {
            promised,
            request: trip.request,
            others: trip.owned_headers(),
            deadline_us: trip.deadline_us,
            tally: Rc::clone(trip.tally),
        }
    }
}

/// Gets the answer and tells it to everybody, as long as anybody listens.
async fn led<T: Transport>(
    engine: Rc<Engine<T>>,
    world: Arc<World>,
    routed: Box<Routed>,
    mut errand: Errand,
    mut lead: Lead,
) {
    let promised = errand.promised.take();
    let others = errand.others.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let head = Head { others, ..Head::default() };
    let Errand { request, deadline_us, tally, .. } = &errand;
    let trip = Trip {
        request: *request,
        head: &head,
        deadline_us: *deadline_us,
        attempts: Cell::new(0),
        shown: Cell::default(),
        status: Cell::new(200),
        tally,
    };
    let mut answer = std::pin::pin!(pipeline::answer(&engine, &world, routed, &trip));
    let flight = Arc::clone(&lead.flight);
    let answered = loop {
        tokio::select! {
            biased;
            () = flight.deserted() => {
                if lead.give_up_deserted() {
                    return;
                }
            }
            answered = &mut answer => break answered,
        }
    };
    let is_whole = match answered {
        Ok(Reply { decision: Some(decision), body: ReplyBody::Whole(body), .. }) => {
            flight.begin(Began::Whole(decision, body));
            lead.complete(engine.shared.clock.monotonic_us());
            true
        }
        Ok(Reply { decision: Some(decision), body: ReplyBody::Stream(relay), .. }) => {
            flight.begin(Began::Stream(decision));
            relayed(&engine, relay, lead).await
        }
        // nothing is shared within what is shared
        Ok(_) => false,
        Err(refused) => {
            lead.fail(End::Failed(refused));
            false
        }
    };
    match promised {
        Some(promised) if is_whole => promised.keep(),
        Some(promised) => promised.break_off(),
        None => {}
    }
}

/// Tells a stream to everybody, piece by piece; whether it came to its end.
async fn relayed<T: Transport>(engine: &Engine<T>, mut relay: Relay<T::Body>, mut lead: Lead) -> bool {
    let flight = Arc::clone(&lead.flight);
    loop {
        let piece = tokio::select! {
            biased;
            () = flight.deserted() => {
                if lead.give_up_deserted() {
                    return false;
                }
                continue;
            }
            piece = relay.next() => piece,
        };
        match piece {
            Some(piece) if &*piece == nexus_wire::sse::encode::HEARTBEAT => flight.beat(),
            Some(piece) => {
                flight.push(&piece);
                drop(piece);
                flight.room().await;
            }
            None => break,
        }
    }
    match relay.status() {
        Some(200) => {
            lead.complete(engine.shared.clock.monotonic_us());
            true
        }
        status => {
            lead.fail(End::Broken(status.unwrap_or_default()));
            false
        }
    }
}

/// A reply with an answer that another request got. It is booked as one that made no attempt and cost nothing.
fn given<T: Transport>(
    engine: &Engine<T>,
    routed: &Routed,
    trip: &Trip<'_>,
    decision: &Decision,
    repeat: Repeat,
    body: ReplyBody<T::Body>,
) -> Reply<T::Body> {
    let shared = &engine.shared;
    let attempt = AttemptId(identity::mint(&*shared.clock, &*engine.dice));
    booking::book_repeated(shared, routed, &decision.target, (attempt, trip.request), repeat);
    trip.tally.heads_for(&shared.meters.for_target("cache", routed.to.route.label()));
    if !matches!(body, ReplyBody::Heard(_)) {
        trip.tally.finish(200);
    }
    let decision = Decision { attempts: 0, ..decision.clone() };
    Reply::new(trip.request, decision, Sharing::Others(repeat), body)
}
