//! Rows that move into the archive: nothing that is told of usage changes, and what lies there is known again.

use nexus_core::{
    fault::Class,
    id::Uuid,
    label::Labels,
    usage::{Cost, Outcome, Pricing, UsageRecord},
};

use super::*;
use crate::{
    AnyConnection,
    repo::{
        reprice::{self, State, Wanted},
        usage::{self, By, Contexts, Only, Report, Step, Verdict, archive::archived_until},
    },
    sample,
};

const DAY_MS: i64 = 86_400_000;
const BEGIN_MS: i64 = 1_700_006_400_000;

fn record(number: u64, started_at_ms: i64, is_failed: bool) -> UsageRecord {
    // ids are made a moment before
    let ms = u64::try_from(started_at_ms - 2).unwrap();
    let id = format!("{:08x}-{:04x}-7000-8000-{number:012}", ms >> 16, ms & 0xffff);
    UsageRecord {
        attempt: id.parse::<Uuid>().unwrap().into(),
        started_at_ms,
        outcome: if is_failed { Outcome::Failed(Class::Internal) } else { Outcome::Answered },
        status: if is_failed { 502 } else { 200 },
        cost: Cost { nano_usd: 7 + number, pricing: Pricing::Known, ..Cost::default() },
        labels: Labels::default().for_user(Some("ada \"q\"\n")),
        ..sample::record(number)
    }
}

struct Site {
    folder: tempfile::TempDir,
    store: Store,
}

impl Site {
    /// Five days with four attempts each, the first of a day at its first moment, and some priced again.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let records: Vec<_> = (0..20)
            .map(|number| record(number, BEGIN_MS + number as i64 * DAY_MS / 4, number % 5 == 0))
            .collect();
        store.write_blocking(|conn| usage::insert(conn, &records, &mut Contexts::default())).unwrap();
        let site = Self { folder, store };
        site.reprice();
        site
    }

    fn reprice(&self) {
        let wanted = Wanted {
            id: sample::uuid(1),
            is_preview: false,
            from_ms: BEGIN_MS,
            until_ms: BEGIN_MS + DAY_MS,
            provider: None,
            real_model: None,
        };
        let price =
            |_: &reprice::Used| Some(Cost { nano_usd: 1_000, pricing: Pricing::Known, ..Cost::default() });
        self.store.write_blocking(|conn| reprice::create(conn, &wanted, 5)).unwrap();
        let step =
            |conn: &mut AnyConnection| reprice::step(conn, wanted.id, 6, &mut Contexts::default(), &price);
        while self.store.write_blocking(step).unwrap().unwrap().state == State::Running {}
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn step(&self, before_ms: i64) -> u64 {
        step(&self.store, &self.path(), before_ms, 9).unwrap()
    }

    fn verdict(&self) -> Verdict {
        self.store.read_blocking(|conn| usage::verify(conn, &self.path(), &mut |_| {})).unwrap()
    }

    fn report(&self) -> Report {
        let wanted = usage::Wanted {
            by: vec![By::Status],
            from_ms: BEGIN_MS,
            until_ms: BEGIN_MS + 9 * DAY_MS,
            step: Step::Hour,
            only: Only::default(),
        };
        self.store.read_blocking(|conn| usage::report(conn, &wanted)).unwrap()
    }
}

#[test]
fn rows_move_into_the_archive_and_no_total_changes() {
    let site = Site::new();
    let (report, before) = (site.report(), site.verdict());
    assert!(before.is_whole() && before.archives == 0, "{before:?}");
    let cut_ms = BEGIN_MS + 3 * DAY_MS;
    // the first id of each day was made on the day before
    assert_eq!([0; 5].map(|_| site.step(cut_ms)), [1, 4, 4, 4, 0]);
    let after = site.verdict();
    assert_eq!((after.archives, after.attempts, &after.balances), (4, 20, &before.balances));
    assert!(after.is_whole(), "{after:?}");
    assert_eq!(site.report(), report);
    let until = site.store.read_blocking(archived_until).unwrap();
    assert_eq!(until, Some(cut_ms), "the one that began with that moment has an older id");
    // what is written after goes on where the archive ended
    assert_eq!([0; 3].map(|_| site.step(BEGIN_MS + 9 * DAY_MS)), [4, 3, 0]);
    assert!(site.verdict().is_whole());
    let names: Vec<_> = fs::read_dir(site.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 6, "{names:?}");
}

#[test]
fn an_archive_that_is_not_what_it_was_is_told_by_its_name() {
    let site = Site::new();
    while site.step(BEGIN_MS + 4 * DAY_MS) > 0 {}
    let segments = site.store.read_blocking(archive::segments).unwrap();
    let path = site.path().join(&segments[1].file);
    let whole = fs::read(&path).unwrap();
    let costlier =
        String::from_utf8(whole.clone()).unwrap().replacen("\"cost_nano_usd\":", "\"cost_nano_usd\":1", 1);
    let cut = &whole[..whole.len() / 2];
    for wrong in [costlier.as_bytes(), cut, b"", b"{}\n"] {
        fs::write(&path, wrong).unwrap();
        let verdict = site.verdict();
        assert!(!verdict.is_whole());
        assert_eq!(verdict.damaged, [segments[1].file.as_str()]);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(site.verdict().damaged, [segments[1].file.as_str()]);
    fs::write(&path, whole).unwrap();
    assert!(site.verdict().is_whole());
    // one that is put in the place of another does not fit the one before
    let (third, fourth) = (site.path().join(&segments[2].file), site.path().join(&segments[3].file));
    fs::copy(fourth, third).unwrap();
    assert_eq!(site.verdict().damaged, [segments[2].file.as_str()]);
}

#[test]
fn rows_that_changed_since_they_were_read_stay() {
    let site = Site::new();
    let picked = site.store.read_blocking(|conn| archive::pick(conn, BEGIN_MS + DAY_MS)).unwrap().unwrap();
    let (file, sha256) = write(&site.path(), &picked).unwrap();
    let late = record(77, BEGIN_MS + 1, false);
    let segment = archive::segment(&picked, file, sha256, 9).unwrap();
    let take = || site.store.write_blocking(|conn| archive::take(conn, &picked, &segment)).unwrap();
    let range = [&segment.first_attempt_id, &segment.last_attempt_id];
    assert_eq!(range[0], range[1], "of the day before");
    let corrected = |conn: &mut AnyConnection| {
        use crate::schema::usage_corrections::dsl as c;
        use diesel::{ExpressionMethods as _, RunQueryDsl as _};
        let row = (
            c::attempt_id.eq(range[0]),
            c::reprice_id.eq("other"),
            c::at.eq(7),
            c::delta_nano_usd.eq(0),
            c::cost_nano_usd.eq(7),
            c::pricing.eq("known"),
        );
        Ok(diesel::insert_into(c::usage_corrections).values(row).execute(conn)?)
    };
    site.store.write_blocking(corrected).unwrap();
    assert!(!take());
    site.store.write_blocking(|conn| usage::insert(conn, &[late], &mut Contexts::default())).unwrap();
    while site.step(BEGIN_MS + 9 * DAY_MS) > 0 {}
    let verdict = site.verdict();
    assert_eq!((verdict.attempts, verdict.is_whole()), (21, true), "{verdict:?}");
}
