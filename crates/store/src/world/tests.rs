//! What of the database becomes part of the world, and what moves its revision.

use std::{path::Path, sync::Arc};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use nexus_core::id::Uuid;

use super::*;
use crate::{
    exec::Store,
    repo::{key, provider, route, team},
    sample,
};

/// Provider 1 `azure` with the aliases `gpt` and `*`, provider 2 `spare` with the alias `gpt`.
fn world(folder: &Path) -> Store {
    let store = Store::scratch(folder);
    store
        .write_blocking(|conn| {
            let (azure, spare) = (sample::provider(1, "azure"), sample::provider(2, "spare"));
            provider::apply(conn, &azure, 5_000)?;
            provider::apply(conn, &StoredProvider { api_key: None, ..spare.clone() }, 6_000)?;
            let limited = StoredRoute { rate_limit: Some(300), ..sample::route(1, "gpt", azure.id) };
            route::apply(conn, &limited, 7_999)?;
            route::apply(conn, &sample::route(2, "gpt", spare.id), 9_000)?;
            let wild = StoredRoute {
                real_model: "*".into(),
                rate_limit: Some(10),
                ..sample::route(3, "*", azure.id)
            };
            route::apply(conn, &wild, 9_000)
        })
        .unwrap();
    store
}

fn loaded(store: &Store, previous: Option<&Snapshot>) -> StoredWorld {
    store.read_blocking(|conn| load(conn, previous, 500)).unwrap()
}

fn tamper(folder: &Path, statement: &str) {
    let path = folder.join("nexus.db");
    SqliteConnection::establish(path.to_str().unwrap()).unwrap().batch_execute(statement).unwrap();
}

#[test]
fn the_world_holds_active_routes_of_active_providers_and_their_sealed_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let store = world(folder.path());
    let found = loaded(&store, None);
    let gpt = found.snapshot.catalogue.named("gpt").unwrap();
    assert_eq!((gpt.targets.len(), gpt.created_at_s), (2, 7));
    assert_eq!(&*gpt.targets[0].provider.name, "azure");
    assert_eq!(gpt.targets[0].rate_limit.as_ref().unwrap().per_minute(), 300);
    assert_eq!(gpt.targets[0].provider.rate_limit.as_ref().unwrap().per_minute(), 60);
    assert!(found.snapshot.catalogue.resolve("anything").is_some());
    assert_eq!(found.credentials, [(ProviderId(sample::uuid(1)), SealedText("sealed-1".into()))]);
    let off = StoredProvider { is_active: false, ..sample::provider(1, "azure") };
    store.write_blocking(|conn| provider::apply(conn, &off, 8)).unwrap();
    let found = loaded(&store, None);
    assert_eq!(found.snapshot.catalogue.named("gpt").unwrap().targets.len(), 1);
    assert!(found.snapshot.catalogue.resolve("anything").is_none());
    assert!(found.credentials.is_empty());
}

#[test]
fn revoked_keys_are_known_until_they_expire_and_disabled_teams_always() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let team = sample::team(1, "red");
    store
        .write_blocking(|conn| {
            team::create(conn, &team)?;
            team::create(conn, &sample::team(2, "blue"))?;
            team::disable(conn, team.id, 2)?;
            for (number, expires_at_ms) in [(1, None), (2, Some(501)), (3, Some(500)), (4, None)] {
                key::create(conn, &key::Key { expires_at_ms, ..sample::key(number) })?;
            }
            (1..=3).try_for_each(|number| key::revoke(conn, sample::key(number).id, 3).map(|_| ()))
        })
        .unwrap();
    let found = loaded(&store, None).snapshot;
    assert_eq!(found.revoked_keys, [1, 2].map(|number| sample::key(number).id).into());
    assert_eq!(found.disabled_teams, [team.id].into());
}

#[test]
fn a_rate_limit_lives_on_while_its_rate_stands() {
    let folder = tempfile::tempdir().unwrap();
    let store = world(folder.path());
    let limits = |world: &StoredWorld| {
        let gpt = world.snapshot.catalogue.named("gpt").unwrap().targets[0].clone();
        let wild = world.snapshot.catalogue.resolve("*").unwrap().targets[0].clone();
        [gpt.rate_limit.clone(), gpt.provider.rate_limit.clone(), wild.rate_limit.clone()].map(Option::unwrap)
    };
    let same =
        |a: &[Arc<RateLimit>; 3], b: &[Arc<RateLimit>; 3]| [0, 1, 2].map(|at| Arc::ptr_eq(&a[at], &b[at]));
    let first = loaded(&store, None);
    let second = loaded(&store, Some(&first.snapshot));
    assert_eq!(same(&limits(&first), &limits(&second)), [true, true, true]);
    let faster = StoredProvider { rate_limit: Some(61), ..sample::provider(1, "azure") };
    store.write_blocking(|conn| provider::apply(conn, &faster, 8)).unwrap();
    let third = loaded(&store, Some(&second.snapshot));
    assert_eq!(same(&limits(&second), &limits(&third)), [true, false, true]);
}

#[test]
fn a_damaged_row_is_left_out_and_the_rest_of_the_world_stands() {
    for (statement, aliases, targets) in [
        ("UPDATE service_providers SET endpoint = 'gopher://x' WHERE name = 'azure'", 1, 1),
        ("UPDATE service_providers SET rate_limit = -1 WHERE name = 'spare'", 1, 1),
        ("UPDATE service_providers SET weight = 9999999999 WHERE name = 'spare'", 1, 1),
        ("UPDATE model_routes SET id = 'no uuid' WHERE model_alias = 'gpt' AND rate_limit IS NULL", 1, 1),
        ("UPDATE model_routes SET region_weights = '[1]' WHERE rate_limit = 300", 1, 1),
        ("UPDATE model_routes SET provider_id = 'x' || id WHERE model_alias = 'gpt'", 0, 0),
        ("INSERT INTO teams VALUES ('x', 'x', FALSE, 1, 1)", 1, 2),
        ("INSERT INTO keys VALUES ('x', NULL, 'app', '', '', 1, NULL, 1)", 1, 2),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = world(folder.path());
        tamper(folder.path(), &format!("PRAGMA foreign_keys = OFF; {statement};"));
        let catalogue = loaded(&store, None).snapshot.catalogue;
        let found = catalogue.named("gpt").map_or(0, |route| route.targets.len());
        assert_eq!((catalogue.listed().len(), found), (aliases, targets), "{statement}");
    }
}

#[test]
fn a_single_damaged_row_is_an_error_that_names_it_and_not_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let store = world(folder.path());
    tamper(folder.path(), "UPDATE service_providers SET endpoint = 'gopher://hunter2' WHERE name = 'azure'");
    let error = store.read_blocking(|conn| provider::find_by_name(conn, "azure")).unwrap_err().to_string();
    assert!(error.contains(&Uuid::from_u128(1).to_string()) && error.contains("`endpoint`"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

type Change = fn(&mut AnyConnection) -> Result<(), StoreError>;

#[test]
fn every_change_to_the_world_moves_the_revision_and_nothing_else_does() {
    let changes: [(&str, bool, Change); 12] = [
        ("a team is made", true, |conn| team::create(conn, &sample::team(1, "red"))),
        ("a team is disabled", true, |conn| team::disable(conn, sample::team(1, "").id, 2).map(|_| ())),
        ("a key is made", true, |conn| key::create(conn, &sample::key(1))),
        ("a key is revoked", true, |conn| key::revoke(conn, sample::key(1).id, 2).map(|_| ())),
        ("a key is revoked again", false, |conn| key::revoke(conn, sample::key(1).id, 3).map(|_| ())),
        ("a provider is made", true, |conn| provider::apply(conn, &sample::provider(1, "a"), 2).map(|_| ())),
        ("a provider is applied again", false, |conn| {
            provider::apply(conn, &sample::provider(1, "a"), 3).map(|_| ())
        }),
        ("a provider is changed", true, |conn| {
            provider::apply(conn, &StoredProvider { weight: 1, ..sample::provider(1, "a") }, 3).map(|_| ())
        }),
        ("a route is made", true, |conn| {
            route::apply(conn, &sample::route(1, "gpt", ProviderId(sample::uuid(1))), 3).map(|_| ())
        }),
        ("a route is removed", true, |conn| {
            diesel::delete(model_routes::table).execute(conn)?;
            Ok(())
        }),
        ("usage is booked", false, |conn| crate::repo::usage::insert(conn, &[sample::record(1)]).map(|_| ())),
        ("a setting is set", false, |conn| Ok(crate::upsert::set(conn, "name", "value")?)),
    ];
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    for (what, moves, change) in changes {
        let before = store.read_blocking(revision).unwrap();
        store.write_blocking(change).unwrap();
        assert_eq!(store.read_blocking(revision).unwrap() > before, moves, "{what}");
    }
}
