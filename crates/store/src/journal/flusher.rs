//! The thread that makes booked records safe from the death of the machine, many with one sync.
//!
//! It never holds the journal's lock while it waits for the disk.

use std::{
    io, mem,
    sync::{Arc, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{JournalError, Shared, write_whole};

/// How long a disk that failed is left alone.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// What a disk that failed is tried with: more than fits where nothing is free.
const PROBE: [u8; 4096] = [0; 4096];

pub(super) fn start(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("journal-sync".to_owned()).spawn(move || run(&shared))
}

fn run(shared: &Shared) {
    loop {
        let writing = shared.lock();
        let waited = shared.wake.wait_while(writing, |writing| {
            writing.unsynced.is_empty() && !writing.is_stopping && !shared.is_failing.load(Ordering::Relaxed)
        });
        let is_stopping = waited.unwrap_or_else(PoisonError::into_inner).is_stopping;
        let is_failing = shared.is_failing.load(Ordering::Relaxed) && !is_stopping;
        let pause = match if is_failing { shared.heal() } else { shared.sync() } {
            Ok(()) => shared.options.sync_interval,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "booked usage may not survive the death of the machine"
                );
                PAUSE_AFTER_FAILURE
            }
        };
        if is_stopping {
            return;
        }
        let pausing = shared.wake.wait_timeout_while(shared.lock(), pause, |writing| !writing.is_stopping);
        drop(pausing);
    }
}

impl Shared {
    /// Syncs what is unsynced. After a failed sync nobody knows what the disk has of a segment, and a
    /// second sync would not tell: it is reported once, and no more is written there.
    pub(super) fn sync(&self) -> Result<(), JournalError> {
        let _syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writing = self.lock();
        let is_folder_unsynced = mem::take(&mut writing.is_folder_unsynced);
        let files = mem::take(&mut writing.unsynced);
        drop(writing);
        let mut outcome = Ok(());
        let is_told = is_folder_unsynced || !files.is_empty();
        if is_folder_unsynced && let Err(error) = self.folder.sync() {
            self.lock().is_folder_unsynced = true;
            outcome = Err(JournalError::Sync(error));
        }
        for file in files {
            let Err(error) = file.sync() else { continue };
            outcome = Err(JournalError::Sync(error));
            let mut writing = self.lock();
            if writing.file.as_ref().is_some_and(|present| Arc::ptr_eq(present, &file)) {
                writing.file = None;
            }
        }
        match &outcome {
            Ok(()) if is_told => self.is_failing.store(false, Ordering::Relaxed),
            Ok(()) => {}
            Err(_) => self.note_failure(),
        }
        outcome
    }

    /// Tries whether the disk takes anything again: writes what is no record where nothing is yet, takes it away
    /// and syncs.
    fn heal(&self) -> Result<(), JournalError> {
        let mut writing = self.lock();
        let file = match &writing.file {
            Some(file) if writing.end.offset == 0 => Arc::clone(file),
            _ => self.begin_segment(&mut writing)?,
        };
        let written = write_whole(&*file, &PROBE);
        if let Err(error) = file.truncate(0) {
            writing.file = None;
            return Err(JournalError::Write(error));
        }
        written.map_err(JournalError::Write)?;
        writing.unsynced.push(file);
        drop(writing);
        self.sync()
    }
}
