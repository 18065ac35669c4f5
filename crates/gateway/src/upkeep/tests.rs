//! The trail and what expires, kept up under a squeezed clock.

use std::sync::atomic::{AtomicI64, Ordering};

use nexus_core::{
    id::{KeyId, Uuid},
    principal::Level,
};
use nexus_store::{
    migrate,
    repo::{
        audit::{Entry, Verdict},
        key::Key,
    },
};
use nexus_telemetry::exporter::Exporter;

use super::*;
use crate::deed;

const START_MS: i64 = 1_800_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// A clock that moves only when a test moves it.
struct Hands(AtomicI64);

impl Clock for Hands {
    fn unix_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic_us(&self) -> u64 {
        0
    }
}

struct Site {
    _folder: tempfile::TempDir,
    store: Store,
    hands: Arc<Hands>,
    exporter: Exporter,
    upkeep: Upkeep,
}

fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}/nexus.db", folder.path().display())).unwrap();
    migrate::run(&store).unwrap();
    let hands = Arc::new(Hands(AtomicI64::new(START_MS)));
    let exporter = Exporter::start().unwrap();
    let upkeep = Upkeep::new(
        store.clone(),
        hands.clone(),
        Arc::clone(exporter.meters()),
        folder.path().join("archive"),
    );
    Site { _folder: folder, store, hands, exporter, upkeep }
}

impl Site {
    fn pass(&mut self, ms: i64) {
        self.hands.0.fetch_add(ms, Ordering::SeqCst);
        self.upkeep.turn().unwrap();
    }

    fn write(&self, rows: usize) {
        let entry: Entry = deed::of_system("test.deed");
        let now_ms = self.hands.unix_ms();
        self.store
            .write_blocking(|conn| (0..rows).try_for_each(|_| audit::append(conn, &entry, now_ms).map(drop)))
            .unwrap();
    }

    fn days(&self) -> usize {
        self.store.read_blocking(audit::anchors).unwrap().len()
    }

    fn whole_rows(&self) -> u64 {
        match self.store.read_blocking(|conn| audit::verify(conn, &[])).unwrap() {
            Verdict::Whole { rows, .. } => rows,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn days_begin_without_rows_and_go_when_enough_of_them_have_passed() {
    for (setting, days_kept) in [(None, 180), (Some("180"), 180), (Some("200"), 200), (Some("7"), 180)] {
        let mut site = site();
        if let Some(days) = setting {
            site.store.write_blocking(|conn| setting::choose(conn, RETENTION_DAYS, days)).unwrap();
        }
        site.upkeep.turn().unwrap();
        site.write(3);
        for _ in 0..days_kept {
            site.pass(DAY_MS);
        }
        assert_eq!(site.whole_rows(), 3, "{setting:?}");
        site.pass(DAY_MS);
        assert_eq!((site.whole_rows(), site.days()), (0, days_kept + 2), "{setting:?}");
    }
}

#[test]
fn a_setting_that_is_no_number_and_a_clock_that_jumps_forget_nothing() {
    let mut site = site();
    site.write(3);
    site.store.write_blocking(|conn| setting::choose(conn, RETENTION_DAYS, "soon")).unwrap();
    for _ in 0..400 {
        site.pass(DAY_MS);
    }
    assert_eq!(site.whole_rows(), 3);
    site.store.write_blocking(|conn| setting::choose(conn, RETENTION_DAYS, "500")).unwrap();
    for jump in [1000 * DAY_MS, -1000 * DAY_MS, 1000 * DAY_MS] {
        site.pass(jump);
    }
    assert_eq!(site.whole_rows(), 3);
}

#[test]
fn a_round_comes_once_a_minute_and_forgets_a_bounded_number_of_rows() {
    let mut site = site();
    site.store.write_blocking(|conn| setting::choose(conn, RETENTION_DAYS, "180")).unwrap();
    site.write(12_000);
    for _ in 0..=180 {
        site.pass(DAY_MS);
    }
    let left = |site: &Site| {
        let filter = audit::Filter::default();
        site.store
            .read_blocking(|conn| Ok(audit::export_jsonl(conn, &filter, &mut Vec::new()).unwrap()))
            .unwrap()
    };
    assert_eq!(left(&site), 2_000);
    site.pass(59_999);
    assert_eq!(left(&site), 2_000);
    site.pass(1);
    assert_eq!(left(&site), 0);
}

#[test]
fn what_has_expired_goes() {
    let mut site = site();
    site.store
        .write_blocking(|conn| idempotency::begin(conn, "k", "h", START_MS, START_MS + 60_000))
        .unwrap();
    let begin = |site: &Site| {
        let now_ms = START_MS;
        site.store.write_blocking(|conn| idempotency::begin(conn, "k", "h", now_ms, now_ms + 60_000)).unwrap()
    };
    site.upkeep.turn().unwrap();
    assert_eq!(begin(&site), idempotency::Beginning::UnderWay);
    site.pass(60_000);
    assert_eq!(begin(&site), idempotency::Beginning::Begun);
}

#[test]
fn the_anchors_told_are_of_sealed_days_and_once_an_hour_of_the_open_one() {
    let mut site = site();
    site.write(1);
    let told = |site: &mut Site, passed_ms: i64| -> Vec<(i64, bool)> {
        site.hands.0.fetch_add(passed_ms, Ordering::SeqCst);
        let now_ms = site.hands.unix_ms();
        site.store.write_blocking(|conn| audit::begin_day(conn, now_ms)).unwrap();
        let news = site.upkeep.news(now_ms).unwrap();
        let newest = site.store.read_blocking(audit::anchors).unwrap().pop().unwrap();
        news.into_iter().map(|anchor| (anchor.last_seq, anchor.day == newest.day)).collect()
    };
    assert_eq!(told(&mut site, 0), [(1, true)]);
    site.write(2);
    assert_eq!(told(&mut site, 60_000), []);
    assert_eq!(told(&mut site, 3_540_000), [(3, true)]);
    assert_eq!(told(&mut site, 3_600_000), [], "nothing was written since");
    site.write(1);
    assert_eq!(told(&mut site, DAY_MS), [(4, false), (4, true)]);
}

/// A key that is good until then.
fn key(site: &Site, number: u128, level: Level, expires_at_ms: Option<i64>) -> KeyId {
    let id = KeyId(Uuid::from_u128(number));
    let key = Key { expires_at_ms, ..Key::plain(id, level, START_MS) };
    site.store.write_blocking(|conn| key::create(conn, &key)).unwrap();
    id
}

#[test]
fn keys_that_soon_end_are_counted_each_round_and_told_once_a_day() {
    let mut site = site();
    let soon = key(&site, 1, Level::App, Some(START_MS + 3 * DAY_MS));
    key(&site, 2, Level::App, Some(START_MS + 30 * DAY_MS));
    key(&site, 3, Level::Admin, None);
    key(&site, 4, Level::Session, Some(START_MS + DAY_MS));
    let told = |site: &mut Site, passed_ms: i64| {
        site.hands.0.fetch_add(passed_ms, Ordering::SeqCst);
        let now_ms = site.hands.unix_ms();
        site.upkeep.ending(now_ms).unwrap()
    };
    assert_eq!(told(&mut site, 0), Some(Ending { count: 1, some: soon.to_string() }));
    assert_eq!(told(&mut site, DAY_MS - 1), None);
    let exposed = |site: &Site| {
        let page = site.exporter.render();
        let line = page.lines().find(|line| line.starts_with("nexus_keys_expiring_soon ")).map(str::to_owned);
        line.unwrap_or_default()
    };
    assert_eq!(exposed(&site), "nexus_keys_expiring_soon 1");
    assert_eq!(told(&mut site, 1).map(|ending| ending.count), Some(1));
    assert_eq!(told(&mut site, 2 * DAY_MS), None, "it has ended");
    assert_eq!(exposed(&site), "nexus_keys_expiring_soon 0");
}

#[test]
fn session_keys_are_shown_for_a_week_after_their_end_and_then_forgotten() {
    let mut site = site();
    let ids = [key(&site, 1, Level::Session, Some(START_MS)), key(&site, 2, Level::App, Some(START_MS))];
    let are_there = |site: &Site| {
        let find = |id| site.store.read_blocking(|conn| key::show(conn, id, None)).unwrap().is_some();
        ids.map(find)
    };
    site.pass(7 * DAY_MS);
    assert_eq!(are_there(&site), [true, true]);
    site.pass(60_000);
    assert_eq!(are_there(&site), [false, true]);
}
