//! What the request's way notes, on its way into the database: last uses, first addresses, denials, attacks.
//!
//! Requests never wait for the database. What comes in crowds is put together where it is noted, so that a flood of bad
//! keys is a few rows and not a flood of rows, and wakes nobody.

mod gathered;

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nexus_engine::{
    identity,
    port::{Clock, Noted, Trail},
};
use nexus_store::Store;

use self::gathered::Gathered;
use crate::dice::WorkerDice;

/// How often what was gathered is written.
const PERIOD: Duration = Duration::from_secs(5);

/// What both ends hold.
#[derive(Default)]
struct Inbox {
    notes: Mutex<Notes>,
    wake: Condvar,
}

#[derive(Default)]
struct Notes {
    gathered: Gathered,
    /// Nobody notes anything any more.
    is_over: bool,
}

impl Inbox {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the time to write, or for a reason to write earlier.
    fn wait(&self, until: Instant, is_patient: bool) -> MutexGuard<'_, Notes> {
        let mut notes = self.notes();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let is_urgent = !is_patient && notes.gathered.is_urgent();
            if notes.is_over || is_urgent || left.is_zero() {
                return notes;
            }
            (notes, _) = self.wake.wait_timeout(notes, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The near end: what the engine notes things with.
pub struct TrailNotes(Arc<Inbox>);

impl Trail for TrailNotes {
    fn note(&self, noted: Noted) {
        let mut notes = self.0.notes();
        let was_urgent = notes.gathered.is_urgent();
        notes.gathered.take(noted);
        if !was_urgent && notes.gathered.is_urgent() {
            self.0.wake.notify_one();
        }
    }
}

impl Drop for TrailNotes {
    fn drop(&mut self) {
        self.0.notes().is_over = true;
        self.0.wake.notify_one();
    }
}

/// The far end: the thread that writes. It ends, with everything written, when the near end is gone.
pub struct TrailWriter(Option<JoinHandle<()>>);

/// Both ends.
pub fn start(store: Store, clock: Arc<dyn Clock>) -> std::io::Result<(TrailNotes, TrailWriter)> {
    let inbox = Arc::<Inbox>::default();
    let near = TrailNotes(Arc::clone(&inbox));
    let thread = std::thread::Builder::new()
        .name("nexus-trail".into())
        .spawn(move || write(&store, &*clock, &inbox))?;
    Ok((near, TrailWriter(Some(thread))))
}

impl Drop for TrailWriter {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _panicked = thread.join();
        }
    }
}

fn write(store: &Store, clock: &dyn Clock, inbox: &Inbox) {
    let dice = WorkerDice::new();
    let fresh_id = || identity::mint(clock, &dice);
    let mut is_away = false;
    loop {
        let mut notes = inbox.wait(Instant::now() + PERIOD, is_away);
        let (gathered, is_over) = (mem::take(&mut notes.gathered), notes.is_over);
        drop(notes);
        is_away = match gathered.write(store, clock.unix_ms(), &fresh_id) {
            Ok(()) => false,
            Err(error) => {
                tracing::warn!(%error, "notes for the audit trail wait for the database");
                inbox.notes().gathered.absorb(gathered);
                true
            }
        };
        if is_over {
            return;
        }
    }
}
