//! Batches that the gateway runs itself: one node of all does, by a lease, and one of its workers.
//!
//! What it writes it writes under the token of its lease: a node that slept through its end changes nothing.

use std::{
    cell::RefCell,
    collections::HashSet,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nexus_engine::{
    shared::Engine,
    shelf::{Shelf, batches::KIND, runner},
};
use nexus_transport::HttpTransport;

use crate::{
    nodes::{BATCHES, Presence},
    route::Part,
    shelf::StoredShelf,
    worker::Drain,
};

/// Between two looks at what is to be run.
const TICK: Duration = Duration::from_secs(1);
/// Batches that are run at once.
const AT_ONCE: usize = 4;
/// How many are looked at for those.
const LOOKED_AT: i64 = 64;

/// What runs batches. Of all workers the first that asks does.
pub struct Batching {
    shelf: StoredShelf,
    presence: Arc<Presence>,
    is_taken: AtomicBool,
}

impl Batching {
    pub fn new(shelf: StoredShelf, presence: Arc<Presence>) -> Self {
        Self { shelf, presence, is_taken: AtomicBool::new(false) }
    }

    /// Runs batches on this worker until the node drains, if no other does.
    pub fn begin(self: &Arc<Self>, part: Part, engine: &Rc<Engine<HttpTransport>>, drain: &Arc<Drain>) {
        if part != Part::Administration && !self.is_taken.swap(true, Ordering::AcqRel) {
            let round = Round {
                batching: Arc::clone(self),
                engine: Rc::clone(engine),
                drain: Arc::clone(drain),
                running: RefCell::default(),
            };
            actix_web::rt::spawn(Rc::new(round).go_round());
        }
    }
}

struct Round {
    batching: Arc<Batching>,
    engine: Rc<Engine<HttpTransport>>,
    drain: Arc<Drain>,
    running: RefCell<HashSet<String>>,
}

impl Round {
    async fn go_round(self: Rc<Self>) {
        while !self.drain.has_begun() {
            tokio::time::sleep(TICK).await;
            let Some(token) = self.batching.presence.token(BATCHES) else { continue };
            let open = match self.batching.shelf.open(KIND, LOOKED_AT).await {
                Ok(open) => open,
                // it comes back, and says so itself
                Err(_) => continue,
            };
            for id in open {
                let has_room = self.running.borrow().len() < AT_ONCE;
                if has_room && self.running.borrow_mut().insert(id.clone()) {
                    actix_web::rt::spawn(Rc::clone(&self).run(id, token));
                }
            }
        }
    }

    /// Runs one as long as the lease holds.
    async fn run(self: Rc<Self>, id: String, token: i64) {
        let shelf: Arc<dyn Shelf> = Arc::new(self.batching.shelf.fenced(BATCHES, token));
        let may_go_on = || !self.drain.has_begun() && self.batching.presence.token(BATCHES) == Some(token);
        if runner::run(&self.engine, &shelf, &id, &may_go_on).await.is_err() {
            tracing::warn!(batch = id, "a batch could not go on and is tried again");
        }
        self.running.borrow_mut().remove(&id);
    }
}
