//! Which rows a filter finds, and pages of them in both orders.

use super::*;

/// Rows 1 to 8 on two days; 8 was written after the clock went back to the first.
fn varied() -> Trail {
    let trail = Trail::new();
    let (ann, key) = (entry(), Some(ActorId::Key(KeyId(uuid(5)))));
    let rows = [
        (0, ann.clone()),
        (1, Entry { actor: key, ..ann.clone() }),
        (2, Entry { team: None, action: "key.delete", ..ann.clone() }),
        (3, Entry { team: Some(TeamId(uuid(3))), action: "keyring.rotate", ..ann.clone() }),
        (DAY_MS, Entry { outcome: Outcome::Denied, action: "access.denied", ..ann.clone() }),
        (DAY_MS + 1, Entry { target: Some(Target { kind: "team", id: Some("t".into()) }), ..ann.clone() }),
        (DAY_MS + 2, Entry { target: None, actor: None, ..ann.clone() }),
        (9, ann),
    ];
    let append = |conn: &mut AnyConnection| {
        rows.iter().try_for_each(|(at, entry)| append(conn, entry, START_MS + at).map(drop))
    };
    trail.store.write_blocking(append).unwrap();
    trail
}

fn seqs(trail: &Trail, filter: &Filter, page: SeqPage) -> Vec<i64> {
    let rows = trail.store.read_blocking(|conn| list(conn, filter, page)).unwrap();
    rows.into_iter().map(|row| row.seq).collect()
}

const ALL: SeqPage = SeqPage { after: None, order: Order::OldestFirst, limit: 100 };

#[test]
fn a_filter_finds_the_rows_of_which_all_it_says_holds() {
    let trail = varied();
    let any = Filter::default;
    let text = |text: &str| Some(text.to_owned());
    let day = |day: i64| Some(START_MS + day * DAY_MS);
    let cases = [
        (any(), vec![1, 2, 3, 4, 5, 6, 7, 8]),
        (Filter { team: Some(TeamId(uuid(2))), ..any() }, vec![1, 2, 5, 6, 7, 8]),
        (Filter { actor: Some(uuid(5).to_string()), ..any() }, vec![2]),
        (Filter { action_prefix: text("key"), ..any() }, vec![1, 2, 3, 4, 6, 7, 8]),
        (Filter { action_prefix: text("key."), ..any() }, vec![1, 2, 3, 6, 7, 8]),
        (Filter { action_prefix: text("key.delete"), ..any() }, vec![3]),
        (Filter { action_prefix: text("%"), ..any() }, vec![]),
        (Filter { target_kind: text("team"), ..any() }, vec![6]),
        (Filter { target_id: text("t"), ..any() }, vec![6]),
        (Filter { outcome: Some(Outcome::Denied), ..any() }, vec![5]),
        (Filter { from_ms: day(1), ..any() }, vec![5, 6, 7]),
        (Filter { from_ms: Some(START_MS + 9), ..any() }, vec![5, 6, 7, 8]),
        (Filter { to_ms: day(1), ..any() }, vec![1, 2, 3, 4, 8]),
        (Filter { from_ms: day(0), to_ms: Some(START_MS + 9), ..any() }, vec![1, 2, 3, 4]),
        (Filter { from_ms: day(2), ..any() }, vec![]),
        (Filter { to_ms: day(0), ..any() }, vec![]),
        (Filter { to_ms: day(1), action_prefix: text("key.delete"), ..any() }, vec![3]),
        (Filter { outcome: Some(Outcome::Denied), team: Some(TeamId(uuid(3))), ..any() }, vec![]),
    ];
    for (filter, expected) in cases {
        assert_eq!(seqs(&trail, &filter, ALL), expected, "{filter:?}");
    }
}

#[test]
fn pages_follow_on_each_other_in_both_orders() {
    let trail = varied();
    for (order, expected) in [
        (Order::NewestFirst, [&[8, 7, 6][..], &[5, 2, 1], &[]]),
        (Order::OldestFirst, [&[1, 2, 5][..], &[6, 7, 8], &[]]),
    ] {
        let filter = Filter { team: Some(TeamId(uuid(2))), ..Filter::default() };
        let mut page = SeqPage { after: None, order, limit: 3 };
        for expected in expected {
            let found = seqs(&trail, &filter, page);
            assert_eq!(found, expected);
            page.after = found.last().copied().or(page.after);
        }
    }
}

#[test]
fn a_window_in_a_sealed_day_is_looked_for_in_that_day_only() {
    let trail = Trail::of_five_days();
    let window = |from: i64, to: i64| Filter {
        from_ms: Some(START_MS + from * DAY_MS),
        to_ms: Some(START_MS + to * DAY_MS),
        ..Filter::default()
    };
    for (from, to, expected) in [
        (0, 1, &[1, 2, 3][..]),
        (1, 2, &[]),
        (2, 4, &[4, 5]),
        (3, 9, &[6]),
        (4, 2, &[]),
        (-9, 9, &[1, 2, 3, 4, 5, 6]),
    ] {
        assert_eq!(seqs(&trail, &window(from, to), ALL), expected, "{from} {to}");
    }
}
