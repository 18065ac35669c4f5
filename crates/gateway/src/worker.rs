//! What one worker thread holds: its engine, and whether the node is draining.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use nexus_engine::shared::Engine;
use nexus_transport::HttpTransport;

use crate::{
    admin::Admin,
    forwarded::Forwarding,
    modes::Modes,
    structure::Clean,
    tarpit::{Stay, Tarpit},
};

/// A worker's own world of handlers.
pub struct Worker {
    pub admin: Arc<Admin>,
    pub engine: Rc<Engine<HttpTransport>>,
    /// What this worker has found to be no attack.
    pub clean: Clean,
    pub forwarding: Forwarding,
    pub tarpit: Tarpit,
    pub modes: Arc<Modes>,
    pub drain: Arc<Drain>,
}

impl Worker {
    /// Waits before somebody whose key is refused is answered.
    pub async fn hold(&self) -> Stay {
        self.tarpit.hold(self.engine.shared.clock.monotonic_us()).await
    }
}

/// Whether the node takes new work, and who is still there. Set once, never taken back.
#[derive(Debug, Default)]
pub struct Drain {
    has_begun: AtomicBool,
    open: AtomicUsize,
}

/// A connection, as long as it is open.
pub struct Guest(Arc<Drain>);

impl Drain {
    pub fn begin(&self) {
        self.has_begun.store(true, Ordering::Release);
    }

    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }

    /// A connection was opened.
    pub fn enter(self: &Arc<Self>) -> Guest {
        self.open.fetch_add(1, Ordering::AcqRel);
        Guest(Arc::clone(self))
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}
