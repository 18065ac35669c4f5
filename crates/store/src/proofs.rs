//! Marks of proofs that were used, in files beside the journal, so that a process that starts anew still knows them.
//!
//! A mark is in its file when [`ProofLog::keep`] returns; a death of the machine, which takes longer to come back
//! from than a clock is ahead, may lose the last ones. A file is deleted when nothing in it is of use any more.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

const MARK_BYTES: usize = 16;
/// A mark and the second it is of.
const RECORD_BYTES: usize = MARK_BYTES + 8;
/// Records of a file.
const RECORDS_MAX: usize = 1 << 14;

/// A mark and the Unix second its proof was created in.
pub type Used = ([u8; MARK_BYTES], i64);

/// The files. Shared by all threads.
pub struct ProofLog {
    folder: PathBuf,
    /// A mark is of use as long as this after its second.
    life_s: i64,
    files: Mutex<Files>,
}

struct Files {
    /// Those before the present one, each with the last second a mark in it is of.
    past: Vec<(PathBuf, i64)>,
    present: Present,
}

struct Present {
    path: PathBuf,
    file: File,
    number: u64,
    records: usize,
    newest_s: i64,
}

impl ProofLog {
    /// Opens the folder, which is made where it is missing, and tells what marks in it are still of use.
    pub fn open(folder: &Path, life_s: i64, now_s: i64) -> io::Result<(Self, Vec<Used>)> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let (mut past, mut used, mut last) = (Vec::new(), Vec::new(), 0);
        for entry in folder.read_dir()? {
            let path = entry?.path();
            let Some(number) = number_of(&path) else { continue };
            last = last.max(number);
            let records = records(&fs::read(&path)?);
            let newest_s = records.iter().map(|(_, created_s)| *created_s).max().unwrap_or(i64::MIN);
            used.extend(records);
            past.push((path, newest_s));
        }
        let is_of_use = |created_s: i64| created_s.saturating_add(life_s) >= now_s;
        used.retain(|(_, created_s)| is_of_use(*created_s));
        let present = Present::create(folder, last.saturating_add(1))?;
        let mut files = Files { past, present };
        files.forget(life_s, now_s);
        Ok((Self { folder: folder.to_owned(), life_s, files: Mutex::new(files) }, used))
    }

    /// Writes a mark down.
    pub fn keep(&self, mark: &[u8; MARK_BYTES], created_s: i64, now_s: i64) -> io::Result<()> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.present.records >= RECORDS_MAX {
            let next = Present::create(&self.folder, files.present.number.saturating_add(1))?;
            let full = std::mem::replace(&mut files.present, next);
            files.past.push((full.path, full.newest_s));
            files.forget(self.life_s, now_s);
        }
        let mut record = [0; RECORD_BYTES];
        let (head, tail) = record.split_at_mut(MARK_BYTES);
        head.copy_from_slice(mark);
        tail.copy_from_slice(&created_s.to_be_bytes());
        files.present.write(&record)?;
        files.present.newest_s = files.present.newest_s.max(created_s);
        Ok(())
    }
}

impl Files {
    /// Deletes the files in which no mark is of use. One that cannot be deleted is tried again.
    fn forget(&mut self, life_s: i64, now_s: i64) {
        self.past.retain(|(path, newest_s)| {
            newest_s.saturating_add(life_s) >= now_s || fs::remove_file(path).is_err()
        });
    }
}

impl Present {
    fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let path = folder.join(format!("used-{number:010}.log"));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file, number, records: 0, newest_s: i64::MIN })
    }

    /// After a record that went in by half none could be found any more: what follows goes elsewhere.
    fn write(&mut self, record: &[u8; RECORD_BYTES]) -> io::Result<()> {
        let written = self.file.write_all(record);
        if written.is_err() {
            self.records = RECORDS_MAX;
        } else {
            self.records = self.records.saturating_add(1);
        }
        written
    }
}

fn number_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("used-")?.strip_suffix(".log")?.parse().ok()
}

/// The whole records; what a death left of one is none.
fn records(bytes: &[u8]) -> Vec<Used> {
    let (records, _) = bytes.as_chunks::<RECORD_BYTES>();
    let record = |record: &[u8; RECORD_BYTES]| {
        let (mark, created_s) = record.split_first_chunk::<MARK_BYTES>()?;
        Some((*mark, i64::from_be_bytes(created_s.try_into().ok()?)))
    };
    records.iter().filter_map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE_S: i64 = 300;

    fn mark(number: usize) -> [u8; MARK_BYTES] {
        let mut mark = [0; MARK_BYTES];
        mark[..8].copy_from_slice(&number.to_be_bytes());
        mark
    }

    fn open(folder: &Path, now_s: i64) -> (ProofLog, Vec<Used>) {
        ProofLog::open(folder, LIFE_S, now_s).unwrap()
    }

    fn files(folder: &Path) -> usize {
        folder.read_dir().unwrap().count()
    }

    #[test]
    fn what_is_of_use_is_there_again_and_what_is_not_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (log, used) = open(folder.path(), 1_000);
        assert!(used.is_empty());
        for (number, created_s) in [(1, 900), (2, 1_000), (3, 1_300)] {
            log.keep(&mark(number), created_s, 1_000).unwrap();
        }
        drop(log);
        for (now_s, expected) in [(1_000, 3), (1_201, 2), (1_301, 1), (1_600, 1), (1_601, 0), (-5, 0)] {
            let mut used = open(folder.path(), now_s).1;
            used.sort_unstable();
            assert_eq!(used.len(), expected, "{now_s}");
            assert!(expected == 0 || used.last() == Some(&(mark(3), 1_300)), "{now_s}");
        }
        assert_eq!(files(folder.path()), 1, "the present one");
    }

    #[test]
    fn files_are_bounded_and_deleted_when_nothing_in_them_is_of_use() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = open(folder.path(), 0);
        for number in 0..4 * RECORDS_MAX {
            let now_s = i64::try_from(number / 10).unwrap();
            log.keep(&mark(number), now_s, now_s).unwrap();
            assert!(files(folder.path()) <= 3, "{number}");
        }
    }

    #[test]
    fn a_record_that_was_cut_off_is_none_and_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = open(folder.path(), 0);
        log.keep(&mark(1), 0, 0).unwrap();
        log.keep(&mark(2), 0, 0).unwrap();
        let path = log.files.lock().unwrap().present.path.clone();
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(open(folder.path(), 0).1.len(), length / RECORD_BYTES, "{length}");
        }
    }
}
