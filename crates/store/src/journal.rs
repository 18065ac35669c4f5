//! The usage journal: what was consumed is written here before the client sees its answer's end.
//!
//! Append-only segments in one folder. [`Journal::append`] returns `Ok` only when the whole frame has
//! been handed to the operating system in one write, so that the death of the process loses nothing;
//! the death of the machine loses at most one sync interval. A frame that did not go in whole is cut off
//! again and reported: never a false "booked". Reading trusts nothing but checksums.

mod flusher;
mod folder;
mod frame;
mod reader;
mod record;
mod segment;

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use nexus_core::{id::Uuid, usage::UsageRecord};

use folder::Folder;
use segment::{Create, SegmentFile};

/// How the journal writes.
#[derive(Clone, Copy, Debug)]
pub struct JournalOptions {
    /// The longest a record waits to be safe from the death of the machine. Default 50 ms.
    pub sync_interval: Duration,
    /// Where a segment ends and the next begins. Default 4 MiB: small, so that what is
    /// shipped and deleted soon frees its pages for the next.
    pub segment_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { sync_interval: Duration::from_millis(50), segment_bytes: 4 << 20 }
    }
}

/// Why a record is not booked, or the journal not open.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot use the journal folder `{path}`; check that it is writable by this user")]
    Folder { path: PathBuf, source: io::Error },
    #[error("the journal folder `{0}` is in use by another process; stop that one or name another folder")]
    InUse(PathBuf),
    #[error("cannot start the journal's sync thread")]
    Thread(#[source] io::Error),
    #[error("cannot write to the journal; check the space on its disk")]
    Write(#[source] io::Error),
    #[error("cannot sync the journal; check its disk")]
    Sync(#[source] io::Error),
    #[error("the record takes {0} bytes, more than a frame may have")]
    TooLarge(usize),
    #[error("the record cannot be encoded")]
    Encode(#[source] postcard::Error),
}

/// A place in the journal: everything before it is an earlier frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the segment, from 1.
    pub segment: u64,
    /// Bytes from the segment's begin.
    pub offset: u64,
}

/// An open journal. One process at a time has a folder.
pub struct Journal {
    shared: Arc<Shared>,
    flusher: Option<JoinHandle<()>>,
}

struct Shared {
    folder: Folder,
    options: JournalOptions,
    create: Create,
    /// The first segment of this opening; the ones before are from earlier ones.
    first_segment: u64,
    writing: Mutex<Writing>,
    /// Wakes the flusher: there is something to sync, or it is time to go.
    wake: Condvar,
    /// Held through a sync, so that who asks for one does not return while another's is under way.
    syncing: Mutex<()>,
    /// A write or a sync failed, and none has reached the disk since.
    is_failing: AtomicBool,
}

struct Writing {
    /// The segment being written; `None` where it failed and the next append begins another.
    file: Option<Arc<dyn SegmentFile>>,
    /// Where the next frame goes.
    end: Position,
    /// Segments with bytes that are not synced; the one being written can only be the last.
    unsynced: Vec<Arc<dyn SegmentFile>>,
    is_folder_unsynced: bool,
    is_stopping: bool,
}

thread_local! {
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A thread's frame buffer keeps at most this much between records.
const BUFFER_KEPT_BYTES: usize = 16 << 10;

impl Journal {
    /// Opens the journal in `path`, which is made where it is missing. A new segment is begun; what
    /// earlier ones hold is for the shipper to read.
    pub fn open(path: &Path, options: JournalOptions) -> Result<Self, JournalError> {
        Self::open_with(path, options, Box::new(segment::create))
    }

    fn open_with(path: &Path, options: JournalOptions, create: Create) -> Result<Self, JournalError> {
        let folder = Folder::open(path)?;
        let last = folder.segments().map_err(|source| folder.problem(source))?.last().copied().unwrap_or(0);
        let writing = Writing {
            file: None,
            end: Position { segment: last, offset: 0 },
            unsynced: Vec::new(),
            is_folder_unsynced: false,
            is_stopping: false,
        };
        let shared = Arc::new(Shared {
            folder,
            options,
            create,
            first_segment: last.saturating_add(1),
            writing: Mutex::new(writing),
            wake: Condvar::new(),
            syncing: Mutex::new(()),
            is_failing: AtomicBool::new(false),
        });
        shared.begin_segment(&mut shared.lock())?;
        let flusher = flusher::start(Arc::clone(&shared)).map_err(JournalError::Thread)?;
        Ok(Self { shared, flusher: Some(flusher) })
    }

    /// Books a record. `Ok` means it survives the death of the process; an error means it is not booked.
    ///
    /// Costs one encoding, one `write(2)` and a short critical section; it never waits for a sync.
    pub fn append(&self, record: &UsageRecord) -> Result<(), JournalError> {
        FRAME.with_borrow_mut(|buffer| {
            frame::encode(record, buffer)?;
            let booked = self.shared.book(buffer);
            buffer.shrink_to(BUFFER_KEPT_BYTES);
            booked
        })
    }

    /// Waits until everything booked before the call is safe from the death of the machine.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.shared.sync()
    }

    /// Whether a write or a sync failed and none has reached the disk since. What was booked is booked; whether
    /// more can be is not known. The disk is tried again once a second.
    pub fn is_failing(&self) -> bool {
        self.shared.is_failing.load(Ordering::Relaxed)
    }

    /// Where the next frame goes: everything before is booked.
    pub fn end(&self) -> Position {
        self.shared.lock().end
    }

    /// The first segment of this opening. Checkpoints from before it was opened cannot lie in it or later.
    pub(crate) fn first_segment(&self) -> u64 {
        self.shared.first_segment
    }

    /// The journal's own name, kept in its folder; two journals never share one.
    pub(crate) fn id(&self) -> Uuid {
        self.shared.folder.id
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.lock().is_stopping = true;
        self.shared.wake.notify_all();
        if let Some(flusher) = self.flusher.take()
            && flusher.join().is_err()
        {
            tracing::error!("the journal's sync thread died");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one frame, whole or not at all.
    fn book(&self, frame: &[u8]) -> Result<(), JournalError> {
        let booked = self.write(frame);
        if booked.is_err() {
            self.note_failure();
        }
        booked
    }

    fn note_failure(&self) {
        self.is_failing.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    fn write(&self, frame: &[u8]) -> Result<(), JournalError> {
        let bytes = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        let mut writing = self.lock();
        let after = writing.end.offset.saturating_add(bytes);
        let file = match &writing.file {
            Some(file) if after <= self.options.segment_bytes || writing.end.offset == 0 => Arc::clone(file),
            _ => self.begin_segment(&mut writing)?,
        };
        if let Err(error) = write_whole(&*file, frame) {
            if file.truncate(writing.end.offset).is_err() {
                // the readers find the half frame by its checksum; nothing may come after it
                writing.file = None;
            }
            return Err(JournalError::Write(error));
        }
        writing.end.offset = writing.end.offset.saturating_add(bytes);
        if !writing.unsynced.last().is_some_and(|last| Arc::ptr_eq(last, &file)) {
            writing.unsynced.push(file);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Ends the present segment and begins the next one.
    fn begin_segment(&self, writing: &mut Writing) -> Result<Arc<dyn SegmentFile>, JournalError> {
        let segment = writing.end.segment.saturating_add(1);
        let file = (self.create)(&self.folder.path_of(segment)).map_err(JournalError::Write)?;
        writing.file = Some(Arc::clone(&file));
        writing.end = Position { segment, offset: 0 };
        writing.is_folder_unsynced = true;
        Ok(file)
    }
}

/// A short write is an error like any other: what is missing would not fit either.
fn write_whole(file: &dyn SegmentFile, frame: &[u8]) -> io::Result<()> {
    loop {
        match file.write(frame) {
            Ok(written) if written == frame.len() => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
