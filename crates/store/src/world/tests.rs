//! What of the database becomes part of the world, and what moves its revision.

use std::{path::Path, sync::Arc};

use nexus_core::{endpoint::Template, id::Uuid, limit::RateLimit, principal::Level};

use super::*;
use crate::{
    exec::Store,
    repo::{
        self, credential, key,
        provider::{self, StoredProvider},
        route::{self, StoredRoute},
        team,
    },
    sample, scratch,
};

/// Provider 1 `azure` with the aliases `gpt` and `*`, provider 2 `spare` with the alias `gpt`.
fn world(folder: &Path) -> Store {
    let store = Store::scratch(folder);
    store
        .write_blocking(|conn| {
            let (azure, spare) = (sample::provider(1, "azure"), sample::provider(2, "spare"));
            provider::apply(conn, &azure, 5_000)?;
            provider::apply(conn, &spare, 6_000)?;
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
    scratch::execute(folder, &scratch::unchecked(statement)).unwrap();
}

#[test]
fn the_world_holds_active_routes_of_active_providers() {
    let folder = tempfile::tempdir().unwrap();
    let store = world(folder.path());
    let found = loaded(&store, None);
    let gpt = found.snapshot.catalogue.resolve("gpt", None).unwrap().route;
    assert_eq!((gpt.targets.len(), gpt.created_at_s), (2, 7));
    assert_eq!(&*gpt.targets[0].provider.name, "azure");
    assert_eq!(gpt.targets[0].limits.requests.as_ref().unwrap().per_minute(), 300);
    assert_eq!(gpt.targets[0].provider.limits.requests.as_ref().unwrap().per_minute(), 60);
    assert!(found.snapshot.catalogue.resolve("anything", None).is_some());
    let off = StoredProvider { is_active: false, ..sample::provider(1, "azure") };
    store.write_blocking(|conn| provider::apply(conn, &off, 8)).unwrap();
    let found = loaded(&store, None);
    assert_eq!(found.snapshot.catalogue.resolve("gpt", None).unwrap().route.targets.len(), 1);
    assert!(found.snapshot.catalogue.resolve("anything", None).is_none());
}

#[test]
fn the_world_holds_the_active_credentials_of_active_providers_with_what_they_were_sealed_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = world(folder.path());
    let (azure, spare) = (ProviderId(sample::uuid(1)), ProviderId(sample::uuid(2)));
    let secret = sample::secret("v2.data-1.new", 7);
    let rows = [
        credential::Credential { weight: 3, rate_limit: Some(9), secret, ..sample::credential(1, azure) },
        sample::credential(2, azure),
        credential::Credential { is_active: false, ..sample::credential(3, azure) },
        sample::credential(4, spare),
    ];
    let off = StoredProvider { is_active: false, ..sample::provider(2, "spare") };
    store
        .write_blocking(|conn| {
            rows.iter().try_for_each(|row| credential::create(conn, row))?;
            provider::apply(conn, &off, 8)
        })
        .unwrap();
    let stored = |row: &credential::Credential| StoredCredential {
        id: row.id,
        provider: row.provider,
        sealed: row.secret.sealed.clone(),
        generation: row.secret.generation,
        weight: row.weight,
        rate_limit: row.rate_limit,
        team: None,
    };
    assert_eq!(loaded(&store, None).credentials, [stored(&rows[0]), stored(&rows[1])]);
}

#[test]
fn a_routes_own_weight_takes_the_place_of_its_providers_and_shares_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let store = world(folder.path());
    let heavy = route::Change { weight: Some(Some(7)), ..route::Change::default() };
    store.write_blocking(|conn| route::update(conn, RouteId(sample::uuid(1)), &heavy, 1, 9)).unwrap();
    let found = loaded(&store, None);
    let gpt = found.snapshot.catalogue.resolve("gpt", None).unwrap().route;
    assert_eq!([0, 1].map(|at: usize| gpt.targets[at].weight), [7, 100]);
    let wild = found.snapshot.catalogue.resolve("*", None).unwrap().route;
    let limits = [&gpt, &wild].map(|route| route.targets[0].provider.limits.requests.clone().unwrap());
    assert!(Arc::ptr_eq(&limits[0], &limits[1]));
}

#[test]
fn a_route_is_a_target_in_each_of_its_regions_with_its_share_of_the_weight() {
    let folder = tempfile::tempdir().unwrap();
    let store = world(folder.path());
    let placed = StoredProvider {
        endpoint: Template::parse("https://{region}.{resource}.example").unwrap(),
        options: [("resource", "acme"), ("region", "home")].into_iter().collect(),
        weight: 1,
        ..sample::provider(1, "azure")
    };
    let shares = [("eu", 2), ("us", 1), ("off", 0), ("no/where", 3)];
    let shares = shares.map(|(region, share)| (region.to_owned(), share)).into();
    let change = route::Change { region_weights: Some(shares), ..route::Change::default() };
    store
        .write_blocking(|conn| {
            provider::apply(conn, &placed, 8)?;
            route::update(conn, RouteId(sample::uuid(1)), &change, 1, 9)
        })
        .unwrap();
    let found = loaded(&store, None);
    let gpt = found.snapshot.catalogue.resolve("gpt", None).unwrap().route;
    let seen: Vec<_> = gpt
        .targets
        .iter()
        .map(|target| (target.provider.endpoint.to_string(), target.site().region(), target.weight))
        .collect();
    let expected = [
        ("https://eu.acme.example", Some("eu"), 333),
        ("https://us.acme.example", Some("us"), 166),
        ("https://one.example/v1", None, 100_000),
        ("https://off.acme.example", Some("off"), 0),
    ];
    assert_eq!(seen, expected.map(|(endpoint, region, weight)| (endpoint.to_owned(), region, weight)));
    let limits: Vec<_> = gpt.targets.iter().map(|target| target.limits.requests.as_ref()).collect();
    assert!(Arc::ptr_eq(limits[0].unwrap(), limits[1].unwrap()), "the regions of a route share its limit");
    let wild = found.snapshot.catalogue.resolve("*", None).unwrap().route;
    assert_eq!(wild.targets[0].provider.endpoint.to_string(), "https://home.acme.example");
    assert_eq!(wild.targets[0].weight, 1);
}

#[test]
fn a_rate_limit_lives_on_while_its_rate_stands() {
    let folder = tempfile::tempdir().unwrap();
    let store = world(folder.path());
    let limits = |world: &StoredWorld| {
        let gpt = world.snapshot.catalogue.resolve("gpt", None).unwrap().route.targets[0].clone();
        let wild = world.snapshot.catalogue.resolve("*", None).unwrap().route.targets[0].clone();
        [gpt.limits.requests.clone(), gpt.provider.limits.requests.clone(), wild.limits.requests.clone()]
            .map(Option::unwrap)
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
fn what_bounds_a_team_and_a_key_stands_in_the_world_and_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = world(folder.path());
    let bounds = Bounds { requests: Some(60), tokens: Some(6_000), concurrent: Some(2) };
    let team = team::Team { bounds, ..sample::team(5, "red") };
    let key = key::Key { bounds, expires_at_ms: None, ..sample::key(6) };
    store.write_blocking(|conn| team::create(conn, &team).and_then(|()| key::create(conn, &key))).unwrap();
    let limits = |world: &StoredWorld| {
        let snapshot = &world.snapshot;
        [snapshot.teams[&team.id].limits.clone(), snapshot.keys[&key.id].limits.clone()]
    };
    let first = loaded(&store, None);
    assert_eq!(limits(&first).map(|limits| limits.bounds()), [bounds, bounds]);
    let fewer = repo::BoundsChange { tokens: Some(None), ..repo::BoundsChange::default() };
    let change = key::Change { bounds: fewer, ..key::Change::default() };
    let before = store.read_blocking(revision).unwrap();
    store.write_blocking(|conn| key::update(conn, key.id, None, &change, 1, 9)).unwrap();
    assert!(store.read_blocking(revision).unwrap() > before, "the nodes have to know");
    let second = loaded(&store, Some(&first.snapshot));
    assert_eq!(limits(&second)[1].bounds(), Bounds { tokens: None, ..bounds });
    for (earlier, later) in limits(&first).iter().zip(&limits(&second)) {
        let requests = [earlier, later].map(|limits| limits.requests.clone().unwrap());
        assert!(Arc::ptr_eq(&requests[0], &requests[1]));
    }
}

#[test]
fn a_damaged_row_is_left_out_and_the_rest_of_the_world_stands() {
    for (statement, aliases, targets) in [
        ("UPDATE service_providers SET endpoint = 'gopher://x' WHERE name = 'azure'", 1, 1),
        ("UPDATE service_providers SET endpoint = 'https://{region}.example' WHERE name = 'azure'", 1, 1),
        ("UPDATE service_providers SET options = '{\"a\":1}' WHERE name = 'azure'", 1, 1),
        ("UPDATE service_providers SET rate_limit = -1 WHERE name = 'spare'", 1, 1),
        ("UPDATE service_providers SET weight = 9999999999 WHERE name = 'spare'", 1, 1),
        ("UPDATE model_routes SET id = 'no uuid' WHERE model_alias = 'gpt' AND rate_limit IS NULL", 1, 1),
        ("UPDATE model_routes SET region_weights = '[1]' WHERE rate_limit = 300", 1, 1),
        ("UPDATE model_routes SET provider_id = 'x' || id WHERE model_alias = 'gpt'", 0, 0),
        ("UPDATE model_routes SET weight = -1 WHERE rate_limit = 300", 1, 1),
        (
            "INSERT INTO teams (id, name, is_active, created_at, updated_at) VALUES ('x', 'x', FALSE, 1, 1)",
            1,
            2,
        ),
        (
            "INSERT INTO keys (id, level, name, token_last_four, created_at, revoked_at) VALUES ('x', 'app', '', '', 1, 1)",
            1,
            2,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = world(folder.path());
        tamper(folder.path(), statement);
        let catalogue = loaded(&store, None).snapshot.catalogue;
        let found =
            catalogue.all().find(|route| &*route.alias == "gpt").map_or(0, |route| route.targets.len());
        assert_eq!((catalogue.listed(None).len(), found), (aliases, targets), "{statement}");
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
    let changes: [(&str, bool, Change); 18] = [
        ("a team is made", true, |conn| team::create(conn, &sample::team(1, "red"))),
        ("a team is changed", true, |conn| {
            team::update(conn, sample::team(1, "").id, &team::Change::default(), 1, 2).map(|_| ())
        }),
        ("a key is made", true, |conn| key::create(conn, &sample::key(1))),
        ("a key is used", false, |conn| key::note_last_used(conn, &[(sample::key(1).id, 9)])),
        ("a key is renamed", false, |conn| {
            let change = key::Change { name: Some("x".into()), ..key::Change::default() };
            key::update(conn, sample::key(1).id, None, &change, 1, 2).map(|_| ())
        }),
        ("a key is narrowed", true, |conn| {
            let change = key::Change { scope: Some(sample::scope("gpt-*")), ..key::Change::default() };
            key::update(conn, sample::key(1).id, None, &change, 2, 2).map(|_| ())
        }),
        ("a session key is made", false, |conn| {
            key::create(conn, &key::Key { level: Level::Session, ..sample::key(2) })
        }),
        ("a session key is disabled", true, |conn| {
            let change = key::Change { is_disabled: Some(true), ..key::Change::default() };
            key::update(conn, sample::key(2).id, None, &change, 1, 2).map(|_| ())
        }),
        ("a key is revoked", true, |conn| key::revoke(conn, sample::key(1).id, None, 2).map(|_| ())),
        ("a key is revoked again", false, |conn| key::revoke(conn, sample::key(1).id, None, 3).map(|_| ())),
        ("a user is made", false, |conn| crate::repo::user::create(conn, &sample::user(1))),
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
        ("usage is booked", false, |conn| {
            crate::repo::usage::insert(conn, &[sample::record(1)], &mut Default::default()).map(|_| ())
        }),
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
