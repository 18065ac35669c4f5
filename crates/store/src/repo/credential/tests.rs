//! Credentials as the configuration file has them, as people change them, and as they are sealed anew.

use super::*;
use crate::{exec::Store, repo::provider, sample, world};

/// With the providers 1 and 2.
fn scratch(folder: &std::path::Path) -> (Store, [ProviderId; 2]) {
    let store = Store::scratch(folder);
    let providers = [sample::provider(1, "azure"), sample::provider(2, "spare")];
    store
        .write_blocking(|conn| providers.iter().try_for_each(|provider| provider::create(conn, provider)))
        .unwrap();
    (store, providers.map(|provider| provider.id))
}

fn shown(store: &Store, id: CredentialId) -> Option<Credential> {
    store.read_blocking(|conn| show(conn, id)).unwrap()
}

#[test]
fn applying_a_secret_creates_then_changes_nothing_then_updates_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [provider, _]) = scratch(folder.path());
    let id = CredentialId(sample::uuid(1));
    let apply =
        |id, secret: &SealedSecret, at| store.write_blocking(|conn| apply(conn, id, provider, secret, at));
    let first = sample::secret("one", 0);
    assert_eq!(apply(id, &first, 5).unwrap(), Applied::Created);
    assert_eq!(apply(id, &first, 6).unwrap(), Applied::Unchanged);
    let made = shown(&store, id).unwrap();
    assert_eq!((made.name.as_str(), made.weight, made.is_active, made.version), (DEFAULT, WEIGHT, true, 1));
    assert_eq!((&made.secret, made.created_at_ms, made.updated_at_ms), (&first, 5, 5));
    let quiet = Change { weight: Some(3), is_active: Some(false), ..Change::default() };
    store.write_blocking(|conn| update(conn, id, &quiet, 1, 7)).unwrap();
    let next = sample::secret("two", 1);
    assert_eq!(apply(id, &next, 8).unwrap(), Applied::Updated);
    let now = shown(&store, id).unwrap();
    assert_eq!((&now.secret, now.version, now.updated_at_ms), (&next, 3, 8));
    assert_eq!((now.weight, now.is_active), (3, false), "what people said of it stays");
    let hinted = SealedSecret { last_four: "abcd".into(), ..next.clone() };
    assert_eq!(apply(id, &hinted, 9).unwrap(), Applied::Updated);
    assert_eq!(shown(&store, id).unwrap().secret, hinted);
    for (row, generation) in [(2, 2), (1, 0), (1, 1), (1, 3)] {
        let other = apply(CredentialId(sample::uuid(row)), &sample::secret("three", generation), 9);
        assert!(matches!(other, Err(StoreError::Conflict(_))), "{row} {generation} {other:?}");
    }
}

#[test]
fn a_credential_is_shown_as_it_was_stored_and_each_change_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [provider, other]) = scratch(folder.path());
    let mut now = sample::credential(1, provider);
    let beside = sample::credential(2, provider);
    let elsewhere = Credential { name: "1".into(), ..sample::credential(3, other) };
    store
        .write_blocking(|conn| [&now, &beside, &elsewhere].into_iter().try_for_each(|row| create(conn, row)))
        .unwrap();
    let changes: [fn(&mut Credential, &mut Change); 6] = [
        |row, change| row.name = change.name.insert("other".into()).clone(),
        |row, change| row.weight = *change.weight.insert(0),
        |row, change| row.rate_limit = *change.rate_limit.insert(Some(7)),
        |row, change| row.rate_limit = *change.rate_limit.insert(None),
        |row, change| row.is_active = *change.is_active.insert(false),
        |row, change| row.secret = change.secret.insert(sample::secret("v2.data-2.x", 1)).clone(),
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
        assert_eq!(shown(&store, now.id), Some(now.clone()));
    }
    let change = |change: Change| store.write_blocking(|conn| update(conn, now.id, &change, now.version, 9));
    for generation in [0, 1, 3] {
        let old = Change { secret: Some(sample::secret("x", generation)), ..Change::default() };
        assert_eq!(change(old).unwrap(), Changed::Stale, "{generation}");
    }
    let taken = change(Change { name: Some("2".into()), ..Change::default() });
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
    let page = |after| store.read_blocking(|conn| page(conn, provider, &Page { after, limit: 1 })).unwrap();
    assert_eq!((page(None), page(Some((1, now.id.to_string())))), (vec![now.clone()], vec![beside]));
    let found = store.read_blocking(|conn| find_by_name(conn, other, "1")).unwrap();
    assert_eq!(found, Some(elsewhere));
    let delete = || store.write_blocking(|conn| delete(conn, now.id)).unwrap();
    assert_eq!((delete(), delete()), (Removed::Now, Removed::Unknown));
}

#[test]
fn a_secret_is_sealed_anew_only_where_nobody_changed_it_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [provider, _]) = scratch(folder.path());
    let texts = ["v1.root-1.a", "v2.data-1.b", "v2.data-10.c", "nonsense"];
    let rows: Vec<_> = (1..)
        .zip(texts)
        .map(|(number, text)| Credential {
            secret: sample::secret(text, 4),
            ..sample::credential(number, provider)
        })
        .collect();
    store.write_blocking(|conn| rows.iter().try_for_each(|row| create(conn, row))).unwrap();
    let others = |version, limit| {
        let found = store.read_blocking(|conn| sealed_under_other_than(conn, version, limit)).unwrap();
        found.into_iter().map(|row| row.secret.sealed.0).collect::<Vec<_>>()
    };
    assert_eq!(others("data-1", 9), [texts[0], texts[2], texts[3]]);
    assert_eq!(others("root-1", 2), [texts[1], texts[2]]);
    let any = |version| store.read_blocking(|conn| any_sealed_under(conn, version)).unwrap();
    assert_eq!(["root-1", "data-1", "data-10", "data-2"].map(any), [true, true, true, false]);
    let reseal = |expected: &str, new: &str| {
        let (expected, new) = (SealedText(expected.into()), SealedText(new.into()));
        store.write_blocking(|conn| reseal(conn, rows[0].id, &expected, &new)).unwrap()
    };
    assert!(!reseal("v2.data-1.b", "v2.data-2.x"));
    assert!(reseal(texts[0], "v2.data-2.x"));
    let now = Credential { secret: sample::secret("v2.data-2.x", 4), ..rows[0].clone() };
    assert_eq!(shown(&store, now.id), Some(now), "generation and version stay");
}

#[test]
fn a_sealed_secret_is_not_shown_either() {
    let credential = sample::credential(1, ProviderId(sample::uuid(1)));
    assert!(!format!("{credential:?}").contains("v2.data-1"));
}

#[test]
fn each_change_moves_the_world() {
    type Step = fn(&mut AnyConnection) -> Result<(), StoreError>;
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = scratch(folder.path());
    let steps: [Step; 4] = [
        |conn| create(conn, &sample::credential(1, sample::provider(1, "").id)),
        |conn| update(conn, CredentialId(sample::uuid(1)), &Change::default(), 1, 5).map(drop),
        |conn| {
            let (old, new) = (SealedText("v2.data-1.1".into()), SealedText("v2.data-2.1".into()));
            reseal(conn, CredentialId(sample::uuid(1)), &old, &new).map(drop)
        },
        |conn| delete(conn, CredentialId(sample::uuid(1))).map(drop),
    ];
    for (at, step) in steps.into_iter().enumerate() {
        let before = store.read_blocking(world::revision).unwrap();
        store.write_blocking(step).unwrap();
        assert!(store.read_blocking(world::revision).unwrap() > before, "step {at}");
    }
}

#[test]
fn a_secret_that_was_replaced_or_deleted_is_in_no_byte_of_the_file() {
    if crate::scratch::postgres().is_some() {
        return; // what its server does with the space of deleted rows is its own
    }
    let folder = tempfile::tempdir().unwrap();
    let (store, [provider, _]) = scratch(folder.path());
    let [kept, gone] = [1, 2].map(|number| CredentialId(sample::uuid(number)));
    let [first, next, last] = ["the-first-sealed-text", "the-next-sealed-text", "the-last-sealed-text"];
    store
        .write_blocking(|conn| {
            for (text, at) in [(first, 1), (next, 2)] {
                apply(conn, kept, provider, &sample::secret(text, at), at)?;
            }
            let other = Credential {
                id: gone,
                name: "other".into(),
                secret: sample::secret(last, 0),
                ..show(conn, kept)?.unwrap()
            };
            create(conn, &other)
        })
        .unwrap();
    store.write_blocking(|conn| delete(conn, gone)).unwrap();
    drop(store);
    let bytes = std::fs::read(folder.path().join("nexus.db")).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!folder.path().join("nexus.db-wal").exists(), "the log is in the file");
    assert_eq!([first, next, last].map(holds), [false, true, false]);
}
