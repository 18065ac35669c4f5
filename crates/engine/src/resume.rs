//! Another target goes on where a streamed answer broke off, where the route's rule allows it.
//!
//! The client's stream stays one: what was said is never said again, and what comes from somebody else is marked. The
//! attempt that broke off is booked as failed, and the one that goes on by itself.

use std::{cell::Cell, rc::Rc, sync::Arc};

use futures_core::future::LocalBoxFuture;
use nexus_core::{
    fault::{Class, Fault, Retry},
    id::RequestId,
};
use nexus_wire::{chat::ChatRequest, continuation};

use crate::{
    arrival::Head,
    attempt::{Served, Trip},
    pipeline::{self, Refused},
    port::Transport,
    shared::Engine,
    stage::{
        account::Bill,
        normalise::{Begun, Opened},
        parse::Request,
        resolve::Routed,
    },
    tally::Tally,
    world::World,
};

/// What goes on in the place of what broke off.
pub struct Resumed<B> {
    pub opened: Opened<B>,
    pub bill: Box<Bill>,
    /// Who goes on should this one break off too.
    pub heir: Box<dyn Heir<B>>,
}

/// One that can go on with an answer of which this was said.
pub trait Heir<B> {
    fn go_on(self: Box<Self>, said: String) -> LocalBoxFuture<'static, Result<Resumed<B>, Fault>>;
}

/// Whether somebody else may fare better after this fault.
pub fn may_help(fault: &Fault) -> bool {
    fault.retry() != Retry::Never
}

/// The rest of a route, for one request.
pub(crate) struct Route<T: Transport> {
    pub(crate) engine: Rc<Engine<T>>,
    pub(crate) world: Arc<World>,
    pub(crate) routed: Box<Routed>,
    pub(crate) request: RequestId,
    pub(crate) others: Vec<(String, String)>,
    pub(crate) attempts: u32,
    pub(crate) tally: Rc<Tally>,
    /// The places of the targets that broke off.
    pub(crate) broken: Vec<usize>,
}

impl<T: Transport> Route<T> {
    /// Who may go on with a stream that these targets answer; `None` where nobody may.
    pub(crate) fn of(
        engine: &Rc<Engine<T>>,
        world: &Arc<World>,
        routed: Box<Routed>,
        trip: &Trip<'_>,
        place: usize,
    ) -> Option<Self> {
        let is_plain =
            matches!(routed.asked.request, Request::Chat(_)) && continuation::is_plain(&routed.asked.body);
        if !routed.to.rule.conduct.continues || !is_plain {
            return None;
        }
        Some(Self {
            engine: Rc::clone(engine),
            world: Arc::clone(world),
            routed,
            request: trip.request,
            others: trip.owned_headers(),
            attempts: trip.attempts.get(),
            tally: Rc::clone(trip.tally),
            broken: vec![place],
        })
    }

    async fn rest(mut self, said: String) -> Result<Resumed<T::Body>, Fault> {
        let asked = self.routed.asked.body.clone();
        let tokens = nexus_tokens::count_text(&said);
        let gone = || Fault::new(Class::Truncated, "there is nothing left to say");
        let body = continuation::go_on(&asked, &said, tokens).ok_or_else(gone)?;
        let request =
            ChatRequest::read(&body).map_err(|error| Fault::new(Class::BadRequest, error.message))?;
        let request = ChatRequest { goes_on: !said.is_empty(), ..request };
        // from here on it is a chat like any other, in whatever tongue it was asked
        self.routed.asked.foreign = None;
        (self.routed.asked.body, self.routed.asked.request) = (body, Request::Chat(request));
        let others = self.others.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let head = Head { others, ..Head::default() };
        let shared = &self.engine.shared;
        if !shared.retries.take() {
            return Err(Fault::new(Class::Overloaded, "there were too many retries lately"));
        }
        let whole_us = shared.limits.deadlines.whole_ms.saturating_mul(1000);
        let deadline_us = shared.clock.monotonic_us().saturating_add(whole_us);
        let attempts = Cell::new(self.attempts);
        let trip = Trip {
            request: self.request,
            head: &head,
            deadline_us,
            attempts,
            shown: Cell::default(),
            status: Cell::new(200),
            tally: &self.tally,
        };
        let came = pipeline::course(&self.engine, &self.world, &self.routed, &trip, &self.broken).await;
        self.attempts = trip.attempts.get();
        let (place, opened, bill) = match came {
            Ok((_, place, Served::Begun(Begun::Stream(opened), bill))) => (place, opened, bill),
            Ok(_) => return Err(Fault::new(Class::BadAnswer, "the rest of a stream came as a whole")),
            Err(Refused::There(fault)) => return Err(fault),
            Err(Refused::Here(_)) => return Err(Fault::new(Class::Overloaded, "nobody is left to go on")),
        };
        drop(head);
        // whoever goes on next is told everything that was said, by whomever
        self.routed.asked.body = asked;
        self.broken.push(place);
        Ok(Resumed { opened, bill, heir: Box::new(self) })
    }
}

impl<T: Transport> Heir<T::Body> for Route<T> {
    fn go_on(self: Box<Self>, said: String) -> LocalBoxFuture<'static, Result<Resumed<T::Body>, Fault>> {
        Box::pin(self.rest(said))
    }
}
