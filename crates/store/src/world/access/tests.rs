//! What of teams and keys becomes part of the world, and what becomes of a damaged one.

use std::path::Path;

use nexus_core::{principal::Principal, snapshot::Snapshot};

use super::*;
use crate::{
    exec::Store,
    repo::{
        key::{Change, Form, Key},
        team::{self, Team},
    },
    sample, scratch, world,
};

fn loaded(store: &Store, now_ms: i64) -> Snapshot {
    store.read_blocking(|conn| world::load(conn, None, now_ms)).unwrap().snapshot
}

fn id(number: u64) -> KeyId {
    KeyId(sample::uuid(number))
}

fn with_keys(folder: &Path, keys: &[Key]) -> Store {
    let store = Store::scratch(folder);
    store.write_blocking(|conn| keys.iter().try_for_each(|key| key::create(conn, key))).unwrap();
    store
}

#[test]
fn revoked_keys_are_known_until_they_expire() {
    let folder = tempfile::tempdir().unwrap();
    let revoked =
        |number, expires_at_ms| Key { expires_at_ms, revoked_at_ms: Some(3), ..sample::key(number) };
    let opaque = |number: u8, revoked_at_ms| Key {
        form: Form::Opaque([number; 32]),
        expires_at_ms: None,
        revoked_at_ms,
        ..sample::key(number.into())
    };
    let now_ms = SESSIONS_END_MS + 100;
    let keys = [
        revoked(1, None),
        revoked(2, Some(now_ms + 1)),
        revoked(3, Some(now_ms)),
        Key { expires_at_ms: None, ..sample::key(4) },
        opaque(5, Some(101)),
        opaque(6, Some(100)),
        opaque(7, None),
    ];
    let found = loaded(&with_keys(folder.path(), &keys), now_ms);
    assert_eq!(found.revoked_keys, [1, 2, 5].map(id).into());
    assert_eq!(found.opaque_keys.into_keys().collect::<Vec<_>>(), [[7; 32]]);
}

#[test]
fn a_key_in_short_form_is_found_by_its_digest_until_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let opaque = |number: u8, expires_at_ms| Key {
        form: Form::Opaque([number; 32]),
        expires_at_ms,
        ..sample::key(number.into())
    };
    let store = with_keys(folder.path(), &[opaque(1, None), opaque(3, Some(10)), sample::key(4)]);
    let red = sample::team(1, "red");
    let of_team = Key { team: Some(red.id), level: Level::Admin, ..opaque(2, Some(11)) };
    store.write_blocking(|conn| team::create(conn, &red).and_then(|()| key::create(conn, &of_team))).unwrap();
    let short =
        |number, level, team, expires_at_ms| OpaqueKey { key: id(number), level, team, expires_at_ms };
    let expected = [
        ([1; 32], short(1, Level::App, None, None)),
        ([2; 32], short(2, Level::Admin, Some(red.id), Some(11))),
    ];
    assert_eq!(loaded(&store, 10).opaque_keys, expected.into());
}

#[test]
fn only_keys_about_which_there_is_something_to_say_have_a_policy() {
    let folder = tempfile::tempdir().unwrap();
    let plain = |number| Key { expires_at_ms: None, ..sample::key(number) };
    let keys = [
        plain(1),
        Key { scope: sample::scope("gpt-*"), ..plain(2) },
        Key { role: Some(Role::Viewer), ..plain(3) },
        Key { signing: Signing::Required, signing_generation: 4, ..plain(4) },
        Key { is_disabled: true, ..plain(5) },
        Key { retires_at_ms: Some(1), ..plain(6) },
        Key { is_disabled: true, expires_at_ms: Some(10), ..plain(7) },
        Key { is_disabled: true, revoked_at_ms: Some(1), ..plain(8) },
        Key { level: Level::Session, scope: sample::scope("gpt-*"), ..plain(9) },
    ];
    let store = with_keys(folder.path(), &keys);
    let policy = KeyPolicy::default;
    let mut expected: HashMap<_, _> = [
        (id(2), KeyPolicy { scope: sample::scope("gpt-*"), ..policy() }),
        (id(3), KeyPolicy { role: Some(Role::Viewer), ..policy() }),
        (id(4), KeyPolicy { signing: Signing::Required, signing_generation: 4, ..policy() }),
        (id(5), KeyPolicy { is_disabled: true, ..policy() }),
        (id(6), KeyPolicy { retires_at_ms: Some(1), ..policy() }),
    ]
    .map(|(key, policy)| (key, Arc::new(policy)))
    .into();
    assert_eq!(loaded(&store, 10).keys, expected);
    let narrower = Change { scope: Some(sample::scope("gpt-4")), ..Change::default() };
    store.write_blocking(|conn| key::update(conn, id(9), None, &narrower, 1, 2)).unwrap();
    expected.insert(id(9), Arc::new(KeyPolicy { scope: sample::scope("gpt-4"), ..policy() }));
    assert_eq!(loaded(&store, 10).keys, expected, "a session key's policy is what was changed since");
}

#[test]
fn teams_are_disabled_or_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let teams = [
        sample::team(1, "plain"),
        Team { is_active: false, ..sample::team(2, "off") },
        Team { scope: sample::scope("gpt-*"), ..sample::team(3, "bounded") },
        Team { shield: ShieldMode::Block, ..sample::team(4, "shielded") },
    ];
    store.write_blocking(|conn| teams.iter().try_for_each(|team| team::create(conn, team))).unwrap();
    let found = loaded(&store, 10);
    assert_eq!(found.disabled_teams, [teams[1].id].into());
    let policies = [
        (teams[2].id, TeamPolicy { scope: sample::scope("gpt-*"), ..TeamPolicy::default() }),
        (teams[3].id, TeamPolicy { shield: ShieldMode::Block, ..TeamPolicy::default() }),
    ];
    assert_eq!(found.teams, policies.into());
}

#[test]
fn a_damaged_right_refuses_what_it_was_to_bound() {
    for (statement, is_admitted) in [
        ("SELECT 1", true),
        ("UPDATE keys SET scope = '{\"models\":[\"*\"]}'", true),
        ("UPDATE keys SET scope = ''", false),
        ("UPDATE keys SET scope = '{\"models\":null}'", false),
        ("UPDATE keys SET scope = '{\"regions\":[\"eu\"]}'", false),
        ("UPDATE keys SET role = 'root'", false),
        ("UPDATE keys SET signing = 'sometimes'", false),
        ("UPDATE keys SET signing = 'required', signing_generation = -1", false),
        ("UPDATE teams SET scope = '[]'", false),
        ("UPDATE teams SET shield = ''", false),
        ("UPDATE keys SET revoked_at = 1, scope = ''", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let red = sample::team(1, "red");
        let key = Key { team: Some(red.id), ..sample::key(1) };
        store.write_blocking(|conn| team::create(conn, &red).and_then(|()| key::create(conn, &key))).unwrap();
        scratch::execute(folder.path(), &scratch::unchecked(statement)).unwrap();
        let caller = Principal {
            key: key.id,
            level: Level::App,
            team: key.team,
            parent: None,
            scope: None,
            is_bound: false,
            allowance: None,
            budget: None,
        };
        assert_eq!(loaded(&store, 10).admits(&caller, 10), is_admitted, "{statement}");
    }
}

#[test]
fn a_damaged_key_in_short_form_is_unknown_and_harms_no_other() {
    for statement in [
        "UPDATE keys SET digest = 'x' WHERE name = 'bad'",
        "UPDATE keys SET digest = NULL WHERE name = 'bad'",
        "UPDATE keys SET level = 'root' WHERE name = 'bad'",
        "UPDATE keys SET team_id = 'x' WHERE name = 'bad'",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let opaque = |number: u8| Key { form: Form::Opaque([number; 32]), ..sample::key(number.into()) };
        let store = with_keys(folder.path(), &[opaque(1), Key { name: "bad".into(), ..opaque(2) }]);
        scratch::execute(folder.path(), &scratch::unchecked(statement)).unwrap();
        let known: Vec<_> = loaded(&store, 10).opaque_keys.into_keys().collect();
        assert_eq!(known, [[1; 32]], "{statement}");
    }
}
