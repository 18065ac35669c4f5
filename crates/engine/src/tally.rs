//! Counts a request in the metrics once, however it ends.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use nexus_telemetry::{meters::InFlight, target::TargetMeters};

use crate::{shared::Shared, stage::account::CLIENT_GONE};

/// An open request. Dropped without [`Tally::finish`], its client went away.
pub struct Tally {
    shared: Arc<Shared>,
    opened_us: u64,
    finished: Cell<bool>,
    target: RefCell<Option<Arc<TargetMeters>>>,
    _in_flight: InFlight,
}

impl Tally {
    pub fn open(shared: &Arc<Shared>) -> Self {
        Self {
            opened_us: shared.clock.monotonic_us(),
            _in_flight: shared.meters.arrive(),
            shared: Arc::clone(shared),
            finished: Cell::new(false),
            target: RefCell::new(None),
        }
    }

    /// When the request arrived, on the clock that never runs backwards.
    pub fn opened_us(&self) -> u64 {
        self.opened_us
    }

    /// How long ago the request came, in microseconds.
    pub fn elapsed_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.opened_us)
    }

    /// The request is now on its way to this target.
    pub fn heads_for(&self, meters: &Arc<TargetMeters>) {
        *self.target.borrow_mut() = Some(Arc::clone(meters));
    }

    /// The request has ended with this status. Only the first call counts.
    pub fn finish(&self, status: u16) {
        if self.finished.replace(true) {
            return;
        }
        let latency_us = self.shared.clock.monotonic_us().saturating_sub(self.opened_us);
        match &*self.target.borrow() {
            Some(meters) => meters.request_done(status, latency_us),
            None => self.shared.meters.unrouted().request_done(status, latency_us),
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.finish(CLIENT_GONE);
    }
}
