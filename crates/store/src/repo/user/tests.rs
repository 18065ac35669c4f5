//! Users, whole and change by change, within their teams.

use super::*;
use crate::{exec::Store, repo::team, sample};

fn identity(subject: &str) -> Identity {
    Identity { issuer: "https://id.example".into(), subject: subject.into() }
}

/// With the teams 1 and 2.
fn scratch(folder: &std::path::Path) -> (Store, [TeamId; 2]) {
    let store = Store::scratch(folder);
    let teams = [sample::team(1, "red"), sample::team(2, "blue")];
    store.write_blocking(|conn| teams.iter().try_for_each(|team| team::create(conn, team))).unwrap();
    (store, teams.map(|team| team.id))
}

#[test]
fn a_user_is_shown_as_it_was_stored_and_each_change_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [red, _]) = scratch(folder.path());
    let mut now = User {
        password: Some(PasswordHash("hash".into())),
        identity: Some(identity("1")),
        role: Role::TeamAdmin,
        team: Some(red),
        is_active: false,
        last_login_at_ms: Some(3),
        ..sample::user(1)
    };
    store.write_blocking(|conn| create(conn, &now)).unwrap();
    assert_eq!(store.read_blocking(|conn| show(conn, now.id, Some(red))).unwrap(), Some(now.clone()));
    let changes: [fn(&mut User, &mut Change); 9] = [
        |user, change| user.email = change.email.insert("new@one.example".into()).clone(),
        |user, change| user.name = change.name.insert("Grace".into()).clone(),
        |user, change| user.password = change.password.insert(Some(PasswordHash("other".into()))).clone(),
        |user, change| user.password = change.password.insert(None).clone(),
        |user, change| user.identity = change.identity.insert(Some(identity("2"))).clone(),
        |user, change| user.identity = change.identity.insert(None).clone(),
        |user, change| user.role = *change.role.insert(Role::PlatformAdmin),
        |user, change| user.team = *change.team.insert(None),
        |user, change| user.is_active = *change.is_active.insert(true),
    ];
    for apply in changes {
        let mut change = Change::default();
        let seen = now.version;
        apply(&mut now, &mut change);
        (now.version, now.updated_at_ms) = (seen + 1, seen + 100);
        let update = || {
            store.write_blocking(|conn| update(conn, now.id, None, &change, seen, now.updated_at_ms)).unwrap()
        };
        assert_eq!(update(), Changed::Now(now.clone()));
        assert_eq!(update(), Changed::Stale);
        assert_eq!(store.read_blocking(|conn| show(conn, now.id, None)).unwrap(), Some(now.clone()));
    }
    store.write_blocking(|conn| note_login(conn, now.id, 77)).unwrap();
    let signed_in = User { last_login_at_ms: Some(77), ..now };
    assert_eq!(store.read_blocking(|conn| show(conn, signed_in.id, None)).unwrap(), Some(signed_in));
}

#[test]
fn an_email_and_an_identity_are_taken_once_whatever_their_case() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = scratch(folder.path());
    let create = |user: &User| store.write_blocking(|conn| create(conn, user));
    assert!(!store.read_blocking(has_any).unwrap());
    create(&User { email: "Ada@One.Example".into(), identity: Some(identity("1")), ..sample::user(1) })
        .unwrap();
    assert!(store.read_blocking(has_any).unwrap());
    let find = |email: &str| store.read_blocking(|conn| find_by_email(conn, email)).unwrap();
    assert_eq!(find("ADA@one.example").unwrap().email, "ada@one.example");
    assert_eq!(find("grace@one.example"), None);
    let find = |subject| store.read_blocking(|conn| find_by_identity(conn, &identity(subject))).unwrap();
    assert_eq!((find("1").map(|user| user.id), find("2")), (Some(sample::user(1).id), None));
    for (twin, member) in [
        (User { email: "ada@one.example".into(), ..sample::user(2) }, "`email`"),
        (User { identity: Some(identity("1")), ..sample::user(2) }, "`oidc_issuer`, `oidc_subject`"),
    ] {
        let refused = create(&twin).unwrap_err().to_string();
        assert!(refused.contains(member), "{refused}");
    }
}

#[test]
fn a_team_reaches_its_own_users_only() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [red, blue]) = scratch(folder.path());
    let users: Vec<_> = [(1, Some(red)), (2, Some(blue)), (3, None), (4, Some(red))]
        .map(|(number, team)| User { team, ..sample::user(number) })
        .into();
    store.write_blocking(|conn| users.iter().try_for_each(|user| create(conn, user))).unwrap();
    let page =
        |team, after, limit| store.read_blocking(|conn| page(conn, team, &Page { after, limit })).unwrap();
    assert_eq!(page(Some(red), None, 9), [users[0].clone(), users[3].clone()]);
    assert_eq!(page(Some(red), Some((1, users[0].id.to_string())), 9), [users[3].clone()]);
    assert_eq!(page(None, Some((1, users[0].id.to_string())), 2), users[1..3]);
    for foreign in &users[1..3] {
        let reached = store
            .write_blocking(|conn| {
                let change = Change { role: Some(Role::PlatformAdmin), ..Change::default() };
                let shown = show(conn, foreign.id, Some(red))?;
                let changed = update(conn, foreign.id, Some(red), &change, 1, 9)?;
                Ok((shown, changed, delete(conn, foreign.id, Some(red))?))
            })
            .unwrap();
        assert_eq!(reached, (None, Changed::Unknown, Removed::Unknown));
        assert_eq!(store.read_blocking(|conn| show(conn, foreign.id, None)).unwrap().as_ref(), Some(foreign));
    }
    let own = store.write_blocking(|conn| delete(conn, users[0].id, Some(red))).unwrap();
    assert_eq!(own, Removed::Now);
}

#[test]
fn a_password_hash_is_not_shown() {
    let user = User { password: Some(PasswordHash("$argon2id$".into())), ..sample::user(1) };
    assert!(!format!("{user:?}").contains("argon2id"));
}
