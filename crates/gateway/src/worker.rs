//! What one worker thread holds: its engine, and whether the node is draining.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use nexus_engine::shared::Engine;
use nexus_transport::HttpTransport;

use crate::{
    admin::Admin,
    forwarded::Forwarding,
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
    pub drain: Arc<Drain>,
}

impl Worker {
    /// Waits before somebody whose key is refused is answered.
    pub async fn hold(&self) -> Stay {
        self.tarpit.hold(self.engine.shared.clock.monotonic_us()).await
    }
}

/// Whether the node takes new work. Set once, never taken back.
#[derive(Debug, Default)]
pub struct Drain(AtomicBool);

impl Drain {
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
