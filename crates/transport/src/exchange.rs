//! What the parts of this crate know of the exchange that is being polled: awc carries none of it for us.
//!
//! awc polls its connector and its sockets inside the caller's own poll, so a task-local reaches them. Outside
//! of [`Exchange::around`] (in the body of an answer) there is no current exchange, and none is needed.

use std::{cell::Cell, future::Future, rc::Rc};

use tokio::time::{Duration, Instant};

use crate::peer::Peer;

tokio::task_local! {
    static CURRENT: Rc<Exchange>;
}

/// One request on its way out, until the head of its answer came.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) peer: Rc<Peer>,
    pub(crate) connect: Duration,
    begun_at: Cell<Instant>,
    /// When the latest byte of the request was taken by the socket.
    sent_at: Cell<Option<Instant>>,
    /// Whether pooled connections are to be passed over.
    wants_fresh: Cell<bool>,
}

impl Exchange {
    pub(crate) fn new(peer: Rc<Peer>, connect: Duration) -> Rc<Self> {
        Rc::new(Self {
            peer,
            connect,
            begun_at: Cell::new(Instant::now()),
            sent_at: Cell::new(None),
            wants_fresh: Cell::new(false),
        })
    }

    /// Makes this the current exchange whenever `future` is polled.
    pub(crate) fn around<F: Future>(self: &Rc<Self>, future: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(Rc::clone(self), future)
    }

    /// The exchange being polled.
    pub(crate) fn current() -> Option<Rc<Self>> {
        CURRENT.try_with(Rc::clone).ok()
    }

    /// Bytes of the request were taken by the socket.
    pub(crate) fn note_sent() {
        // outside of an exchange nobody waits for a first byte
        let _ = CURRENT.try_with(|exchange| exchange.sent_at.set(Some(Instant::now())));
    }

    /// When the head of the answer is due: counted from the last byte sent, and while there is none yet,
    /// connecting has its own time on top.
    pub(crate) fn answer_due(&self, first_byte: Duration) -> Instant {
        self.sent_at.get().unwrap_or(self.begun_at.get() + self.connect) + first_byte
    }

    /// From here on no pooled connection will do.
    pub(crate) fn demand_fresh(&self) {
        self.wants_fresh.set(true);
        self.sent_at.set(None);
        self.begun_at.set(Instant::now());
    }

    /// Whether the exchange being polled passes pooled connections over.
    pub(crate) fn current_wants_fresh() -> bool {
        CURRENT.try_with(|exchange| exchange.wants_fresh.get()).unwrap_or(false)
    }
}
