//! From the journal to the ledger: everything once, through crashes, repeats and a database away.

use std::{path::Path, sync::mpsc};

use super::*;
use crate::{journal::JournalOptions, repo::usage, sample, upsert};

const SMALL: JournalOptions =
    JournalOptions { sync_interval: Duration::from_millis(1), segment_bytes: 20_000 };

fn journal(folder: &Path) -> Arc<Journal> {
    Arc::new(Journal::open(&folder.join("journal"), SMALL).unwrap())
}

fn append(journal: &Journal, numbers: std::ops::Range<u64>) {
    for number in numbers {
        journal.append(&sample::record(number)).unwrap();
    }
}

fn ship(store: &Store, journal: &Arc<Journal>) -> u64 {
    let mut shipping = Shipping::new(store.clone(), Arc::clone(journal), Box::new(|_| ()));
    let mut records = 0;
    loop {
        let step = shipping.step().unwrap();
        records += step.records;
        if step.is_at_end {
            return records;
        }
    }
}

fn check_ledger(store: &Store, records: u64) {
    let numbers: Vec<u64> = (0..records).collect();
    let expected = sample::totals(&numbers);
    assert_eq!(store.read_blocking(usage::totals).unwrap(), expected);
}

fn segments(folder: &Path) -> usize {
    let entries = folder.join("journal").read_dir().unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "log")).count()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[test]
fn everything_is_shipped_once_and_shipped_segments_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, journal) = (Store::scratch(folder.path()), journal(folder.path()));
    append(&journal, 0..2_500);
    assert!(segments(folder.path()) > 10);
    assert_eq!(ship(&store, &journal), 2_500);
    assert_eq!(segments(folder.path()), 1);
    check_ledger(&store, 2_500);
}

#[test]
fn the_same_journal_shipped_ten_times_gives_equal_sums() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let options = JournalOptions::default();
    let journal = Arc::new(Journal::open(&folder.path().join("journal"), options).unwrap());
    append(&journal, 0..100);
    for _ in 0..10 {
        assert_eq!(ship(&store, &journal), 100, "a checkpoint of this very opening is not trusted");
        check_ledger(&store, 100);
    }
}

#[test]
fn a_crash_between_booking_and_checkpoint_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, journal) = (Store::scratch(folder.path()), journal(folder.path()));
    append(&journal, 0..100);
    let batch = journal.read(journal.begin().unwrap(), 30, &mut Vec::new()).unwrap();
    store.write_blocking(|conn| usage::insert(conn, &batch.records, &mut Default::default())).unwrap();
    assert_eq!(ship(&store, &journal), 100);
    check_ledger(&store, 100);
}

#[test]
fn after_a_restart_only_what_is_behind_the_checkpoint_is_shipped() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let first = journal(folder.path());
    append(&first, 0..10);
    ship(&store, &first);
    append(&first, 10..15);
    drop(first);
    let second = journal(folder.path());
    append(&second, 15..20);
    assert_eq!(ship(&store, &second), 10);
    check_ledger(&store, 20);
    assert_eq!(segments(folder.path()), 1);
}

#[test]
fn a_checkpoint_of_bytes_that_are_gone_or_of_no_sense_hides_nothing() {
    for checkpoint in ["1:300", "1:0", "9:999999", "nonsense", ""] {
        let folder = tempfile::tempdir().unwrap();
        let (store, journal) = (Store::scratch(folder.path()), journal(folder.path()));
        let name = format!("usage_journal/{}", journal.id());
        store.write_blocking(|conn| Ok(upsert::set(conn, &name, checkpoint)?)).unwrap();
        append(&journal, 0..10);
        assert_eq!(ship(&store, &journal), 10, "{checkpoint}");
        check_ledger(&store, 10);
    }
}

#[test]
fn two_journals_feed_one_database() {
    let (folder, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::scratch(folder.path());
    for (folder, numbers) in [(&folder, 0..10), (&beside, 10..20), (&folder, 20..30), (&beside, 30..40)] {
        let journal = journal(folder.path());
        append(&journal, numbers);
        assert_eq!(ship(&store, &journal), 10);
    }
    check_ledger(&store, 40);
}

#[test]
fn while_the_database_is_away_the_journal_goes_on_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (store, journal) = (Store::scratch(folder.path()), journal(folder.path()));
    let (release, held) = mpsc::channel::<()>();
    let (taken, is_taken) = mpsc::channel();
    let holder = store.clone();
    let away = thread::spawn(move || {
        holder.write_blocking(|_| {
            taken.send(()).unwrap();
            held.recv().map_err(|_| crate::StoreError::Lost)
        })
    });
    is_taken.recv().unwrap();
    let shipper = Shipper::start(store.impatient(), Arc::clone(&journal)).unwrap();
    append(&journal, 0..50);
    let behind = loop {
        let flushed = shipper.flush(Instant::now() + Duration::from_millis(100));
        assert!(!flushed.is_complete, "{flushed:?}");
        if flushed.backlog.failures_in_a_row > 0 {
            break flushed.backlog;
        }
    };
    assert!(behind.bytes > 2_000, "{behind:?}");
    append(&journal, 50..60);
    release.send(()).unwrap();
    away.join().unwrap().unwrap();
    let flushed = shipper.flush(soon());
    assert!(flushed.is_complete);
    let expected = Backlog { shipped_records: 60, ..Backlog::default() };
    assert_eq!((flushed.backlog, shipper.backlog()), (expected, expected));
    check_ledger(&store, 60);
}

#[test]
fn a_flush_brings_over_what_many_threads_are_booking() {
    let folder = tempfile::tempdir().unwrap();
    let (store, journal) = (Store::scratch(folder.path()), journal(folder.path()));
    let shipper = Shipper::start(store.clone(), Arc::clone(&journal)).unwrap();
    thread::scope(|scope| {
        for booking in 0..8_u64 {
            let (journal, shipper) = (&journal, &shipper);
            scope.spawn(move || {
                append(journal, booking * 250..booking * 250 + 250);
                assert!(shipper.flush(soon()).is_complete);
            });
        }
    });
    assert_eq!(shipper.backlog().shipped_records, 2_000);
    drop(shipper);
    check_ledger(&store, 2_000);
    assert_eq!(Arc::strong_count(&journal), 1, "a stopped shipper leaves nothing behind");
}
