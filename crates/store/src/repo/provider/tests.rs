//! Providers as the configuration file has them and as people change them.

use super::*;
use crate::{
    exec::Store,
    repo::{credential, route},
    sample,
};

#[test]
fn applying_creates_then_changes_nothing_then_updates_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let first = sample::provider(1, "azure");
    let other_id = StoredProvider { id: sample::provider(2, "").id, ..first.clone() };
    let changes: [fn(&mut StoredProvider); 9] = [
        |p| p.kind = "deepseek".into(),
        |p| p.endpoint = Template::parse("https://{region}.example").unwrap(),
        |p| p.options = [("region", "eu"), ("a\"b", "")].into_iter().collect(),
        |p| p.weight = 0,
        |p| p.rate_limit = None,
        |p| p.token_limit = Some(9),
        |p| p.max_concurrent = Some(3),
        |p| p.allow_private_network = true,
        |p| p.is_active = false,
    ];
    let apply =
        |provider: &StoredProvider, at| store.write_blocking(|conn| apply(conn, provider, at)).unwrap();
    assert_eq!(apply(&first, 7), (first.id, Applied::Created));
    assert_eq!(apply(&other_id, 8), (first.id, Applied::Unchanged), "the row keeps its own id");
    let mut now = StoredProvider { created_at_ms: 7, updated_at_ms: 7, ..first.clone() };
    for change in changes {
        change(&mut now);
        (now.version, now.updated_at_ms) = (now.version + 1, now.updated_at_ms + 1);
        assert_eq!(apply(&now, now.updated_at_ms), (first.id, Applied::Updated));
        assert_eq!(apply(&now, 99), (first.id, Applied::Unchanged));
        assert_eq!(store.read_blocking(|conn| find_by_name(conn, "azure")).unwrap(), Some(now.clone()));
    }
    assert_eq!(store.read_blocking(list).unwrap(), [now]);
}

#[test]
fn a_provider_is_shown_as_it_was_stored_and_each_change_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let mut now = sample::provider(1, "azure");
    let twin = sample::provider(2, "spare");
    store.write_blocking(|conn| create(conn, &now).and_then(|()| create(conn, &twin))).unwrap();
    let changes: [fn(&mut StoredProvider, &mut Change); 12] = [
        |p, c| p.name = c.name.insert("other".into()).clone(),
        |p, c| p.kind = c.kind.insert("deepseek".into()).clone(),
        |p, c| p.endpoint = c.endpoint.insert(Template::parse("https://{region}.example").unwrap()).clone(),
        |p, c| p.options = c.options.insert([("region", "eu")].into_iter().collect()).clone(),
        |p, c| p.options = c.options.insert(Options::default()).clone(),
        |p, c| p.weight = *c.weight.insert(0),
        |p, c| p.rate_limit = *c.rate_limit.insert(None),
        |p, c| p.rate_limit = *c.rate_limit.insert(Some(7)),
        |p, c| p.token_limit = *c.token_limit.insert(Some(8)),
        |p, c| p.max_concurrent = *c.max_concurrent.insert(Some(2)),
        |p, c| p.allow_private_network = *c.allow_private_network.insert(true),
        |p, c| p.is_active = *c.is_active.insert(false),
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
    let taken = Change { name: Some("spare".into()), ..Change::default() };
    let refused = store.write_blocking(|conn| update(conn, now.id, &taken, now.version, 9));
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let missing = ProviderId(sample::uuid(9));
    let unknown = store.write_blocking(|conn| update(conn, missing, &taken, 1, 9)).unwrap();
    assert_eq!(unknown, Changed::Unknown);
    let page = |after| store.read_blocking(|conn| page(conn, &Page { after, limit: 1 })).unwrap();
    assert_eq!(page(None), [now.clone()]);
    assert_eq!(page(Some((1, now.id.to_string()))), [twin]);
}

#[test]
fn a_provider_goes_with_its_credentials_once_no_route_leads_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let provider = sample::provider(1, "azure");
    let (key, leads) = (sample::credential(1, provider.id), sample::route(1, "gpt", provider.id));
    store
        .write_blocking(|conn| {
            create(conn, &provider)?;
            credential::create(conn, &key)?;
            route::create(conn, &leads)
        })
        .unwrap();
    let delete = || store.write_blocking(|conn| delete(conn, provider.id));
    assert!(matches!(delete(), Err(StoreError::Conflict(why)) if why.starts_with("`model-routes`")));
    store.write_blocking(|conn| route::delete(conn, leads.id)).unwrap();
    assert_eq!((delete().unwrap(), delete().unwrap()), (Removed::Now, Removed::Unknown));
    assert_eq!(store.read_blocking(|conn| credential::show(conn, key.id)).unwrap(), None);
}
