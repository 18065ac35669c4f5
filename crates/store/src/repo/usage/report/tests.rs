//! Sums by everything they can be told apart by, against the records they were made of.

use nexus_core::{
    id::Uuid,
    label::Labels,
    usage::{Cost, Pricing, UsageRecord},
};

use super::*;
use crate::{
    exec::Store,
    repo::usage::{self, LABELS_MAX, OTHERS, rows::first_id},
    sample,
};

/// A day's begin.
const BEGIN_MS: i64 = 1_700_006_400_000;

/// A record that began `after_ms` after the first day did, and cost this much.
fn record(number: u64, after_ms: i64, nano_usd: u64) -> UsageRecord {
    let started_at_ms = BEGIN_MS + after_ms;
    let id = format!("{}-7000-8000-{number:012}", first_id(started_at_ms));
    UsageRecord {
        attempt: id.parse::<Uuid>().unwrap().into(),
        started_at_ms,
        cost: Cost { nano_usd, pricing: Pricing::Known, ..Cost::default() },
        ..sample::record(number)
    }
}

fn booked(records: &[UsageRecord]) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    store.write_blocking(|conn| usage::insert(conn, records, &mut usage::Contexts::default())).unwrap();
    (folder, store)
}

fn labels(user: &str, tags: &str) -> Labels {
    let mut labels = Labels::default().for_user(Some(user));
    labels.tag_each(tags);
    labels
}

fn wanted(by: &[By], range: std::ops::Range<i64>, step: Step) -> Wanted {
    Wanted {
        by: by.to_vec(),
        from_ms: BEGIN_MS + range.start,
        until_ms: BEGIN_MS + range.end,
        step,
        only: Only::default(),
    }
}

/// Begin after the first day's, what it is of, and what was charged.
fn charged(store: &Store, wanted: &Wanted) -> Vec<(i64, String, u64)> {
    let report = store.read_blocking(|conn| report(conn, wanted)).unwrap();
    let row = |((at, of), sums): ((i64, Vec<Option<String>>), Sums)| {
        let of: Vec<String> = of.into_iter().map(|of| of.unwrap_or("-".into())).collect();
        (at - BEGIN_MS, of.join("/"), sums.get("charged_nano_usd").copied().unwrap_or(0))
    };
    report.into_iter().map(row).collect()
}

fn rows(expected: &[(i64, &str, u64)]) -> Vec<(i64, String, u64)> {
    expected.iter().map(|(at, of, sum)| (*at, (*of).to_owned(), *sum)).collect()
}

#[test]
fn a_sum_is_the_same_whatever_it_is_read_from() {
    let mut records = Vec::new();
    for number in 0..200_u64 {
        let after_ms = i64::try_from(number).unwrap() * 277 * 60_000;
        let status = if number.is_multiple_of(7) { 429 } else { 200 };
        records.push(UsageRecord { status, ..record(number, after_ms, 1 << (number % 40)) });
    }
    let (_folder, store) = booked(&records);
    for range in [
        0..4 * DAY_MS,
        HOUR_MS..2 * DAY_MS,
        5 * HOUR_MS..9 * HOUR_MS,
        DAY_MS..3 * DAY_MS + HOUR_MS,
        HOUR_MS..38 * DAY_MS + 3 * HOUR_MS,
        3 * DAY_MS..24 * DAY_MS,
    ] {
        let within = |record: &&UsageRecord| range.contains(&(record.started_at_ms - BEGIN_MS));
        let exact: u64 = records.iter().filter(within).map(|record| record.cost.nano_usd).sum();
        for step in [Step::Minute, Step::Hour, Step::Day, Step::Total] {
            for by in [By::Team, By::Status, By::Model] {
                let sums = charged(&store, &wanted(&[by], range.clone(), step));
                let total: u64 = sums.iter().map(|(_, _, sum)| sum).sum();
                assert_eq!(total, exact, "{range:?} {step:?} {by:?}");
            }
        }
    }
}

#[test]
fn usage_is_told_apart_by_everything_it_can_be() {
    let one = UsageRecord { labels: labels("ada", "red,blue"), ..record(1, 0, 1) };
    let other = UsageRecord {
        alias: "claude".into(),
        team: None,
        status: 499,
        labels: labels("bob", "red"),
        ..record(2, 90_000, 2)
    };
    let later =
        UsageRecord { region: Some("eastus".into()), duration_us: 1_500_000, ..record(4, HOUR_MS, 4) };
    let (_folder, store) = booked(&[one.clone(), other, later]);
    let team = one.team.unwrap().to_string();
    let hour = 0..2 * HOUR_MS;
    for (by, step, expected) in [
        (
            vec![By::Alias],
            Step::Hour,
            vec![(0, "claude", 2), (0, "nexus-gpt4", 1), (HOUR_MS, "nexus-gpt4", 4)],
        ),
        (vec![By::Alias], Step::Total, vec![(0, "claude", 2), (0, "nexus-gpt4", 5)]),
        (vec![By::Team], Step::Day, vec![(0, "-", 2), (0, &team, 5)]),
        (vec![By::Status], Step::Total, vec![(0, "200", 5), (0, "499", 2)]),
        (vec![By::Provider, By::Status], Step::Total, vec![(0, "azure/200", 5), (0, "azure/499", 2)]),
        (
            vec![By::Alias],
            Step::Minute,
            vec![(0, "nexus-gpt4", 1), (60_000, "claude", 2), (HOUR_MS, "nexus-gpt4", 4)],
        ),
        (vec![By::Region], Step::Total, vec![(0, "-", 3), (0, "eastus", 4)]),
        (vec![By::Latency], Step::Hour, vec![(0, "8", 3), (HOUR_MS, "1024", 4)]),
        (vec![By::Latency, By::Region], Step::Total, vec![(0, "1024/eastus", 4), (0, "8/-", 3)]),
        (vec![By::User], Step::Day, vec![(0, "ada", 1), (0, "bob", 2)]),
        (vec![By::User], Step::Hour, vec![(0, "ada", 1), (0, "bob", 2), (HOUR_MS, "-", 4)]),
        (vec![By::Tag], Step::Total, vec![(0, "blue", 1), (0, "red", 3)]),
        (
            vec![By::Tag, By::User],
            Step::Hour,
            vec![(0, "blue/ada", 1), (0, "red/ada", 1), (0, "red/bob", 2), (HOUR_MS, "-/-", 4)],
        ),
    ] {
        let mut expected = rows(&expected);
        expected.sort();
        let mut found = charged(&store, &wanted(&by, hour.clone(), step));
        found.sort();
        assert_eq!(found, expected, "{by:?} {step:?}");
    }
    let only =
        |only: Only| charged(&store, &Wanted { only, ..wanted(&[By::Alias], hour.clone(), Step::Total) });
    assert_eq!(only(Only { team: one.team, ..Only::default() }), rows(&[(0, "nexus-gpt4", 5)]));
    assert_eq!(only(Only { status: Some(499), ..Only::default() }), rows(&[(0, "claude", 2)]));
    assert_eq!(only(Only { keys: Some(vec![]), ..Only::default() }), []);
    assert_eq!(only(Only { keys: Some(vec![one.key]), ..Only::default() }).len(), 2);
    let of_team = Only { team: one.team, ..Only::default() };
    let tags = Wanted { only: of_team, ..wanted(&[By::Tag], 0..DAY_MS, Step::Day) };
    assert_eq!(charged(&store, &tags), rows(&[(0, "blue", 1), (0, "red", 1)]));
}

#[test]
fn times_are_counted_by_their_steps() {
    let slow = UsageRecord { duration_us: 4_000_000, ..record(2, 0, 1) };
    let (_folder, store) = booked(&[record(1, 0, 1), slow]);
    let found = store.read_blocking(|conn| report(conn, &wanted(&[], 0..DAY_MS, Step::Day))).unwrap();
    let sums = found.values().next().unwrap();
    assert_eq!(
        (sums["requests"], sums["latency_07"], sums["latency_24"], sums["first_token_00"]),
        (2, 1, 1, 2)
    );
}

#[test]
fn beyond_so_many_labels_of_a_day_the_others_count_together_also_for_another_process() {
    let many: Vec<_> = (0..=LABELS_MAX as u64)
        .map(|number| UsageRecord { labels: labels(&number.to_string(), ""), ..record(number, 0, 1) })
        .collect();
    let (_folder, store) = booked(&many);
    let again = [
        UsageRecord { labels: labels("new", ""), ..record(5_000, 0, 1) },
        UsageRecord { labels: labels("new", ""), ..record(5_001, DAY_MS, 1) },
    ];
    store.write_blocking(|conn| usage::insert(conn, &again, &mut usage::Contexts::default())).unwrap();
    let users = charged(&store, &wanted(&[By::User], 0..2 * DAY_MS, Step::Day));
    assert_eq!(users.len(), LABELS_MAX + 2);
    assert!(users.contains(&(0, OTHERS.to_owned(), 2)), "{:?}", users.first());
    assert!(users.contains(&(DAY_MS, "new".to_owned(), 1)));
}
