//! That what is changed is kept, put back where it can be, and left alone where it cannot.

use nexus_core::id::{KeyId, ProviderId, TeamId, UserId};
use serde_json::json;

use super::*;
use crate::{
    exec::Store,
    repo::{
        audit::{Entry, Order, Outcome},
        credential, key, provider, route, setting, team, user,
    },
    sample,
};

const NOW_MS: i64 = 1_795_478_400_000;

/// Makes a change as the administration does; its revision.
fn revise(
    store: &Store,
    undoes: Option<i64>,
    work: impl FnOnce(&mut AnyConnection) -> Result<(), StoreError>,
) -> Result<Option<i64>, StoreError> {
    let entry = Entry {
        actor: None,
        actor_name: String::new(),
        team: None,
        action: "sample.change",
        target: None,
        before: None,
        after: None,
        address: None,
        request_id: None,
        outcome: Outcome::Ok,
        detail: None,
    };
    store.write_blocking(|conn| {
        open(conn)?;
        work(conn)?;
        let seq = audit::append(conn, &entry, NOW_MS)?;
        close(conn, seq, undoes)
    })
}

fn made(store: &Store, work: impl FnOnce(&mut AnyConnection) -> Result<(), StoreError>) -> i64 {
    revise(store, None, work).unwrap().unwrap()
}

fn undone(store: &Store, number: i64) -> Result<Vec<Undone>, CannotUndo> {
    let mut outcome = None;
    let closed = revise(store, Some(number), |conn| {
        let undone = undo(conn, number, NOW_MS + 1)?;
        outcome = Some(undone);
        Ok(())
    });
    closed.unwrap();
    outcome.unwrap()
}

fn named(number: u64) -> TeamId {
    TeamId(sample::uuid(number))
}

/// Gives a team another name.
fn rename(conn: &mut AnyConnection, number: u64, name: &str) -> Result<(), StoreError> {
    let version = team::show(conn, named(number), None)?.unwrap().version;
    let change = team::Change { name: Some(name.to_owned()), ..team::Change::default() };
    team::update(conn, named(number), &change, version, NOW_MS).map(drop)
}

fn name_of(store: &Store, number: u64) -> Option<String> {
    store.read_blocking(|conn| team::show(conn, named(number), None)).unwrap().map(|team| team.name)
}

fn numbers(store: &Store) -> Vec<(i64, Option<i64>, Option<i64>)> {
    let page = SeqPage { after: None, order: Order::OldestFirst, limit: 100 };
    let all = store.read_blocking(|conn| list(conn, &Filter::default(), page)).unwrap();
    all.into_iter().map(|one| (one.number, one.undoes, one.undone_by)).collect()
}

#[test]
fn a_change_is_a_revision_the_world_has_come_to_and_what_changes_nothing_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let one = made(&store, |conn| team::create(conn, &sample::team(1, "one")));
    let two = made(&store, |conn| setting::choose(conn, "days", "7"));
    store.write_blocking(|conn| user::create(conn, &sample::user(9))).unwrap();
    let world = || store.read_blocking(world::revision).unwrap();
    assert!(
        one < two && two <= world(),
        "what is not of the world moves it too, so that nodes can say they have it"
    );
    let before = world();
    assert_eq!(revise(&store, None, |conn| setting::choose(conn, "days", "7")).unwrap(), None);
    let last_used = |conn: &mut AnyConnection| user::note_login(conn, UserId(sample::uuid(9)), NOW_MS);
    assert_eq!(revise(&store, None, last_used).unwrap(), None);
    assert_eq!(world(), before);
    assert_eq!(numbers(&store), [(one, None, None), (two, None, None)]);
    let failed = revise(&store, None, |conn| {
        rename(conn, 1, "other")?;
        Err(StoreError::Lost)
    });
    assert!(failed.is_err());
    store.write_blocking(|conn| rename(conn, 1, "unseen")).unwrap();
    assert_eq!(numbers(&store).len(), 2, "only what was begun is kept");
}

#[test]
fn what_was_made_changed_or_deleted_is_had_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let created = made(&store, |conn| team::create(conn, &sample::team(1, "one")));
    let changed = made(&store, |conn| rename(conn, 1, "two"));
    let back = undone(&store, changed).unwrap();
    assert_eq!(back.len(), 1);
    let names = |image: &Option<Image>| image.as_ref().map(|row| json!(row));
    assert_eq!(
        (names(&back[0].before), names(&back[0].after)),
        (Some(json!({"name":"two"})), Some(json!({"name":"one"})))
    );
    let team = store.read_blocking(|conn| team::show(conn, named(1), None)).unwrap().unwrap();
    assert_eq!((&*team.name, team.version, team.updated_at_ms), ("one", 3, NOW_MS + 1));
    let gone = made(&store, |conn| team::delete(conn, named(1)).map(drop));
    undone(&store, gone).unwrap();
    let again = store.read_blocking(|conn| team::show(conn, named(1), None)).unwrap().unwrap();
    assert_eq!(again, team::Team { version: 4, ..team });
    let known = numbers(&store);
    let of = |number: i64| *known.iter().find(|one| one.0 == number).unwrap();
    assert_eq!(of(changed).2, Some(known[2].0));
    assert_eq!(known[2], (known[2].0, Some(changed), None));
    // its name is as it was made again
    undone(&store, created).unwrap();
    assert_eq!(name_of(&store, 1), None);
}

#[test]
fn a_provider_with_all_that_is_its_own_goes_as_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let stored = sample::provider(1, "azure");
    let created = made(&store, |conn| {
        provider::create(conn, &stored)?;
        credential::create(conn, &sample::credential(2, stored.id))?;
        route::create(conn, &sample::route(3, "gpt", stored.id))
    });
    let kept = store.read_blocking(|conn| changes(conn, created)).unwrap();
    assert_eq!(
        kept.iter().map(RowChange::table).collect::<Vec<_>>(),
        ["service_providers", "provider_credentials", "model_routes"]
    );
    let text = format!("{kept:?}");
    assert!(!text.contains("v2.data"), "no secret is kept: {text}");
    assert!(reasons_to_stay(&kept, NOW_MS).is_empty());
    undone(&store, created).unwrap();
    assert!(store.read_blocking(|conn| provider::show(conn, stored.id)).unwrap().is_none());
}

#[test]
fn what_has_changed_since_is_told_and_nothing_is_half_undone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    store
        .write_blocking(|conn| {
            team::create(conn, &sample::team(1, "one"))?;
            team::create(conn, &sample::team(2, "two"))
        })
        .unwrap();
    let both = made(&store, |conn| {
        rename(conn, 1, "uno")?;
        rename(conn, 2, "due")
    });
    made(&store, |conn| rename(conn, 2, "zwei"));
    let Err(CannotUndo::Moved(why)) = undone(&store, both) else { panic!("undone") };
    assert_eq!(why, [format!("`name` of `{}` of `teams` changed since", named(2))]);
    assert_eq!(name_of(&store, 1).as_deref(), Some("uno"));
    let deleted = made(&store, |conn| team::delete(conn, named(2)).map(drop));
    assert!(matches!(undone(&store, both), Err(CannotUndo::Moved(why)) if why[0].ends_with("is gone")));
    // another has taken its name
    store.write_blocking(|conn| team::create(conn, &sample::team(3, "zwei"))).unwrap();
    let taken = store.write_blocking(|conn| undo(conn, deleted, NOW_MS).map(drop));
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
}

#[test]
fn other_columns_that_changed_since_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    store.write_blocking(|conn| team::create(conn, &sample::team(1, "one"))).unwrap();
    let renamed = made(&store, |conn| rename(conn, 1, "uno"));
    let off = team::Change { is_active: Some(false), ..team::Change::default() };
    made(&store, |conn| team::update(conn, named(1), &off, 2, NOW_MS).map(drop));
    undone(&store, renamed).unwrap();
    let team = store.read_blocking(|conn| team::show(conn, named(1), None)).unwrap().unwrap();
    assert_eq!((&*team.name, team.is_active), ("one", false));
}

#[test]
fn what_was_secret_or_revoked_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let stored = sample::provider(1, "azure");
    let (key_id, provider_id): (KeyId, ProviderId) = (KeyId(sample::uuid(5)), stored.id);
    store
        .write_blocking(|conn| {
            provider::create(conn, &stored)?;
            credential::create(conn, &sample::credential(2, stored.id))
        })
        .unwrap();
    let minted = made(&store, |conn| key::create(conn, &sample::key(5)));
    let revoked = made(&store, |conn| key::revoke(conn, key_id, None, NOW_MS).map(drop));
    let deleted = made(&store, |conn| provider::delete(conn, provider_id).map(drop));
    for (number, said) in
        [(minted, "revoke it"), (revoked, "stays so"), (deleted, "secret of before is not kept")]
    {
        let Err(CannotUndo::Stays(why)) = undone(&store, number) else { panic!("{said}: undone") };
        assert!(why.iter().any(|why| why.contains(said)), "{why:?}");
    }
    assert!(store.read_blocking(|conn| provider::show(conn, provider_id)).unwrap().is_none());
}

#[test]
fn every_table_that_is_kept_keeps_all_it_has_but_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let stored = sample::provider(1, "azure");
    let number = made(&store, |conn| {
        team::create(conn, &sample::team(1, "one"))?;
        key::create(conn, &sample::key(5))?;
        user::create(conn, &sample::user(6))?;
        provider::create(conn, &stored)?;
        credential::create(conn, &sample::credential(2, stored.id))?;
        route::create(conn, &sample::route(3, "gpt", stored.id))?;
        setting::choose(conn, "days", "7")
    });
    for change in store.read_blocking(|conn| changes(conn, number)).unwrap() {
        let present = store.read_blocking(|conn| change.kept.image(conn, &change.id)).unwrap();
        assert_eq!(change.after, present, "{}", change.table());
        let secret = change.kept.secret.unwrap_or("no column");
        assert!(!change.after.unwrap().contains_key(secret));
    }
}

#[test]
fn revisions_go_with_their_rows_of_the_trail() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let one = made(&store, |conn| team::create(conn, &sample::team(1, "one")));
    let two = made(&store, |conn| rename(conn, 1, "two"));
    let seq = store.read_blocking(|conn| show(conn, one)).unwrap().unwrap().told.seq;
    store.write_blocking(|conn| forget(conn, seq)).unwrap();
    assert_eq!(numbers(&store), [(two, None, None)]);
    assert!(store.read_blocking(|conn| changes(conn, one)).unwrap().is_empty());
    assert_eq!(store.read_blocking(|conn| changes(conn, two)).unwrap().len(), 1);
}
