//! What repeats, what makes room, and who may acknowledge.

use super::*;
use nexus_core::anomaly::throttle::Wish;

use crate::{
    exec::Store,
    repo::team::{self, Team},
    sample::{self, uuid},
    schema::audit_log,
    world,
};

fn audit_actions(conn: &mut AnyConnection) -> Result<Vec<String>, StoreError> {
    Ok(audit_log::table.order(audit_log::seq).select(audit_log::action).load(conn)?)
}

fn sighting() -> Sighting {
    Sighting {
        kind: "new_address",
        team: Some(TeamId(uuid(1))),
        key: Some(KeyId(uuid(2))),
        address: Some("10.0.0.1".into()),
        evidence: "{}".into(),
    }
}

fn scratch() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    (folder, store)
}

fn record_at(store: &Store, id: u64, sighting: &Sighting, now_ms: i64) -> Noted {
    store.write_blocking(|conn| record(conn, uuid(id), sighting, now_ms)).unwrap()
}

fn listed(store: &Store, filter: &Filter, after: Option<(i64, Uuid)>, limit: u32) -> Vec<Anomaly> {
    let page = Page { after: after.map(|(at, id)| (at, id.to_string())), limit };
    store.read_blocking(|conn| list(conn, filter, &page)).unwrap()
}

#[test]
fn the_same_thing_is_counted_within_an_hour_and_told_again_after_it() {
    let (_folder, store) = scratch();
    let newer = Sighting { evidence: "{\"n\":2}".into(), ..sighting() };
    assert_eq!(record_at(&store, 10, &sighting(), 1_000), Noted::New);
    assert_eq!(record_at(&store, 11, &newer, 1_000 + REPEATS_WITHIN_MS - 1), Noted::Again(uuid(10)));
    let counted = listed(&store, &Filter::default(), None, 9);
    let expected = Anomaly {
        id: uuid(10),
        at_ms: 1_000,
        kind: "new_address".into(),
        team: Some(TeamId(uuid(1))),
        key: Some(KeyId(uuid(2))),
        address: Some("10.0.0.1".into()),
        evidence: "{\"n\":2}".into(),
        count: 2,
        acknowledged_at_ms: None,
        acknowledged_by: None,
        version: 1,
        throttle: None,
    };
    assert_eq!(counted, [expected]);
    assert_eq!(record_at(&store, 12, &sighting(), 1_000 + REPEATS_WITHIN_MS), Noted::New);
}

#[test]
fn what_differs_in_kind_team_key_or_address_is_another_thing() {
    let (_folder, store) = scratch();
    record_at(&store, 1, &sighting(), 0);
    let others = [
        Sighting { kind: "burst", ..sighting() },
        Sighting { team: None, ..sighting() },
        Sighting { team: Some(TeamId(uuid(9))), ..sighting() },
        Sighting { key: None, ..sighting() },
        Sighting { key: Some(KeyId(uuid(9))), ..sighting() },
        Sighting { address: None, ..sighting() },
        Sighting { address: Some("10.0.0.2".into()), ..sighting() },
    ];
    for (id, other) in (100..).zip(&others) {
        assert_eq!(record_at(&store, id, other, 1), Noted::New, "{other:?}");
        assert_eq!(record_at(&store, 99, other, 2), Noted::Again(uuid(id)), "{other:?}");
    }
}

#[test]
fn an_anomaly_is_acknowledged_once_by_who_saw_it_as_it_is() {
    let (_folder, store) = scratch();
    let theirs = sighting().team;
    let other = Some(TeamId(uuid(7)));
    record_at(&store, 1, &sighting(), 0);
    let acknowledge = |id, team, version| {
        store.write_blocking(|conn| acknowledge(conn, uuid(id), team, "ann", version, 50)).unwrap()
    };
    assert_eq!(acknowledge(2, None, 1), Changed::Unknown);
    assert_eq!(acknowledge(1, other, 1), Changed::Unknown, "a team sees its own");
    assert_eq!(acknowledge(1, theirs, 2), Changed::Stale);
    record_at(&store, 9, &sighting(), 40);
    let Changed::Now(now) = acknowledge(1, theirs, 1) else { panic!("being seen again made it stale") };
    assert_eq!((now.acknowledged_at_ms, now.acknowledged_by.as_deref()), (Some(50), Some("ann")));
    assert_eq!((now.version, now.count), (2, 2));
    assert_eq!(listed(&store, &Filter::default(), None, 9), [now]);
    assert_eq!(acknowledge(1, None, 1), Changed::Stale);
    assert_eq!(record_at(&store, 3, &sighting(), 60), Noted::New, "seen again after somebody looked");
}

#[test]
fn a_list_is_filtered_and_goes_on_where_the_page_before_ended() {
    let (_folder, store) = scratch();
    for id in 1..=6_u64 {
        let team = Some(TeamId(uuid(id % 2)));
        let sighting = Sighting { team, key: Some(KeyId(uuid(id))), ..sighting() };
        // two at each time
        record_at(&store, id, &sighting, (id as i64 + 1) / 2);
    }
    store.write_blocking(|conn| acknowledge(conn, uuid(3), None, "ann", 1, 50)).unwrap();
    let ids = |filter: &Filter, after: Option<(i64, u64)>, limit| {
        let after = after.map(|(at, id)| (at, uuid(id)));
        let found = listed(&store, filter, after, limit);
        found.iter().map(|found| found.id.as_u128()).collect::<Vec<_>>()
    };
    let all = Filter::default();
    assert_eq!(ids(&all, None, 3), [6, 5, 4]);
    assert_eq!(ids(&all, Some((2, 4)), 3), [3, 2, 1]);
    assert_eq!(ids(&all, Some((1, 1)), 3), []);
    assert_eq!(ids(&Filter { team: Some(TeamId(uuid(1))), ..all.clone() }, None, 9), [5, 3, 1]);
    assert_eq!(ids(&Filter { kind: Some("burst".into()), ..all.clone() }, None, 9), []);
    assert_eq!(ids(&Filter { state: Some(State::Acknowledged), ..all.clone() }, None, 9), [3]);
    assert_eq!(ids(&Filter { state: Some(State::Open), ..all }, None, 9), [6, 5, 4, 2, 1]);
}

#[test]
fn a_full_table_drops_the_oldest_acknowledged_row_else_the_oldest() {
    let (_folder, store) = scratch();
    let numbered = |number: u64| Sighting { key: Some(KeyId(uuid(number))), ..sighting() };
    let full = ROWS_MAX as u64;
    store
        .write_blocking(|conn| {
            for number in 1..=full {
                let row = AnomalyRow {
                    id: uuid(number).to_string(),
                    at: number as i64,
                    kind: "burst".into(),
                    team_id: None,
                    key_id: None,
                    address: None,
                    evidence: "{}".into(),
                    count: 1,
                    acknowledged_at: (number == 3 || number == 5).then_some(1),
                    acknowledged_by: None,
                    version: 1,
                    throttle_requests: None,
                    throttle_until: None,
                    throttle_lifted_by: None,
                };
                insert_into(anomalies::table).values(row).execute(conn)?;
            }
            Ok(())
        })
        .unwrap();
    for (number, gone) in [(1, 3), (2, 5), (3, 1), (4, 2)] {
        let before = store.read_blocking(|conn| find(conn, uuid(gone), None)).unwrap();
        assert!(before.is_some(), "{gone}");
        record_at(&store, full + number, &numbered(number), full as i64 + 1);
        let after = store.read_blocking(|conn| find(conn, uuid(gone), None)).unwrap();
        assert_eq!(after, None, "{gone}");
        let rows: i64 =
            store.read_blocking(|conn| Ok(anomalies::table.select(count_star()).first(conn)?)).unwrap();
        assert_eq!(rows, ROWS_MAX);
    }
}

#[test]
fn a_key_is_held_to_what_its_team_wishes_until_it_is_over_or_lifted() {
    let (_folder, store) = scratch();
    let wish = Wish { reasons: vec!["new_address".into()], requests_per_minute: 7, minutes: 2 };
    let red = Team { throttle: Some(wish), ..sample::team(1, "red") };
    let key = sighting().key.unwrap();
    store.write_blocking(|conn| team::create(conn, &red)).unwrap();
    let held = |at_ms: i64| {
        let held = store.read_blocking(|conn| throttled(conn, at_ms)).unwrap();
        held.into_iter().map(|(key, held)| (key, held.requests_per_minute, held.until_ms)).collect::<Vec<_>>()
    };
    let of_team = |id: u64, sighting: Sighting| {
        record_at(&store, id, &Sighting { team: Some(red.id), ..sighting }, 1_000)
    };
    // another kind, no key, another team: nobody is held
    of_team(1, Sighting { kind: "usage_rate", ..sighting() });
    of_team(2, Sighting { key: None, ..sighting() });
    record_at(&store, 3, &Sighting { team: None, ..sighting() }, 1_000);
    assert_eq!(held(1_000), []);

    let revision = || store.read_blocking(world::revision).unwrap();
    let before = revision();
    of_team(4, sighting());
    assert!(revision() > before, "every node is to know it");
    assert_eq!((held(120_999), held(121_000)), (vec![(key, 7, 121_000)], vec![]));
    // seen again while it is held it is held no longer
    record_at(&store, 5, &Sighting { team: Some(red.id), ..sighting() }, 2_000);
    assert_eq!(held(2_000), [(key, 7, 121_000)]);

    let lift =
        |id: u64, team, at_ms| store.write_blocking(|conn| lift(conn, uuid(id), team, "ann", at_ms)).unwrap();
    assert_eq!(lift(4, Some(TeamId(uuid(9))), 3_000), Changed::Unknown);
    assert_eq!(lift(1, None, 3_000), Changed::Stale);
    let Changed::Now(lifted) = lift(4, Some(red.id), 3_000) else { panic!("it is held") };
    let throttle = Held { requests_per_minute: 7, until_ms: 3_000, lifted_by: Some("ann".into()) };
    assert_eq!((lifted.throttle, lifted.version), (Some(throttle), 2));
    assert_eq!((held(3_000), lift(4, None, 3_000)), (vec![], Changed::Stale));
    // who ended it is not overruled by the same thing seen again
    record_at(&store, 6, &Sighting { team: Some(red.id), ..sighting() }, 4_000);
    assert_eq!(held(4_000), []);
    let trail = store.read_blocking(audit_actions).unwrap();
    assert_eq!(trail, ["key.throttle"]);
}
