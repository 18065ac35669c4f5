//! The journal as a whole: what was booked is read back once, whatever happens to disk and process.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::*;
use crate::sample;

const SMALL: JournalOptions = JournalOptions { sync_interval: Duration::from_millis(1), segment_bytes: 500 };

/// The numbers of all records there are to read, and how many bytes were no records.
fn content(journal: &Journal) -> (Vec<u64>, u64) {
    let mut at = journal.begin().unwrap();
    let (mut numbers, mut damaged_bytes) = (Vec::new(), 0);
    loop {
        let batch = journal.read(at, 7, &mut Vec::new()).unwrap();
        numbers.extend(batch.records.iter().map(|record| record.attempt.0.as_u128() as u64));
        damaged_bytes += batch.damaged_bytes;
        if batch.next == at {
            return (numbers, damaged_bytes);
        }
        at = batch.next;
    }
}

fn append(journal: &Journal, numbers: std::ops::Range<u64>) {
    for number in numbers {
        journal.append(&sample::record(number)).unwrap();
    }
}

#[test]
fn what_eight_threads_book_arrives_once_over_many_segments() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), SMALL).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let journal = &journal;
            scope.spawn(move || append(journal, thread * 100..thread * 100 + 100));
        }
    });
    assert!(journal.end().segment > 100);
    journal.sync().unwrap();
    let (mut numbers, damaged_bytes) = content(&journal);
    numbers.sort_unstable();
    assert_eq!((numbers, damaged_bytes), ((0..800).collect(), 0));
}

#[test]
fn what_is_booked_is_there_after_the_process_died_without_a_word() {
    let (folder, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal = Journal::open(folder.path(), SMALL).unwrap();
    append(&journal, 0..50);
    for entry in folder.path().read_dir().unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), after.path().join(entry.file_name())).unwrap();
    }
    let reopened = Journal::open(after.path(), SMALL).unwrap();
    assert_eq!(content(&reopened), ((0..50).collect(), 0));
    assert_eq!(reopened.id(), journal.id());
    assert!(reopened.end().segment > journal.end().segment, "old segments are never written to again");
}

#[test]
fn two_openings_of_one_folder_at_once_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), SMALL).unwrap();
    assert!(matches!(Journal::open(folder.path(), SMALL), Err(JournalError::InUse(_))));
    drop(journal);
    Journal::open(folder.path(), SMALL).unwrap();
}

#[test]
fn bytes_that_are_no_records_are_counted_put_aside_and_passed() {
    let mebibyte = 1 << 20;
    for (what, hurt, missing) in [
        ("a torn tail", (|bytes| bytes.truncate(bytes.len() - 3)) as fn(&mut Vec<u8>), &[4][..]),
        ("half a head", |bytes| bytes.extend([9, 0, 0]), &[]),
        ("a flipped length", |bytes| bytes[0] ^= 0x10, &[0]),
        ("a flipped sum", |bytes| bytes[4] ^= 0x10, &[0]),
        ("a tail of zeros", |bytes| bytes.extend(vec![0; 5 << 18]), &[]),
        ("zeros in front", |bytes| drop(bytes.splice(0..0, vec![0; 5 << 18])), &[]),
        (
            "a record that says too little",
            |bytes| {
                let payload = [0xa3, 1, 2, 3];
                bytes.extend((payload.len() as u32).to_le_bytes());
                bytes.extend(crc32fast::hash(&payload).to_le_bytes());
                bytes.extend(payload);
            },
            &[],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        append(&Journal::open(folder.path(), JournalOptions::default()).unwrap(), 0..5);
        let path = folder.path().join("usage-0000000001.log");
        let mut bytes = fs::read(&path).unwrap();
        hurt(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let journal = Journal::open(folder.path(), SMALL).unwrap();
        append(&journal, 5..7);
        let (numbers, damaged_bytes) = content(&journal);
        let expected: Vec<u64> = (0..7).filter(|number| !missing.contains(number)).collect();
        assert_eq!(numbers, expected, "{what}");
        assert!(damaged_bytes > 0 && damaged_bytes < 4 * mebibyte, "{what}: {damaged_bytes}");
        let kept = fs::metadata(path.with_extension("damaged")).unwrap().len();
        assert_eq!(kept, damaged_bytes, "{what}");
    }
}

#[test]
fn shipped_segments_are_deleted_and_the_one_being_written_never() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), SMALL).unwrap();
    append(&journal, 0..30);
    let end = journal.end();
    assert!(journal.bytes_after(journal.begin().unwrap()).unwrap() > 2_000);
    assert_eq!(journal.bytes_after(end).unwrap(), 0);
    journal.forget_before(u64::MAX).unwrap();
    assert_eq!(journal.begin().unwrap(), Position { offset: 0, ..end });
    assert_eq!(content(&journal).1, 0);
}

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Failure {
    Write,
    ShortWrite,
    /// A short write that cannot be cut off again.
    StuckShortWrite,
    Sync,
    Create,
}

/// Counts down to the one operation that fails.
struct Fate {
    failure: Failure,
    left: AtomicUsize,
}

impl Fate {
    fn strikes(&self, failures: &[Failure]) -> bool {
        failures.contains(&self.failure) && self.left.fetch_sub(1, Ordering::Relaxed) == 0
    }
}

struct Fragile {
    file: Arc<dyn SegmentFile>,
    fate: Arc<Fate>,
}

fn no_space<T>() -> io::Result<T> {
    Err(io::ErrorKind::StorageFull.into())
}

impl SegmentFile for Fragile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.fate.strikes(&[Failure::Write]) {
            return no_space();
        }
        if self.fate.strikes(&[Failure::ShortWrite, Failure::StuckShortWrite]) {
            return self.file.write(&bytes[..bytes.len() / 2]);
        }
        self.file.write(bytes)
    }

    fn truncate(&self, length_bytes: u64) -> io::Result<()> {
        if self.fate.failure == Failure::StuckShortWrite {
            no_space()
        } else {
            self.file.truncate(length_bytes)
        }
    }

    /// What the disk would do takes too long to be tried so often.
    fn sync(&self) -> io::Result<()> {
        if self.fate.strikes(&[Failure::Sync]) { no_space() } else { Ok(()) }
    }
}

/// Records booked while one operation fails: more than operations are tried.
const RECORDS: u64 = 110;

/// Fails as long as it is told to.
struct Moody {
    file: Arc<dyn SegmentFile>,
    is_full: Arc<AtomicBool>,
}

impl SegmentFile for Moody {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full.load(Ordering::Relaxed) { no_space() } else { self.file.write(bytes) }
    }

    fn truncate(&self, length_bytes: u64) -> io::Result<()> {
        self.file.truncate(length_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

#[test]
fn a_full_disk_is_known_of_until_it_takes_records_again_and_nothing_is_lost_or_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let is_full = Arc::new(AtomicBool::new(false));
    let full = Arc::clone(&is_full);
    let create: Create = Box::new(move |path| {
        Ok(Arc::new(Moody { file: segment::create(path)?, is_full: Arc::clone(&full) }))
    });
    let journal = Journal::open_with(folder.path(), SMALL, create).unwrap();
    append(&journal, 0..5);
    assert!(!journal.is_failing());
    is_full.store(true, Ordering::Relaxed);
    for number in 5..8 {
        assert!(journal.append(&sample::record(number)).is_err());
        assert!(journal.is_failing());
    }
    is_full.store(false, Ordering::Relaxed);
    // nobody books anything: the journal finds out by itself
    let begun = std::time::Instant::now();
    while journal.is_failing() {
        assert!(begun.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    append(&journal, 8..10);
    let expected: Vec<u64> = (0..5).chain(8..10).collect();
    assert_eq!(content(&journal), (expected, 0));
}

#[test]
fn whichever_operation_fails_a_record_is_booked_exactly_when_it_was_said_so() {
    for failure in
        [Failure::Write, Failure::ShortWrite, Failure::StuckShortWrite, Failure::Sync, Failure::Create]
    {
        for left in 0..100 {
            let folder = tempfile::tempdir().unwrap();
            let fate = Arc::new(Fate { failure, left: AtomicUsize::new(left) });
            let create: Create = Box::new(move |path| {
                if fate.strikes(&[Failure::Create]) {
                    return no_space();
                }
                Ok(Arc::new(Fragile { file: segment::create(path)?, fate: Arc::clone(&fate) }))
            });
            // so many segments that the last operation that fails is reached
            let segment_bytes = if failure == Failure::Create { 150 } else { 4_000 };
            let options = JournalOptions { sync_interval: Duration::from_secs(60), segment_bytes };
            let Ok(journal) = Journal::open_with(folder.path(), options, create) else {
                assert_eq!((failure, left), (Failure::Create, 0));
                continue;
            };
            let mut failed_syncs = 0;
            let booked: Vec<u64> = (0..RECORDS)
                .filter(|number| {
                    let is_booked = journal.append(&sample::record(*number)).is_ok();
                    failed_syncs += usize::from(failure == Failure::Sync && journal.sync().is_err());
                    is_booked
                })
                .collect();
            let case = format!("{failure:?} after {left}");
            let missing = RECORDS as usize - booked.len();
            assert!(missing <= usize::from(failure != Failure::Sync), "{case}: {missing} are missing");
            // the flusher may have been the first to see it
            assert!(failed_syncs <= usize::from(failure == Failure::Sync), "{case}");
            assert_eq!(content(&journal).0, booked, "{case}");
            drop(journal);
            assert_eq!(content(&Journal::open(folder.path(), SMALL).unwrap()).0, booked, "{case}");
        }
    }
}
