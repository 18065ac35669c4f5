//! What the database itself refuses, whoever asks.

use super::*;

/// A trail of which the statement must not change anything.
fn check_refused(trail: &Trail, statement: &str, expected: &str) {
    if scratch::postgres().is_some() && statement.contains("REPLACE") {
        return; // only SQLite has that
    }
    let before = (trail.rows(), trail.days());
    let error = trail.run(statement).expect_err(statement);
    assert!(error.to_string().to_lowercase().contains(expected), "{statement}: {error}");
    assert_eq!((trail.rows(), trail.days()), before, "{statement}");
}

#[test]
fn no_row_is_changed_replaced_slipped_in_or_deleted_before_its_time() {
    let trail = Trail::of_five_days();
    let copy = |seq: &str, day: &str, verb: &str| {
        format!(
            "{verb} INTO audit_log (seq, day, at, actor_kind, actor_name, action, outcome, hash) \
             VALUES ({seq}, '{day}', 0, 'cli', '', 'a', 'ok', 'h')"
        )
    };
    let next = "takes only its next row";
    let cases = [
        ("UPDATE audit_log SET detail = 'other' WHERE seq = 1".to_owned(), "never changed"),
        ("UPDATE audit_log SET detail = detail".to_owned(), "never changed"),
        ("UPDATE OR REPLACE audit_log SET seq = 2 WHERE seq = 1".to_owned(), "never changed"),
        ("DELETE FROM audit_log WHERE seq = 1".to_owned(), "only after its day"),
        ("DELETE FROM audit_log WHERE seq = 6".to_owned(), "only after its day"),
        ("DELETE FROM audit_log".to_owned(), "only after its day"),
        (copy("8", "2026-11-28", "INSERT"), next),
        (copy("0", "2026-11-28", "INSERT"), next),
        (copy("6", "2026-11-28", "INSERT OR REPLACE"), next),
        (copy("1", "2026-11-24", "REPLACE"), next),
        (copy("7", "2026-11-27", "INSERT"), next),
        (copy("7", "2026-11-29", "INSERT"), next),
        (copy("NULL", "2026-11-28", "INSERT"), next),
    ];
    for (statement, expected) in cases {
        check_refused(&trail, &statement, expected);
    }
}

#[test]
fn no_day_is_changed_replaced_slipped_in_or_deleted() {
    let trail = Trail::of_five_days();
    let insert = |day: &str, verb: &str| {
        format!("{verb} INTO audit_days (day, first_seq, first_previous_hash) VALUES ('{day}', 1, 'h')")
    };
    let (once, order) = ("sealed once", "every day before it is sealed");
    let sealed = "UPDATE audit_days SET last_seq = 6, last_hash = 'h', sealed_at = 1";
    let cases = [
        ("UPDATE audit_days SET day = '2026-01-01' WHERE day = '2026-11-24'".to_owned(), once),
        ("UPDATE audit_days SET first_seq = 2 WHERE day = '2026-11-28'".to_owned(), once),
        ("UPDATE audit_days SET first_previous_hash = 'h' WHERE day = '2026-11-28'".to_owned(), once),
        ("UPDATE audit_days SET last_seq = 2 WHERE day = '2026-11-24'".to_owned(), once),
        ("UPDATE audit_days SET last_hash = 'h' WHERE day = '2026-11-24'".to_owned(), once),
        ("UPDATE audit_days SET sealed_at = 1 WHERE day = '2026-11-24'".to_owned(), once),
        (
            "UPDATE audit_days SET last_seq = NULL, last_hash = NULL, sealed_at = NULL WHERE last_seq = 3"
                .to_owned(),
            once,
        ),
        ("UPDATE audit_days SET purged_at = 1 WHERE day = '2026-11-24'".to_owned(), once),
        (format!("{sealed}, purged_at = 1 WHERE day = '2026-11-28'"), once),
        ("UPDATE audit_days SET sealed_at = 1 WHERE day = '2026-11-28'".to_owned(), "check"),
        ("DELETE FROM audit_days WHERE day = '2026-11-28'".to_owned(), "stays known"),
        ("DELETE FROM audit_days".to_owned(), "stays known"),
        (insert("2026-11-29", "INSERT"), order),
        (insert("2026-11-24", "REPLACE"), order),
        (insert("2026-11-23", "INSERT"), order),
    ];
    for (statement, expected) in cases {
        check_refused(&trail, &statement, expected);
    }
}

#[test]
fn a_day_is_never_opened_as_sealed() {
    let trail = Trail::new();
    check_refused(
        &trail,
        "INSERT INTO audit_days VALUES ('2026-11-24', 1, 'h', 0, 'h', 1, NULL)",
        "every day before it is sealed",
    );
}
