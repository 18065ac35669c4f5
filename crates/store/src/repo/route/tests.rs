//! Routes as the configuration file has them and as people change them.

use super::*;
use crate::{exec::Store, repo::provider, sample};

/// With the providers 1 and 2.
fn scratch(folder: &std::path::Path) -> (Store, [ProviderId; 2]) {
    let store = Store::scratch(folder);
    let providers = [sample::provider(1, "azure"), sample::provider(2, "spare")];
    store
        .write_blocking(|conn| providers.iter().try_for_each(|provider| provider::create(conn, provider)))
        .unwrap();
    (store, providers.map(|provider| provider.id))
}

#[test]
fn applying_creates_then_changes_nothing_then_updates_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [provider, _]) = scratch(folder.path());
    let first = sample::route(1, "gpt", provider);
    let other_id = StoredRoute { id: RouteId(sample::uuid(9)), ..first.clone() };
    let changes: [fn(&mut StoredRoute); 9] = [
        |r| r.cost_multiplier_ppm = PPM / 2,
        |r| r.rate_limit = Some(300),
        |r| r.token_limit = Some(9),
        |r| r.max_concurrent = Some(3),
        |r| r.region_weights = [("eastus".into(), 60), ("westus".into(), 40)].into(),
        |r| r.is_active = false,
        |r| r.weight = Some(3),
        |r| r.tier = 2,
        |r| r.fit.context_tokens = Some(8),
    ];
    let apply = |route: &StoredRoute, at| store.write_blocking(|conn| apply(conn, route, at)).unwrap();
    assert_eq!(apply(&first, 7), (first.id, Applied::Created));
    assert_eq!(apply(&other_id, 8), (first.id, Applied::Unchanged), "the row keeps its own id");
    let mut now = StoredRoute { created_at_ms: 7, updated_at_ms: 7, ..first.clone() };
    for change in changes {
        change(&mut now);
        (now.version, now.updated_at_ms) = (now.version + 1, now.updated_at_ms + 1);
        assert_eq!(apply(&now, now.updated_at_ms), (first.id, Applied::Updated));
        assert_eq!(apply(&now, 99), (first.id, Applied::Unchanged));
        assert_eq!(store.read_blocking(list).unwrap(), [now.clone()]);
    }
    let beside = StoredRoute { id: RouteId(sample::uuid(9)), real_model: "gpt-4o".into(), ..first };
    assert_eq!(apply(&beside, 7).1, Applied::Created, "one alias may stand for several models");
}

#[test]
fn a_route_to_no_known_provider_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let route = sample::route(1, "gpt", ProviderId(sample::uuid(1)));
    assert!(store.write_blocking(|conn| apply(conn, &route, 7)).is_err());
}

#[test]
fn a_route_is_shown_as_it_was_stored_and_each_change_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [provider, _]) = scratch(folder.path());
    let mut now = StoredRoute { weight: Some(5), ..sample::route(1, "gpt", provider) };
    store.write_blocking(|conn| create(conn, &now)).unwrap();
    let changes: [fn(&mut StoredRoute, &mut Change); 12] = [
        |r, c| r.alias = c.alias.insert("other".into()).clone(),
        |r, c| r.provider = *c.provider.insert(sample::provider(2, "").id),
        |r, c| r.real_model = c.real_model.insert("gpt-4o".into()).clone(),
        |r, c| r.cost_multiplier_ppm = *c.cost_multiplier_ppm.insert(7),
        |r, c| r.rate_limit = *c.rate_limit.insert(Some(7)),
        |r, c| r.rate_limit = *c.rate_limit.insert(None),
        |r, c| r.token_limit = *c.token_limit.insert(Some(8)),
        |r, c| r.max_concurrent = *c.max_concurrent.insert(Some(2)),
        |r, c| r.region_weights = c.region_weights.insert([("eu".into(), 1)].into()).clone(),
        |r, c| r.region_weights = c.region_weights.insert([].into()).clone(),
        |r, c| r.weight = *c.weight.insert(None),
        |r, c| r.is_active = *c.is_active.insert(false),
    ];
    for apply in changes {
        let mut change = Change::default();
        let seen = now.version;
        apply(&mut now, &mut change);
        (now.version, now.updated_at_ms) = (seen + 1, seen + 100);
        let update =
            || store.write_blocking(|conn| update(conn, now.id, &change, seen, now.updated_at_ms)).unwrap();
        assert_eq!(update(), Changed::Now(now.clone()));
        assert_eq!(update(), Changed::Stale);
        assert_eq!(store.read_blocking(|conn| show(conn, now.id)).unwrap(), Some(now.clone()));
    }
    let delete = || store.write_blocking(|conn| delete(conn, now.id)).unwrap();
    assert_eq!((delete(), delete()), (Removed::Now, Removed::Unknown));
}

#[test]
fn routes_are_found_page_by_page_by_alias_and_provider() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [azure, spare]) = scratch(folder.path());
    let rows = [(1, "gpt", azure), (2, "gpt", spare), (3, "claude", azure)];
    let rows = rows.map(|(number, alias, provider)| sample::route(number, alias, provider));
    store.write_blocking(|conn| rows.iter().try_for_each(|route| create(conn, route))).unwrap();
    let gpt = Some("gpt".to_owned());
    for (alias, provider, after, expected) in [
        (None, None, None, &[1, 2, 3][..]),
        (None, None, Some(1), &[2, 3]),
        (gpt.clone(), None, None, &[1, 2]),
        (None, Some(azure), None, &[1, 3]),
        (gpt, Some(spare), Some(2), &[]),
    ] {
        let filter = Filter { alias, provider };
        let after = after.map(|number| (1, sample::uuid(number).to_string()));
        let page = Page { after, limit: 9 };
        let found = store.read_blocking(|conn| super::page(conn, &filter, &page)).unwrap();
        let found: Vec<_> = found.into_iter().map(|route| route.id.0).collect();
        let expected: Vec<_> = expected.iter().map(|number| sample::uuid(*number)).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}
