//! When a day may go, and that the chain holds across what went.

use super::*;

impl Trail {
    /// Takes steps of `batch_rows` until nothing more goes, and says what each took.
    fn purge(&self, retention_days: u32, batch_rows: u32) -> Vec<u64> {
        let step = || self.store.write_blocking(|conn| purge(conn, retention_days, batch_rows, 77)).unwrap();
        std::iter::from_fn(|| Some(step()).filter(|gone| *gone > 0)).collect()
    }

    fn purged_days(&self) -> usize {
        self.days().iter().filter(|day| day.purged_at.is_some()).count()
    }
}

/// The trail of five days, lived on until `sealed` days are sealed.
fn long_trail(sealed: i64) -> Trail {
    let trail = Trail::of_five_days();
    trail.live_through(5..sealed + 1);
    trail
}

const MARK: &str = "UPDATE audit_days SET purged_at = 1 WHERE day = '2026-11-24'";

#[test]
fn with_180_days_sealed_none_may_go_and_with_181_exactly_the_first() {
    let trail = long_trail(KEPT_DAYS);
    assert!(trail.purge(180, 100).is_empty());
    assert_eq!(trail.purged_days(), 0);
    assert!(trail.run(MARK).is_err());
    assert!(trail.run("DELETE FROM audit_log WHERE seq = 1").is_err());

    trail.begin(KEPT_DAYS + 1);
    assert!(trail.run("UPDATE audit_days SET purged_at = 1 WHERE day = '2026-11-25'").is_err());
    assert!(trail.run("DELETE FROM audit_log WHERE seq = 1").is_err(), "its day is not marked");
    assert_eq!(trail.purge(180, 100), [3]);
    assert_eq!(trail.purged_days(), 1);
    assert_eq!(trail.verdict(), whole(3, 182));
    assert!(trail.run("DELETE FROM audit_log WHERE seq = 4").is_err());
    assert!(trail.run(MARK).is_err(), "a day is marked once");
}

#[test]
fn less_than_180_days_counts_as_180_and_more_counts_as_said() {
    let trail = long_trail(KEPT_DAYS + 3);
    assert!(trail.purge(200, 100).is_empty());
    assert_eq!(trail.purge(182, 100), [3]);
    assert_eq!(trail.purged_days(), 1);
    assert_eq!(trail.purge(0, 100), [2]);
    assert_eq!(trail.purged_days(), 3);
    assert_eq!(trail.verdict(), whole(1, 184));
}

#[test]
fn a_clock_that_jumps_ahead_purges_nothing() {
    let trail = Trail::of_five_days();
    for day in [204, 205, 4_000] {
        trail.append(day, 1);
        assert!(trail.purge(180, 100).is_empty());
    }
    assert!(trail.run(MARK).is_err());
    assert_eq!(trail.verdict(), whole(9, 8));
}

#[test]
fn the_chain_verifies_between_the_steps_of_a_purge_and_grows_on_after_it() {
    let trail = long_trail(KEPT_DAYS + 3);
    let exported = trail.anchors();
    let step = || trail.store.write_blocking(|conn| purge(conn, 180, 2, 77)).unwrap();
    // three days go, and with them rows 1 to 5
    for (gone, left) in [(2, 4), (2, 2), (1, 1), (0, 1)] {
        assert_eq!(step(), gone);
        assert_eq!(trail.rows().len(), left);
        assert_eq!(trail.verdict_with(&exported), whole(1, 184));
    }
    trail.append(KEPT_DAYS + 3, 2);
    let rows: Vec<_> = trail.rows().iter().map(|row| row.seq).collect();
    assert_eq!(rows, [6, 7, 8]);
    assert_eq!(trail.verdict_with(&exported), whole(3, 184));
}

#[test]
fn a_trail_that_lost_every_row_goes_on_where_it_was() {
    let trail = long_trail(KEPT_DAYS + 5);
    let exported = trail.anchors();
    assert_eq!(trail.purge(180, 4), [4, 2]);
    assert!(trail.rows().is_empty());
    assert_eq!(trail.verdict_with(&exported), whole(0, 186));
    trail.append(KEPT_DAYS + 5, 1);
    assert_eq!(trail.rows()[0].seq, 7);
    assert_eq!(trail.verdict_with(&exported), whole(1, 186));
}

#[test]
fn a_change_behind_purged_days_is_still_found() {
    let trail = long_trail(KEPT_DAYS + 1);
    trail.purge(180, 100);
    trail.tamper("UPDATE audit_log SET detail = 'other' WHERE seq = 4");
    assert_eq!(trail.verdict(), broken(4, Breach::Changed));
}

#[test]
fn a_day_marked_as_purged_out_of_turn_is_found() {
    let trail = long_trail(KEPT_DAYS + 9);
    trail.tamper(
        "UPDATE audit_days SET purged_at = 1 WHERE day = '2026-11-26'; DELETE FROM audit_log WHERE seq = 4",
    );
    assert_eq!(trail.verdict(), broken(4, Breach::PurgedTooSoon));
}
