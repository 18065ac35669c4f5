//! Keys, whole and change by change, within their teams.

use super::*;
use crate::{
    exec::Store,
    repo::{Changed, Page, team},
    sample,
};

/// With the teams 1 and 2.
fn scratch(folder: &std::path::Path) -> (Store, [TeamId; 2]) {
    let store = Store::scratch(folder);
    let teams = [sample::team(1, "red"), sample::team(2, "blue")];
    store.write_blocking(|conn| teams.iter().try_for_each(|team| team::create(conn, team))).unwrap();
    (store, teams.map(|team| team.id))
}

fn shown(store: &Store, id: KeyId) -> Option<Key> {
    store.read_blocking(|conn| show(conn, id, None)).unwrap()
}

fn id(number: u64) -> KeyId {
    KeyId(sample::uuid(number))
}

#[test]
fn a_key_is_shown_as_it_was_stored_and_each_change_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [red, _]) = scratch(folder.path());
    let mut now = Key {
        team: Some(red),
        form: Form::Opaque([0xa7; 32]),
        role: Some(Role::Viewer),
        scope: sample::scope("gpt-*"),
        parent: Some(id(9)),
        signing: Signing::Optional,
        signing_generation: 3,
        is_disabled: true,
        max_requests: Some(10),
        is_bound: true,
        bounds: Bounds { requests: None, tokens: Some(90), concurrent: Some(1) },
        retires_at_ms: Some(11),
        replaced_by: Some(id(8)),
        revoked_at_ms: Some(12),
        last_used_at_ms: Some(13),
        created_by: "ada@one.example".into(),
        ..sample::key(1)
    };
    store.write_blocking(|conn| create(conn, &now)).unwrap();
    assert_eq!(shown(&store, now.id), Some(now.clone()));
    assert_eq!(store.read_blocking(list).unwrap(), std::slice::from_ref(&now));
    let changes: [fn(&mut Key, &mut Change); 9] = [
        |key, change| key.name = change.name.insert("other".into()).clone(),
        |key, change| key.role = *change.role.insert(Some(Role::Auditor)),
        |key, change| key.role = *change.role.insert(None),
        |key, change| key.scope = change.scope.insert(Scope::default()).clone(),
        |key, change| key.signing = *change.signing.insert(Signing::Required),
        |key, change| key.is_disabled = *change.is_disabled.insert(false),
        |key, change| key.bounds.requests = *change.bounds.requests.insert(Some(7)),
        |key, change| key.bounds.tokens = *change.bounds.tokens.insert(None),
        |key, change| key.bounds.concurrent = *change.bounds.concurrent.insert(Some(2)),
    ];
    for apply in changes {
        let mut change = Change::default();
        let seen = now.version;
        apply(&mut now, &mut change);
        (now.version, now.updated_at_ms) = (seen + 1, seen + 100);
        let at = now.updated_at_ms;
        let update =
            || store.write_blocking(|conn| update(conn, now.id, Some(red), &change, seen, at)).unwrap();
        assert_eq!(update(), Changed::Now(now.clone()));
        assert_eq!(update(), Changed::Stale);
        assert_eq!(shown(&store, now.id), Some(now.clone()));
    }
    let bump = |version| {
        store.write_blocking(|conn| bump_signing_generation(conn, now.id, Some(red), version, 200)).unwrap()
    };
    let next = Key { signing_generation: 4, version: now.version + 1, updated_at_ms: 200, ..now.clone() };
    assert_eq!((bump(now.version), bump(now.version)), (Changed::Now(next), Changed::Stale));
}

#[test]
fn a_digest_is_64_lower_case_hex_digits_and_found_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = scratch(folder.path());
    let opaque = |number| Key { form: Form::Opaque([0x0f; 32]), ..sample::key(number) };
    store.write_blocking(|conn| create(conn, &opaque(1))).unwrap();
    let twin = store.write_blocking(|conn| create(conn, &opaque(2))).unwrap_err().to_string();
    assert!(twin.contains("`digest`"), "{twin}");
    store
        .write_blocking(|conn| [3, 4].map(sample::key).iter().try_for_each(|key| create(conn, key)))
        .unwrap();
    for (hex, expected) in [
        ("0f".repeat(32), Some([0x0f; 32])),
        ("a9".repeat(32), Some([0xa9; 32])),
        ("0f".repeat(31), None),
        ("0f".repeat(31) + "0", None),
        ("0F".repeat(32), None),
        ("0g".repeat(32), None),
    ] {
        assert_eq!(digest(&hex), expected, "{hex}");
    }
}

#[test]
fn a_key_of_no_known_team_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let key = Key { team: Some(sample::team(1, "").id), ..sample::key(5) };
    assert!(store.write_blocking(|conn| create(conn, &key)).is_err());
}

#[test]
fn a_key_is_revoked_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = scratch(folder.path());
    let key = sample::key(5);
    store.write_blocking(|conn| create(conn, &key)).unwrap();
    let revoke = |number, now| store.write_blocking(|conn| revoke(conn, id(number), None, now)).unwrap();
    assert_eq!(revoke(5, 70), Revoked::Now);
    assert_eq!(revoke(5, 80), Revoked::Before);
    assert_eq!(revoke(6, 80), Revoked::Unknown);
    let revoked = Key { revoked_at_ms: Some(70), updated_at_ms: 70, version: 2, ..key };
    assert_eq!(shown(&store, revoked.id), Some(revoked));
}

#[test]
fn a_key_that_is_replaced_ends_at_the_earlier_of_two_times() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = scratch(folder.path());
    let ending = Key { retires_at_ms: Some(50), ..sample::key(2) };
    let revoked = Key { revoked_at_ms: Some(3), ..sample::key(3) };
    store
        .write_blocking(|conn| {
            [&sample::key(1), &ending, &revoked].iter().try_for_each(|key| create(conn, key))
        })
        .unwrap();
    let rotate = |number, new| {
        store.write_blocking(|conn| rotate(conn, id(number), None, &sample::key(new), 90, 7)).unwrap()
    };
    let replaced = |key: Key, by, retires_at| Key {
        retires_at_ms: Some(retires_at),
        replaced_by: Some(id(by)),
        updated_at_ms: 7,
        version: 2,
        ..key
    };
    let first = replaced(sample::key(1), 11, 90);
    assert_eq!(rotate(1, 11), Rotated::Now(Box::new(first.clone())));
    assert_eq!((shown(&store, first.id), shown(&store, id(11))), (Some(first), Some(sample::key(11))));
    assert_eq!(rotate(2, 12), Rotated::Now(Box::new(replaced(ending, 12, 50))));
    for before in [1, 3] {
        assert_eq!(rotate(before, 13), Rotated::Before);
    }
    assert_eq!(rotate(9, 13), Rotated::Unknown);
    assert_eq!(shown(&store, id(13)), None);
}

#[test]
fn the_last_use_only_goes_up_and_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = scratch(folder.path());
    store
        .write_blocking(|conn| [1, 2].map(sample::key).iter().try_for_each(|key| create(conn, key)))
        .unwrap();
    for (used, expected) in [
        (&[(1, 50), (9, 50)][..], [Some(50), None]),
        (&[(1, 40), (2, 30)], [Some(50), Some(30)]),
        (&[(1, 51), (2, 30)], [Some(51), Some(30)]),
    ] {
        let used: Vec<_> = used.iter().map(|(number, at)| (id(*number), *at)).collect();
        store.write_blocking(|conn| note_last_used(conn, &used)).unwrap();
        let keys = [1, 2].map(|number| shown(&store, id(number)).unwrap());
        assert_eq!(keys.each_ref().map(|key| key.last_used_at_ms), expected);
        assert_eq!(keys.map(|key| (key.version, key.updated_at_ms)), [(1, 1), (1, 1)]);
    }
}

#[test]
fn session_keys_are_forgotten_after_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = scratch(folder.path());
    let keys = [
        sample::key(1),
        Key { level: Level::Session, ..sample::key(2) },
        Key { level: Level::Session, expires_at_ms: Some(1001), ..sample::key(3) },
    ];
    store.write_blocking(|conn| keys.iter().try_for_each(|key| create(conn, key))).unwrap();
    assert_eq!(store.write_blocking(|conn| delete_ended_sessions(conn, 1001, 100)).unwrap(), 1);
    assert_eq!(shown(&store, keys[1].id), None);
    assert!(shown(&store, keys[0].id).is_some() && shown(&store, keys[2].id).is_some());
}

#[test]
fn a_session_key_takes_a_place_until_it_ends_and_for_a_while_at_least() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = scratch(folder.path());
    let session = |number, made_ms, end_ms| Key {
        level: Level::Session,
        parent: Some(id(1)),
        created_at_ms: made_ms,
        expires_at_ms: Some(end_ms),
        ..sample::key(number)
    };
    let keys = [
        sample::key(1),
        session(2, 0, 2_000),
        session(3, 900, 950),
        session(4, 0, 950),
        Key { revoked_at_ms: Some(999), ..session(5, 0, 2_000) },
        Key { parent: Some(id(9)), ..session(6, 0, 2_000) },
    ];
    store.write_blocking(|conn| keys.iter().try_for_each(|key| create(conn, key))).unwrap();
    let taken = |now_ms| store.read_blocking(|conn| places_taken(conn, id(1), 500, now_ms)).unwrap();
    assert_eq!([900, 1_000, 1_399, 1_400, 1_999, 2_000].map(taken), [3, 2, 2, 1, 1, 0]);
}

#[test]
fn a_team_reaches_its_own_keys_only() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [red, blue]) = scratch(folder.path());
    let keys = [(1, Some(red)), (2, Some(blue)), (3, None)]
        .map(|(number, team)| Key { team, ..sample::key(number) });
    store.write_blocking(|conn| keys.iter().try_for_each(|key| create(conn, key))).unwrap();
    for foreign in &keys[1..] {
        let new = Key { team: Some(red), ..sample::key(77) };
        let reached = store
            .write_blocking(|conn| {
                let (id, team) = (foreign.id, Some(red));
                let change = Change { is_disabled: Some(true), ..Change::default() };
                Ok((
                    show(conn, id, team)?,
                    update(conn, id, team, &change, 1, 9)?,
                    bump_signing_generation(conn, id, team, 1, 9)?,
                    revoke(conn, id, team, 9)?,
                    rotate(conn, id, team, &new, 9, 9)?,
                ))
            })
            .unwrap();
        let nothing = (None, Changed::Unknown, Changed::Unknown, Revoked::Unknown, Rotated::Unknown);
        assert_eq!(reached, nothing);
        assert_eq!(shown(&store, foreign.id).as_ref(), Some(foreign));
    }
    let filter = Filter { team: Some(red), ..Filter::default() };
    let all = Page { after: None, limit: 9 };
    let page = store.read_blocking(|conn| page(conn, &filter, &all, 5)).unwrap();
    assert_eq!(page, [(keys[0].clone(), State::Active)]);
    let own = store.write_blocking(|conn| revoke(conn, keys[0].id, Some(red), 9)).unwrap();
    assert_eq!(own, Revoked::Now);
}

/// At the time 100, numbered; the sessions are of the application keys 10 and up.
fn in_every_state() -> Vec<(Key, State)> {
    let key = |number: u64| Key { expires_at_ms: None, ..sample::key(number) };
    let session =
        |number: u64, parent| Key { level: Level::Session, parent: Some(id(parent)), ..key(number) };
    let off = Some(sample::team(2, "").id);
    vec![
        (key(10), State::Active),
        (Key { revoked_at_ms: Some(500), ..key(11) }, State::Revoked),
        (Key { retires_at_ms: Some(100), ..key(12) }, State::Retired),
        (Key { is_disabled: true, ..key(13) }, State::Disabled),
        (Key { expires_at_ms: Some(100), ..key(14) }, State::Expired),
        (Key { expires_at_ms: Some(101), retires_at_ms: Some(101), ..key(15) }, State::Active),
        (Key { team: off, ..key(16) }, State::Disabled),
        (Key { team: Some(sample::team(1, "").id), ..key(17) }, State::Active),
        (Key { revoked_at_ms: Some(1), expires_at_ms: Some(1), ..key(18) }, State::Revoked),
        (Key { is_disabled: true, expires_at_ms: Some(1), ..key(19) }, State::Expired),
        (Key { is_disabled: true, retires_at_ms: Some(1), team: off, ..key(20) }, State::Retired),
        (session(21, 10), State::Active),
        (session(22, 11), State::Revoked),
        (session(23, 12), State::Retired),
        (session(24, 13), State::Disabled),
        (Key { expires_at_ms: Some(1), ..session(25, 11) }, State::Revoked),
        (Key { expires_at_ms: Some(1), ..session(26, 12) }, State::Expired),
        (session(27, 99), State::Active),
    ]
}

#[test]
fn a_key_is_listed_in_the_state_requests_meet_it_in() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [_, off]) = scratch(folder.path());
    let keys = in_every_state();
    store
        .write_blocking(|conn| {
            team::update(conn, off, &team::Change { is_active: Some(false), ..Default::default() }, 1, 2)?;
            keys.iter().try_for_each(|(key, _)| create(conn, key))
        })
        .unwrap();
    let all = Page { after: None, limit: 99 };
    let page = |filter| store.read_blocking(|conn| page(conn, &filter, &all, 100)).unwrap();
    assert_eq!(page(Filter::default()), keys);
    for state in State::ALL {
        let expected: Vec<_> = keys.iter().filter(|(_, found)| *found == state).cloned().collect();
        assert!(!expected.is_empty());
        assert_eq!(page(Filter { state: Some(state), ..Filter::default() }), expected, "{state:?}");
        assert_eq!(State::from_word(state.as_str()), Some(state));
    }
    let numbers =
        |filter: Filter| page(filter).into_iter().map(|(key, _)| key.id.0.as_u128()).collect::<Vec<_>>();
    let of = Filter { parent: Some(id(11)), ..Filter::default() };
    assert_eq!(numbers(of), [22, 25]);
    let sessions = Filter { level: Some(Level::Session), state: Some(State::Active), ..Filter::default() };
    assert_eq!(numbers(sessions), [21, 27]);
    let next = Page { after: Some((1, id(24).to_string())), limit: 2 };
    let rest = store.read_blocking(|conn| super::page(conn, &Filter::default(), &next, 100)).unwrap();
    assert_eq!(rest, keys[15..17]);
}

#[test]
fn keys_that_end_soon_are_told_unless_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [red, _]) = scratch(folder.path());
    let key = |number, expires_at_ms| Key { expires_at_ms, ..sample::key(number) };
    let keys = [
        key(1, Some(100)),
        key(2, Some(101)),
        key(3, Some(200)),
        Key { retires_at_ms: Some(150), ..key(4, None) },
        Key { level: Level::Session, ..key(5, Some(150)) },
        Key { revoked_at_ms: Some(1), ..key(6, Some(150)) },
        Key { team: Some(red), ..key(7, Some(150)) },
        key(8, None),
    ];
    store.write_blocking(|conn| keys.iter().try_for_each(|key| create(conn, key))).unwrap();
    for (team, limit, expected) in [(None, 9, &[2, 4, 7][..]), (None, 2, &[2, 4]), (Some(red), 9, &[7])] {
        let found = store.read_blocking(|conn| ending_before(conn, team, 200, limit, 100)).unwrap();
        let found: Vec<_> = found.into_iter().map(|key| key.id.0.as_u128()).collect();
        assert_eq!(found, expected);
    }
}
