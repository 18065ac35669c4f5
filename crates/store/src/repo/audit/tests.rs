//! The trail as a whole: what its triggers refuse, what walking it finds, what may go.

mod export;
mod list;
mod retention;
mod tampering;
mod triggers;

use std::ops::ControlFlow;

use diesel::{QueryDsl, QueryResult};
use nexus_core::id::{KeyId, UserId};

use super::*;
use crate::{exec::Store, sample::uuid, scratch};

const DAY_MS: i64 = 86_400_000;
/// 2026-11-24, midnight.
const START_MS: i64 = 1_795_478_400_000;
const KEPT_DAYS: i64 = RETENTION_DAYS_MIN as i64;

/// A database in a folder of its own.
struct Trail {
    folder: tempfile::TempDir,
    store: Store,
}

impl Trail {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        Self { folder, store }
    }

    /// Three rows on the first day, two on the third, none on the second and fourth, one on the fifth, which
    /// is open.
    fn of_five_days() -> Self {
        let trail = Self::new();
        for (day, rows) in [(0, 3), (1, 0), (2, 2), (3, 0), (4, 1)] {
            trail.begin(day);
            trail.append(day, rows);
        }
        trail
    }

    fn begin(&self, day: i64) {
        self.store.write_blocking(|conn| begin_day(conn, START_MS + day * DAY_MS)).unwrap();
    }

    fn append(&self, day: i64, rows: i64) {
        self.store
            .write_blocking(|conn| {
                for row in 0..rows {
                    append(conn, &entry(), START_MS + day * DAY_MS + row)?;
                }
                Ok(())
            })
            .unwrap();
    }

    /// Begins `days` days one after another.
    fn live_through(&self, days: std::ops::Range<i64>) {
        self.store
            .write_blocking(|conn| {
                days.into_iter().try_for_each(|day| begin_day(conn, START_MS + day * DAY_MS))
            })
            .unwrap();
    }

    /// Statements as anybody could send them who has the database.
    fn run(&self, statements: &str) -> QueryResult<()> {
        scratch::execute(self.folder.path(), statements)
    }

    /// Statements of somebody who takes the triggers away first.
    fn tamper(&self, statements: &str) {
        const TRIGGERS: [(&str, &str); 6] = [
            ("audit_log", "audit_log_takes_the_next_row_of_the_open_day"),
            ("audit_log", "audit_log_is_never_changed"),
            ("audit_log", "audit_log_goes_by_whole_purged_days"),
            ("audit_days", "audit_days_open_one_after_another"),
            ("audit_days", "audit_days_are_sealed_once_and_purged_once"),
            ("audit_days", "audit_days_stay"),
        ];
        for (table, trigger) in TRIGGERS {
            let on_table = scratch::postgres().map(|_| format!("ON {table}")).unwrap_or_default();
            self.run(&format!("DROP TRIGGER {trigger} {on_table}")).unwrap();
        }
        self.run(statements).unwrap();
    }

    fn verdict(&self) -> Verdict {
        self.verdict_with(&[])
    }

    fn verdict_with(&self, exported: &[Anchor]) -> Verdict {
        self.store.read_blocking(|conn| verify(conn, exported)).unwrap()
    }

    fn anchors(&self) -> Vec<Anchor> {
        self.store.read_blocking(anchors).unwrap()
    }

    fn rows(&self) -> Vec<Recorded> {
        self.store.read_blocking(|conn| Ok(audit_log::table.order(audit_log::seq).load(conn)?)).unwrap()
    }

    fn days(&self) -> Vec<day::Day> {
        use crate::schema::audit_days;
        self.store.read_blocking(|conn| Ok(audit_days::table.order(audit_days::day).load(conn)?)).unwrap()
    }
}

/// An entry in which no column is empty.
fn entry() -> Entry {
    Entry {
        actor: Some(ActorId::User(UserId(uuid(1)))),
        actor_name: "ann".into(),
        team: Some(TeamId(uuid(2))),
        action: "key.create",
        target: Some(Target { kind: "key", id: Some("k1".into()) }),
        before: Some("{\"a\":1}".into()),
        after: Some("{\"a\":2}".into()),
        address: Some("10.0.0.1".into()),
        request_id: Some("r1".into()),
        outcome: Outcome::Ok,
        detail: Some("because".into()),
    }
}

fn whole(rows: u64, days: u64) -> Verdict {
    Verdict::Whole { rows, days }
}

fn broken(seq: i64, what: Breach) -> Verdict {
    Verdict::Broken { seq, what }
}

#[test]
fn every_part_of_an_entry_reaches_its_column() {
    let trail = Trail::new();
    let empty = Entry {
        actor: None,
        actor_name: "nobody\0".into(),
        team: None,
        target: None,
        before: None,
        after: None,
        address: None,
        request_id: None,
        outcome: Outcome::Denied,
        detail: None,
        ..entry()
    };
    let seqs =
        trail.store.write_blocking(|conn| Ok([append(conn, &entry(), START_MS)?, append(conn, &empty, 5)?]));
    assert_eq!(seqs.unwrap(), [1, 2]);
    let rows = trail.rows();
    let full = Recorded {
        seq: 1,
        day: "2026-11-24".into(),
        at: START_MS,
        actor_kind: "user".into(),
        actor_id: Some(uuid(1).to_string()),
        actor_name: "ann".into(),
        team_id: Some(uuid(2).to_string()),
        action: "key.create".into(),
        target_kind: Some("key".into()),
        target_id: Some("k1".into()),
        before: Some("{\"a\":1}".into()),
        after: Some("{\"a\":2}".into()),
        address: Some("10.0.0.1".into()),
        request_id: Some("r1".into()),
        outcome: "ok".into(),
        detail: Some("because".into()),
        hash: rows[0].hash.clone(),
    };
    let bare = Recorded {
        seq: 2,
        at: 5,
        actor_kind: "unknown".into(),
        actor_id: None,
        actor_name: "nobody\u{fffd}".into(),
        team_id: None,
        target_kind: None,
        target_id: None,
        before: None,
        after: None,
        address: None,
        request_id: None,
        outcome: "denied".into(),
        detail: None,
        hash: rows[1].hash.clone(),
        ..full.clone()
    };
    assert_eq!(rows, [full, bare]);
    assert_ne!(rows[0].hash, rows[1].hash);
    assert_eq!(trail.verdict(), whole(2, 1));
}

#[test]
fn each_actor_has_its_word() {
    let id = Some(uuid(1).to_string());
    for (who, expected) in [
        (Some(ActorId::Key(KeyId(uuid(1)))), ("key", id.clone())),
        (Some(ActorId::User(UserId(uuid(1)))), ("user", id)),
        (Some(ActorId::Console), ("cli", None)),
        (Some(ActorId::System), ("system", None)),
        (None, ("unknown", None)),
    ] {
        assert_eq!(actor(who), expected);
    }
    for outcome in [Outcome::Ok, Outcome::Denied, Outcome::Failed] {
        assert_eq!(Outcome::from_word(outcome.as_str()), Some(outcome));
    }
}

#[test]
fn a_change_whose_row_cannot_be_written_does_not_happen() {
    use crate::repo::setting;
    let trail = Trail::new();
    trail.run("ALTER TABLE audit_log RENAME COLUMN detail TO lost").unwrap();
    let change = trail.store.write_blocking(|conn| {
        setting::put(conn, "a", "changed")?;
        append(conn, &entry(), START_MS)
    });
    assert!(change.is_err());
    assert_eq!(trail.store.read_blocking(|conn| setting::find(conn, "a")).unwrap(), None);
}

#[test]
fn a_day_begins_once_and_seals_the_one_before() {
    let trail = Trail::of_five_days();
    trail.begin(4);
    let days: Vec<_> = trail.days().into_iter().map(|day| (day.day, day.first_seq, day.last_seq)).collect();
    let expected = [
        ("2026-11-24", 1, Some(3)),
        ("2026-11-25", 4, Some(3)),
        ("2026-11-26", 4, Some(5)),
        ("2026-11-27", 6, Some(5)),
        ("2026-11-28", 6, None),
    ];
    assert_eq!(days, expected.map(|(day, first, last)| (day.to_owned(), first, last)));
    assert_eq!(trail.verdict(), whole(6, 5));
}

#[test]
fn the_last_millisecond_of_a_day_belongs_to_it() {
    let trail = Trail::new();
    for at in [START_MS, START_MS + DAY_MS - 1, START_MS + DAY_MS] {
        trail.store.write_blocking(|conn| append(conn, &entry(), at)).unwrap();
    }
    let days: Vec<_> = trail.rows().into_iter().map(|row| row.day).collect();
    assert_eq!(days, ["2026-11-24", "2026-11-24", "2026-11-25"]);
}

#[test]
fn a_clock_that_goes_back_writes_on_in_the_newest_day_and_says_its_own_time() {
    let trail = Trail::new();
    trail.append(200, 1);
    trail.begin(3);
    trail.append(0, 1);
    trail.append(1, 1);
    let rows: Vec<_> = trail.rows().into_iter().map(|row| (row.day, row.at)).collect();
    let day = "2027-06-12".to_owned();
    let expected =
        [(day.clone(), START_MS + 200 * DAY_MS), (day.clone(), START_MS), (day, START_MS + DAY_MS)];
    assert_eq!(rows, expected);
    assert_eq!(trail.verdict(), whole(3, 1));
    trail.append(201, 1);
    assert_eq!(trail.verdict(), whole(4, 2));
}

#[test]
fn a_walk_that_is_stopped_says_how_far_it_came_and_nothing_of_the_rest() {
    let trail = Trail::new();
    trail.begin(0);
    trail.append(0, 300);
    trail.tamper("UPDATE audit_log SET action = 'other' WHERE seq = 290");
    let walked = |rows_max: u64| {
        trail
            .store
            .read_blocking(|conn| {
                verify_telling(conn, &[], &mut |rows| match rows < rows_max {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                })
            })
            .unwrap()
    };
    assert_eq!(walked(1), Verdict::Unfinished { rows: 256 });
    assert_eq!(walked(1000), broken(290, Breach::Changed));
}
