//! Requests found by what they were, and what is forgotten of them.

use nexus_core::{
    fault::Class,
    id::KeyId,
    label::Labels,
    policy::Policy,
    usage::{Outcome, Trace, UsageRecord},
};

use super::*;
use crate::{
    exec::Store,
    repo::usage::{Contexts, insert, verify},
    sample,
};

const BEGIN_MS: i64 = 1_700_006_400_000;

/// Attempt `number` of the request that came so long after the begin.
fn record(after_ms: i64, number: u32) -> UsageRecord {
    let started_at_ms = BEGIN_MS + after_ms + i64::from(number);
    let id = |ms: i64, tail: u64| format!("{}-7000-8000-{tail:012}", first_id(ms)).parse::<Uuid>().unwrap();
    UsageRecord {
        attempt: id(started_at_ms, after_ms as u64 * 10 + u64::from(number)).into(),
        request: id(BEGIN_MS + after_ms, after_ms as u64).into(),
        attempt_number: number,
        started_at_ms,
        trace: Trace {
            policy: Some(Policy::Cheapest),
            route: Some("other".into()),
            before_us: 5,
            request_bytes: 6,
            answer_bytes: 7,
        },
        ..sample::record(1)
    }
}

fn booked(records: &[UsageRecord]) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    store.write_blocking(|conn| insert(conn, records, &mut Contexts::default())).unwrap();
    (folder, store)
}

fn asked(only: Only) -> Asked {
    let page = Page { after: None, limit: 2 };
    Asked {
        only,
        user: None,
        region: None,
        took_us: (None, None),
        time_ms: BEGIN_MS..BEGIN_MS + 86_400_000,
        page,
    }
}

/// Every page, as the ids' last digits.
fn walk(store: &Store, mut asked: Asked) -> Vec<u64> {
    let mut ids = Vec::new();
    loop {
        let Found { requests, next } = store.read_blocking(|conn| list(conn, &asked)).unwrap();
        ids.extend(requests.iter().map(|one| one.id[24..].parse::<u64>().unwrap()));
        match next {
            Some(next) => asked.page.after = Some(next),
            None => return ids,
        }
    }
}

#[test]
fn requests_come_newest_first_by_what_their_first_attempts_say() {
    let failed = |record: UsageRecord| UsageRecord {
        outcome: Outcome::Failed(Class::Internal),
        status: 502,
        ..record
    };
    let mut records: Vec<_> = [10, 20, 30].map(|after| record(after, 1)).into();
    records.push(failed(record(15, 1)));
    // the second attempt of one comes after the first of another
    records.push(UsageRecord { started_at_ms: BEGIN_MS + 25, ..record(15, 2) });
    records[1].key = KeyId(sample::uuid(99));
    records[2].labels = Labels::default().for_user(Some("ada"));
    (records[0].region, records[0].duration_us) = (Some("eastus".into()), 4_000);
    records.push(record(86_400_000, 1));
    let (_folder, store) = booked(&records);
    assert_eq!(walk(&store, asked(Only::default())), [30, 20, 15, 10]);
    assert_eq!(walk(&store, asked(Only { status: Some(502), ..Only::default() })), [15]);
    assert_eq!(
        walk(&store, asked(Only { keys: Some(vec![KeyId(sample::uuid(99))]), ..Only::default() })),
        [20]
    );
    assert_eq!(walk(&store, Asked { user: Some("ada".into()), ..asked(Only::default()) }), [30]);
    assert_eq!(walk(&store, Asked { region: Some("eastus".into()), ..asked(Only::default()) }), [10]);
    let took = |least, below| walk(&store, Asked { took_us: (least, below), ..asked(Only::default()) });
    assert_eq!(took(None, Some(4_000)), [0_u64; 0]);
    assert_eq!(took(Some(4_000), Some(4_001)), [10]);
    assert_eq!(took(Some(4_001), None), [30, 20, 15]);
    assert_eq!(
        walk(&store, asked(Only { team: Some(TeamId(sample::uuid(5))), ..Only::default() })),
        [0_u64; 0]
    );

    let show = |after, own| {
        let id = record(after, 1).request.0;
        store.read_blocking(|conn| show(conn, id, own)).unwrap()
    };
    let request = show(15, Some(TeamId(sample::uuid(6)))).unwrap();
    let attempts: Vec<_> = request.attempts.iter().map(|one| (one.number, one.outcome.as_str())).collect();
    assert_eq!(attempts, [(1, "internal"), (2, "answered")]);
    assert_eq!(request.attempts[1].cost_nano_usd, Some(1));
    assert_eq!(request.attempts[1].raw_usage.as_deref(), Some(r#"{"total_tokens":1}"#));
    assert_eq!(request.attempts[1].kept.policy.as_deref(), Some("cheapest"));
    assert_eq!(show(15, Some(TeamId(sample::uuid(5)))), None, "it is another team's");
    assert_eq!(show(16, None), None);
}

#[test]
fn what_is_known_of_old_attempts_is_forgotten_and_what_they_cost_is_not() {
    let records: Vec<_> = (0..25).map(|number| record(number * 1000, 1)).collect();
    let (_folder, store) = booked(&records);
    let forget = || store.write_blocking(|conn| forget_traces(conn, BEGIN_MS + 20_000, 8)).unwrap();
    assert_eq!([forget(), forget(), forget(), forget()], [8, 8, 4, 0]);
    let kept = |after| {
        let id = record(after, 1).request.0;
        store.read_blocking(|conn| show(conn, id, None)).unwrap().unwrap().attempts[0].clone()
    };
    assert_eq!((kept(19_000).kept, kept(19_000).cost_nano_usd), (Kept::default(), Some(1)));
    assert_eq!(kept(20_000).kept.request_bytes, Some(6));
    let verdict = store.read_blocking(|conn| verify(conn, std::path::Path::new(""), &mut |_| {})).unwrap();
    assert!(verdict.is_whole() && verdict.attempts == 25, "{verdict:?}");
}
