//! The shipper: brings what the journal holds into the database, in batches, as often as it takes.
//!
//! Records and checkpoint go in one transaction, and a record that is there already changes nothing, so
//! a crash at any point only means that some are shipped again. A segment is deleted when everything in
//! it is in the database. While the database is away the journal grows, and [`Shipper::backlog`] shows it.

mod shipping;

#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nexus_core::usage::UsageRecord;

use crate::{
    exec::Store,
    journal::{Journal, Position},
};

use shipping::{Shipping, Step};

/// How long the shipper sleeps when nobody wakes it.
const PERIOD: Duration = Duration::from_millis(500);
/// The longest pause between tries while the database is away.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Who is shown what was shipped. Runs on the shipper's thread.
pub type Watcher = Box<dyn FnMut(&[UsageRecord]) + Send>;

/// The shipper's thread. Dropping it stops the thread after the batch at hand.
pub struct Shipper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How far the database is behind the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Bytes of journal not in the database yet.
    pub bytes: u64,
    /// Tries that failed since one succeeded; 0 while all is well.
    pub failures_in_a_row: u32,
    /// Records brought over since the start.
    pub shipped_records: u64,
    /// Bytes passed since the start because they are no records; they are kept beside the journal.
    pub damaged_bytes: u64,
    /// How long ago the database had everything; 0 while it has. No record in the journal is older, but those of
    /// an earlier process.
    pub behind: Duration,
    /// Whether the journal cannot be written or synced.
    pub is_failing: bool,
}

/// What a flush came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Whether everything booked before the flush is in the database.
    pub is_complete: bool,
    pub backlog: Backlog,
}

struct Shared {
    journal: Arc<Journal>,
    progress: Mutex<Progress>,
    /// Wakes the thread (a flush, a stop) and those who wait for it (progress).
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    /// Everything before is in the database.
    shipped: Position,
    /// When the database had everything for the last time.
    caught_up_at: Option<Instant>,
    /// How far someone waits for it to get.
    wanted: Position,
    counts: Backlog,
    /// Somebody came to wait: the pause is over.
    is_hurried: bool,
    is_stopping: bool,
}

impl Shipper {
    /// Starts shipping. Fails only where no thread can be had.
    pub fn start(store: Store, journal: Arc<Journal>) -> io::Result<Self> {
        Self::start_watched(store, journal, Box::new(|_| ()))
    }

    /// The same, with somebody who is shown every record that is in the database now; after a crash some again.
    pub fn start_watched(store: Store, journal: Arc<Journal>, watcher: Watcher) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            journal: Arc::clone(&journal),
            progress: Mutex::new(Progress { caught_up_at: Some(Instant::now()), ..Progress::default() }),
            changed: Condvar::new(),
        });
        let thread_shared = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("usage-shipper".to_owned())
            .spawn(move || run(&thread_shared, &mut Shipping::new(store, journal, watcher)))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Waits until everything booked before the call is in the database, or until `deadline`.
    pub fn flush(&self, deadline: Instant) -> Flushed {
        let wanted = self.shared.journal.end();
        let mut progress = self.shared.lock();
        progress.wanted = progress.wanted.max(wanted);
        progress.is_hurried = true;
        self.shared.changed.notify_all();
        let left = deadline.saturating_duration_since(Instant::now());
        let (progress, _) = self
            .shared
            .changed
            .wait_timeout_while(progress, left, |progress| progress.shipped < wanted)
            .unwrap_or_else(PoisonError::into_inner);
        let is_complete = progress.shipped >= wanted;
        drop(progress);
        Flushed { is_complete, backlog: self.backlog() }
    }

    /// How far the database is behind. Looks at the journal's folder: for metrics, not for requests.
    pub fn backlog(&self) -> Backlog {
        let progress = self.shared.lock();
        let (shipped, counts, caught_up_at) = (progress.shipped, progress.counts, progress.caught_up_at);
        drop(progress);
        let bytes = self.shared.journal.bytes_after(shipped).unwrap_or_else(|error| {
            tracing::warn!(%error, "the journal's folder cannot be read");
            counts.bytes
        });
        let behind = match caught_up_at {
            Some(at) if bytes > 0 => at.elapsed(),
            _ => Duration::ZERO,
        };
        Backlog { bytes, behind, is_failing: self.shared.journal.is_failing(), ..counts }
    }
}

impl Drop for Shipper {
    fn drop(&mut self) {
        self.shared.lock().is_stopping = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the usage shipper died");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a step and says how long to rest before the next.
    fn note(&self, step: Result<Step, shipping::Problem>) -> Duration {
        let mut progress = self.lock();
        match step {
            Ok(step) => {
                let counts = &mut progress.counts;
                counts.failures_in_a_row = 0;
                counts.shipped_records = counts.shipped_records.saturating_add(step.records);
                counts.damaged_bytes = counts.damaged_bytes.saturating_add(step.damaged_bytes);
                progress.shipped = step.position;
                // what was booked while it was shipped is a moment old
                if !step.is_behind {
                    progress.caught_up_at = Some(Instant::now());
                }
                self.changed.notify_all();
                // what was booked during the step is left for the next period, unless somebody waits for it
                let is_waited_for = !step.is_at_end && progress.wanted > step.position;
                if step.is_behind || is_waited_for { Duration::ZERO } else { PERIOD }
            }
            Err(problem) => {
                let failures = progress.counts.failures_in_a_row.saturating_add(1);
                progress.counts.failures_in_a_row = failures;
                drop(progress);
                tracing::warn!(
                    failures,
                    error = &problem as &dyn std::error::Error,
                    "usage stays in the journal"
                );
                PERIOD.saturating_mul(1 << failures.min(5)).min(PAUSE_MAX)
            }
        }
    }

    /// Rests until it is time, or until the thread is wanted. False when it is to stop.
    fn rest(&self, pause: Duration) -> bool {
        let progress = self.lock();
        // while somebody waits a failure is soon tried again, but a broken disk is not spun on
        let pause = if progress.wanted > progress.shipped { pause.min(PERIOD) } else { pause };
        let (mut progress, _) = self
            .changed
            .wait_timeout_while(progress, pause, |progress| !progress.is_stopping && !progress.is_hurried)
            .unwrap_or_else(PoisonError::into_inner);
        progress.is_hurried = false;
        !progress.is_stopping
    }
}

fn run(shared: &Shared, shipping: &mut Shipping) {
    loop {
        let pause = shared.note(shipping.step());
        if !shared.rest(pause) {
            return;
        }
    }
}
