//! What walking the chain finds when somebody has had the file and taken the triggers away.

use super::*;

fn check(statements: &str, expected: Verdict) {
    let trail = Trail::of_five_days();
    trail.tamper(statements);
    assert_eq!(trail.verdict(), expected, "{statements}");
}

#[test]
fn each_changed_column_of_a_row_is_found_and_the_row_named() {
    let changes = [
        "day = '2026-11-25'",
        "at = at + 1",
        "actor_kind = 'key'",
        "actor_id = NULL",
        "actor_name = 'bob'",
        "team_id = NULL",
        "action = 'key.delete'",
        "target_kind = 'team'",
        "target_id = 'k2'",
        "before = NULL",
        "after = ''",
        "address = '10.0.0.2'",
        "request_id = 'r2'",
        "outcome = 'denied'",
        "detail = NULL",
        "hash = replace(hash, substr(hash, 1, 1), 'x')",
        "target_id = before, before = target_id",
    ];
    for change in changes {
        for seq in [1, 3, 5, 6] {
            let statement = format!("UPDATE audit_log SET {change} WHERE seq = {seq}");
            check(&statement, broken(seq, Breach::Changed));
        }
    }
    for (seq, first) in [(1, 1), (2, 2), (3, 3), (4, 4), (6, 6)] {
        let statement = format!("UPDATE audit_log SET seq = 99 WHERE seq = {seq}");
        check(&statement, broken(first, Breach::Missing));
    }
}

#[test]
fn rows_taken_out_slipped_in_or_swapped_are_found_at_the_first() {
    let swap = |one: i64, two: i64| {
        format!(
            "UPDATE audit_log SET seq = 100 WHERE seq = {one}; UPDATE audit_log SET seq = {one} WHERE seq = {two};
             UPDATE audit_log SET seq = {two} WHERE seq = 100;"
        )
    };
    let copy = |seq: i64, of: i64| {
        format!(
            "CREATE TEMP TABLE copy AS SELECT * FROM audit_log WHERE seq = {of};
             UPDATE copy SET seq = {seq}; INSERT INTO audit_log SELECT * FROM copy;"
        )
    };
    let cases = [
        ("DELETE FROM audit_log WHERE seq = 1".to_owned(), broken(1, Breach::Missing)),
        ("DELETE FROM audit_log WHERE seq = 2".to_owned(), broken(2, Breach::Missing)),
        ("DELETE FROM audit_log WHERE seq = 3".to_owned(), broken(3, Breach::Missing)),
        ("DELETE FROM audit_log WHERE seq BETWEEN 2 AND 5".to_owned(), broken(2, Breach::Missing)),
        ("DELETE FROM audit_log WHERE seq >= 5".to_owned(), broken(5, Breach::Missing)),
        ("DELETE FROM audit_log".to_owned(), broken(1, Breach::Missing)),
        (swap(1, 2), broken(1, Breach::Changed)),
        (swap(2, 5), broken(2, Breach::Changed)),
        (copy(7, 6), broken(7, Breach::Changed)),
        (copy(8, 6), broken(7, Breach::Missing)),
        (copy(0, 6), broken(0, Breach::Stray)),
        (copy(-3, 6), broken(-3, Breach::Stray)),
    ];
    for (statements, expected) in cases {
        check(&statements, expected);
    }
}

#[test]
fn a_tampered_day_is_found() {
    let first = "day = '2026-11-24'";
    let empty = "day = '2026-11-25'";
    let open = "day = '2026-11-28'";
    let cases = [
        (format!("UPDATE audit_days SET last_hash = 'h' WHERE {first}"), broken(3, Breach::Seal)),
        (format!("UPDATE audit_days SET last_hash = 'h' WHERE {empty}"), broken(4, Breach::Seal)),
        (format!("UPDATE audit_days SET last_seq = 2 WHERE {first}"), broken(2, Breach::Seal)),
        (format!("UPDATE audit_days SET last_seq = 4 WHERE {first}"), broken(4, Breach::Changed)),
        (format!("UPDATE audit_days SET last_seq = 0 WHERE {empty}"), broken(4, Breach::DayChanged)),
        (format!("UPDATE audit_days SET first_seq = 2 WHERE {first}"), broken(1, Breach::DayChanged)),
        (
            format!("UPDATE audit_days SET first_previous_hash = 'h' WHERE {open}"),
            broken(6, Breach::DayChanged),
        ),
        (
            format!("UPDATE audit_days SET sealed_at = 1, last_seq = 6, last_hash = 'h' WHERE {open}"),
            broken(6, Breach::DayChanged),
        ),
        (
            format!(
                "UPDATE audit_days SET sealed_at = NULL, last_seq = NULL, last_hash = NULL WHERE {first}"
            ),
            broken(1, Breach::DayChanged),
        ),
        (format!("DELETE FROM audit_days WHERE {first}"), broken(1, Breach::DayChanged)),
        (format!("DELETE FROM audit_days WHERE {open}"), broken(6, Breach::DayChanged)),
        ("DELETE FROM audit_days".to_owned(), broken(1, Breach::Stray)),
        (format!("UPDATE audit_days SET day = '2026-11-23' WHERE {first}"), broken(1, Breach::Changed)),
        (
            format!(
                "UPDATE audit_days SET purged_at = 1 WHERE {first}; DELETE FROM audit_log WHERE seq <= 3"
            ),
            broken(1, Breach::PurgedTooSoon),
        ),
    ];
    for (statements, expected) in cases {
        check(&statements, expected);
    }
}

/// Changes row `from` and makes every hash after it anew, also those of the days when they are `Remade`.
fn forge(trail: &Trail, from: i64, days: Days) {
    let mut rows = trail.rows();
    let mut previous = chain::START.to_owned();
    let mut statements = String::new();
    for row in &mut rows {
        if row.seq == from {
            row.actor_name = "bob".into();
        }
        let hash = chain::hash(&previous, row);
        statements += &format!(
            "UPDATE audit_log SET hash = '{hash}', actor_name = '{}' WHERE seq = {};",
            row.actor_name, row.seq
        );
        previous = hash;
    }
    if let Days::Remade = days {
        statements += "UPDATE audit_days SET last_hash = (SELECT hash FROM audit_log WHERE seq = last_seq)
                       WHERE last_hash IS NOT NULL;
                       UPDATE audit_days SET first_previous_hash =
                       COALESCE((SELECT hash FROM audit_log WHERE seq = first_seq - 1), first_previous_hash);";
    }
    trail.tamper(&statements);
}

enum Days {
    Left,
    Remade,
}

#[test]
fn hashes_made_anew_are_found_by_the_seal_or_else_by_an_exported_anchor() {
    let trail = Trail::of_five_days();
    forge(&trail, 2, Days::Left);
    assert_eq!(trail.verdict(), broken(3, Breach::Seal));
    let trail = Trail::of_five_days();
    let exported = trail.anchors();
    forge(&trail, 2, Days::Remade);
    assert_eq!(trail.verdict(), whole(6, 5), "nothing in the database tells");
    assert_eq!(trail.verdict_with(&exported), broken(3, Breach::Anchor));
    let mut reversed = exported;
    reversed.reverse();
    assert_eq!(trail.verdict_with(&reversed), broken(3, Breach::Anchor));
    assert_eq!(trail.verdict_with(&reversed[..1]), broken(6, Breach::Anchor));
}

#[test]
fn rows_cut_off_the_open_day_are_found_by_an_exported_anchor_only() {
    let trail = Trail::of_five_days();
    let exported = trail.anchors();
    trail.tamper("DELETE FROM audit_log WHERE seq = 6");
    assert_eq!(trail.verdict(), whole(5, 5));
    assert_eq!(trail.verdict_with(&exported), broken(6, Breach::Missing));
}

#[test]
fn an_emptied_trail_is_found_by_an_exported_anchor() {
    let trail = Trail::of_five_days();
    let exported = trail.anchors();
    trail.tamper("DELETE FROM audit_log; DELETE FROM audit_days;");
    assert_eq!(trail.verdict(), whole(0, 0));
    assert_eq!(trail.verdict_with(&exported), broken(1, Breach::Missing));
}

#[test]
fn anchors_of_an_untouched_trail_hold_as_it_grows() {
    let trail = Trail::new();
    assert_eq!((trail.anchors(), trail.verdict()), (vec![], whole(0, 0)));
    let trail = Trail::of_five_days();
    let mut exported = trail.anchors();
    let ends: Vec<_> = exported.iter().map(|anchor| anchor.last_seq).collect();
    assert_eq!(ends, [3, 3, 5, 5, 6]);
    assert_eq!(exported[4].last_hash, trail.rows()[5].hash);
    trail.append(4, 2);
    trail.append(5, 2);
    exported.extend(trail.anchors());
    assert_eq!(trail.verdict_with(&exported), whole(10, 6));
}

#[test]
fn ten_thousand_rows_are_walked_in_batches_and_one_changed_among_them_is_named() {
    let trail = Trail::new();
    trail.append(0, 9_000);
    trail.append(1, 1_000);
    assert_eq!(trail.verdict(), whole(10_000, 2));
    trail.tamper("UPDATE audit_log SET outcome = 'failed' WHERE seq = 8193");
    assert_eq!(trail.verdict(), broken(8_193, Breach::Changed));
}
