//! The journal's folder: its lock, its name, its segments by number.
//!
//! Holding a [`Folder`] is holding the lock; the shipper deletes segments on the strength of it.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nexus_core::id::Uuid;

use super::JournalError;

pub(super) struct Folder {
    path: PathBuf,
    /// What tells this journal's checkpoints from those of another one.
    pub(super) id: Uuid,
    _lock: File,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        let problem = |source| JournalError::Folder { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(problem)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path.join("journal.lock"))
            .map_err(problem)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(problem(source)),
        }
        let id = name_in(&mut lock).map_err(problem)?;
        Ok(Self { path: path.to_owned(), id, _lock: lock })
    }

    pub(super) fn problem(&self, source: io::Error) -> JournalError {
        JournalError::Folder { path: self.path.clone(), source }
    }

    /// The numbers of the segments there are, ascending.
    pub(super) fn segments(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in self.path.read_dir()? {
            let name = entry?.file_name();
            let number: Option<u64> = name
                .to_str()
                .and_then(|name| name.strip_prefix("usage-")?.strip_suffix(".log")?.parse().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(super) fn path_of(&self, segment: u64) -> PathBuf {
        self.path.join(format!("usage-{segment:010}.log"))
    }

    /// Puts bytes that are no frame aside, for people to look at.
    pub(super) fn keep_damaged(&self, segment: u64, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.path_of(segment).with_extension("damaged");
        OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?.write_all(bytes)?;
        Ok(path)
    }

    /// Makes the names of new segments safe from the death of the machine.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// The name in the lock file; a new one where there is none. A name lost half-written only costs that
/// records are shipped again, which changes nothing.
fn name_in(lock: &mut File) -> io::Result<Uuid> {
    let mut text = String::new();
    lock.take(64).read_to_string(&mut text)?;
    if let Ok(id) = text.trim().parse() {
        return Ok(id);
    }
    let id = Uuid::new_v4();
    lock.set_len(0)?;
    lock.write_all(id.to_string().as_bytes())?;
    lock.sync_all()?;
    Ok(id)
}
