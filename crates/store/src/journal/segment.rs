//! The file of one segment, as far as the journal writes it.
//!
//! Behind a trait so that tests can let any one operation fail.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

/// What the journal does with a segment being written.
pub(super) trait SegmentFile: Send + Sync {
    /// Writes at the end, in one system call, and says how many bytes went in.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts everything from `length_bytes` on.
    fn truncate(&self, length_bytes: u64) -> io::Result<()>;
    /// Waits until the data is on the disk.
    fn sync(&self) -> io::Result<()>;
}

/// Makes the file of a new segment.
pub(super) type Create = Box<dyn Fn(&Path) -> io::Result<Arc<dyn SegmentFile>> + Send + Sync>;

/// A new file, never one that is there already.
pub(super) fn create(path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    Ok(Arc::new(file))
}

impl SegmentFile for File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        Write::write(&mut file, bytes)
    }

    fn truncate(&self, length_bytes: u64) -> io::Result<()> {
        self.set_len(length_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
