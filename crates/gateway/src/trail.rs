//! What the request's way notes, on its way into the database: last uses, first addresses, denials, attacks.
//!
//! Requests never wait for it: the queue is bounded, and what does not fit is counted and dropped. What comes
//! in crowds is put together by the minute, so that a flood of bad keys is a few rows and not a flood of rows.

mod gathered;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
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

/// Notes that may wait.
const QUEUE: usize = 8192;
/// How often what was gathered is written.
const PERIOD: Duration = Duration::from_secs(5);

/// The near end: what the engine notes things with.
pub struct TrailQueue {
    queue: SyncSender<Noted>,
    dropped: Arc<AtomicU64>,
}

impl Trail for TrailQueue {
    fn note(&self, noted: Noted) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(noted) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The far end: the thread that writes. It ends, with everything written, when the last near end is gone.
pub struct TrailWriter(Option<JoinHandle<()>>);

/// Both ends.
pub fn start(store: Store, clock: Arc<dyn Clock>) -> std::io::Result<(TrailQueue, TrailWriter)> {
    let (queue, notes) = sync_channel(QUEUE);
    let dropped = Arc::new(AtomicU64::new(0));
    let lost = Arc::clone(&dropped);
    let thread = std::thread::Builder::new()
        .name("nexus-trail".into())
        .spawn(move || write(&store, &*clock, &notes, &lost))?;
    Ok((TrailQueue { queue, dropped }, TrailWriter(Some(thread))))
}

impl Drop for TrailWriter {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _panicked = thread.join();
        }
    }
}

fn write(store: &Store, clock: &dyn Clock, notes: &Receiver<Noted>, dropped: &AtomicU64) {
    let mut gathered = Gathered::default();
    let dice = WorkerDice::new();
    let fresh_id = || identity::mint(clock, &dice);
    let mut next = Instant::now() + PERIOD;
    loop {
        let is_over = match notes.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(noted) => {
                gathered.take(noted);
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        if is_over || Instant::now() >= next || gathered.is_urgent() {
            gathered.lose(dropped.swap(0, Ordering::Relaxed));
            gathered.write(store, clock.unix_ms(), &fresh_id);
            next = Instant::now() + PERIOD;
        }
        if is_over {
            return;
        }
    }
}
