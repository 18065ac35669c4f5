//! The shelf: what the gateway keeps itself where no provider has a place for it, sealed under a key of its team.
//!
//! Whose a thing is stands beside those that lie at providers, under the home that is here. A thing is gone when its
//! time is over or its key is destroyed; the rows go in small steps.

use diesel::{
    ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl,
    dsl::{delete as delete_from, exists, insert_into, select, update as change_in},
};
use nexus_core::{
    id::{KeyId, TeamId, Uuid},
    resource::{Home, Owned},
};

use super::{
    Removed,
    content::{KEY, Key, KeyRow, Purpose},
    resource,
};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    row::Reading,
    schema::{content_keys, owned_resources, shelf_pieces, shelf_things},
};

/// Something on the shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// The client's name of it.
    pub id: String,
    pub kind: String,
    /// The key it and its pieces are sealed under.
    pub key: Uuid,
    /// Unix milliseconds, as is the next.
    pub made_at_ms: i64,
    pub expires_at_ms: i64,
    /// How much is sealed, in it and in its pieces.
    pub bytes: u64,
    /// Whether something is still to be done for it.
    pub is_open: bool,
    pub sealed: Vec<u8>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = shelf_things)]
struct ThingRow {
    thing_id: String,
    kind: String,
    key_id: String,
    made_at: i64,
    expires_at: i64,
    bytes: i64,
    is_open: bool,
    sealed: Vec<u8>,
}

impl ThingRow {
    fn read(self) -> Result<Thing, StoreError> {
        let key = Reading { table: "shelf_things", id: &self.thing_id }.id("key_id", &self.key_id)?;
        Ok(Thing {
            id: self.thing_id,
            kind: self.kind,
            key,
            made_at_ms: self.made_at,
            expires_at_ms: self.expires_at,
            bytes: u64::try_from(self.bytes).unwrap_or_default(),
            is_open: self.is_open,
            sealed: self.sealed,
        })
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// What stands before the part.
    pub after: Option<String>,
    /// Whether the newest come first.
    pub is_newest_first: bool,
    pub limit: i64,
    /// Only what this key made.
    pub key: Option<KeyId>,
}

/// Puts a thing there as somebody's.
pub fn put(conn: &mut AnyConnection, thing: Thing, owner: &Owned) -> Result<(), StoreError> {
    let row = ThingRow {
        thing_id: thing.id,
        kind: thing.kind,
        key_id: thing.key.to_string(),
        made_at: thing.made_at_ms,
        expires_at: thing.expires_at_ms,
        bytes: i64::try_from(thing.bytes).unwrap_or(i64::MAX),
        is_open: thing.is_open,
        sealed: thing.sealed,
    };
    insert_into(shelf_things::table).values(row).execute(conn)?;
    resource::keep(conn, std::slice::from_ref(owner))
}

/// A thing that is there, with its key.
pub fn find(
    conn: &mut AnyConnection,
    kind: &str,
    id: &str,
    now_ms: i64,
) -> Result<Option<(Thing, Key)>, StoreError> {
    let row = shelf_things::table
        .find(id)
        .filter(shelf_things::kind.eq(kind))
        .filter(shelf_things::expires_at.gt(now_ms));
    let row: Option<ThingRow> = row.first(conn).optional()?;
    with_key(conn, row)
}

/// A destroyed key takes what it sealed with it.
fn with_key(conn: &mut AnyConnection, row: Option<ThingRow>) -> Result<Option<(Thing, Key)>, StoreError> {
    let Some(row) = row else { return Ok(None) };
    let key = content_keys::table.find(&row.key_id).filter(content_keys::destroyed_at.is_null());
    let key: Option<KeyRow> = key.select(KEY).first(conn).optional()?;
    match key {
        Some(key) => Ok(Some((row.read()?, key.read()?))),
        None => Ok(None),
    }
}

/// Puts another text in the place of a thing's; `bytes` is how much is sealed now. Says whether it was there.
pub fn change(conn: &mut AnyConnection, thing: &Thing) -> Result<Removed, StoreError> {
    let changed = (
        shelf_things::sealed.eq(&thing.sealed),
        shelf_things::is_open.eq(thing.is_open),
        shelf_things::bytes.eq(i64::try_from(thing.bytes).unwrap_or(i64::MAX)),
    );
    Ok(Removed::of(change_in(shelf_things::table.find(&thing.id)).set(changed).execute(conn)?))
}

/// Takes a thing away with its pieces.
pub fn delete(conn: &mut AnyConnection, kind: &str, id: &str) -> Result<Removed, StoreError> {
    let thing = shelf_things::table.find(id).filter(shelf_things::kind.eq(kind));
    let gone = delete_from(thing).execute(conn)?;
    resource::forget(conn, kind, id, Home::HERE)?;
    Ok(Removed::of(gone))
}

/// Adds a piece to a thing; one of that number that is there already stays. Says whether it was added.
pub fn add_piece(
    conn: &mut AnyConnection,
    thing: &str,
    number: i64,
    sealed: Vec<u8>,
) -> Result<bool, StoreError> {
    if select(exists(shelf_pieces::table.find((thing, number)))).get_result(conn)? {
        return Ok(false);
    }
    let row =
        (shelf_pieces::thing_id.eq(thing), shelf_pieces::number.eq(number), shelf_pieces::sealed.eq(sealed));
    insert_into(shelf_pieces::table).values(row).execute(conn)?;
    Ok(true)
}

/// A thing has so many bytes more in its pieces.
pub fn grow(conn: &mut AnyConnection, thing: &str, bytes: u64) -> Result<(), StoreError> {
    let more = shelf_things::bytes.eq(shelf_things::bytes + i64::try_from(bytes).unwrap_or(i64::MAX));
    change_in(shelf_things::table.find(thing)).set(more).execute(conn)?;
    Ok(())
}

/// Takes all pieces of a thing away.
pub fn clear(conn: &mut AnyConnection, thing: &str) -> Result<(), StoreError> {
    delete_from(shelf_pieces::table.filter(shelf_pieces::thing_id.eq(thing))).execute(conn)?;
    Ok(())
}

/// The pieces of a thing from a number on, in their order.
pub fn pieces(
    conn: &mut AnyConnection,
    thing: &str,
    from: i64,
    limit: i64,
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let pieces = shelf_pieces::table.filter(shelf_pieces::thing_id.eq(thing));
    let pieces = pieces.filter(shelf_pieces::number.ge(from)).order(shelf_pieces::number).limit(limit);
    Ok(pieces.select((shelf_pieces::number, shelf_pieces::sealed)).load(conn)?)
}

/// The numbers of a thing's pieces, in their order.
pub fn numbers(conn: &mut AnyConnection, thing: &str) -> Result<Vec<i64>, StoreError> {
    let pieces = shelf_pieces::table.filter(shelf_pieces::thing_id.eq(thing));
    Ok(pieces.order(shelf_pieces::number).select(shelf_pieces::number).load(conn)?)
}

/// A part of a team's things of a kind, by their ids.
pub fn list(
    conn: &mut AnyConnection,
    (kind, team): (&str, Option<TeamId>),
    part: &Part,
    now_ms: i64,
) -> Result<Vec<(Thing, Key)>, StoreError> {
    let team = team.map_or_else(String::new, |team| team.to_string());
    // ids are visible ASCII, so that these are before and behind all of them
    let (least, most) = (String::new(), "~".to_owned());
    let (from_key, to_key) = match part.key {
        Some(key) => (key.to_string(), key.to_string()),
        None => (least.clone(), most.clone()),
    };
    let own = owned_resources::table
        .filter(owned_resources::team_id.eq(team))
        .filter(owned_resources::kind.eq(kind))
        .filter(owned_resources::provider_id.eq(Home::HERE.provider.to_string()))
        .filter(owned_resources::key_id.ge(from_key))
        .filter(owned_resources::key_id.le(to_key))
        .select(owned_resources::resource_id);
    let things = shelf_things::table
        .filter(shelf_things::thing_id.eq_any(own))
        .filter(shelf_things::kind.eq(kind))
        .filter(shelf_things::expires_at.gt(now_ms))
        .limit(part.limit);
    let rows: Vec<ThingRow> = match part.is_newest_first {
        true => {
            let before = part.after.clone().unwrap_or(most);
            things
                .filter(shelf_things::thing_id.lt(before))
                .order(shelf_things::thing_id.desc())
                .load(conn)?
        }
        false => {
            let behind = part.after.clone().unwrap_or(least);
            things.filter(shelf_things::thing_id.gt(behind)).order(shelf_things::thing_id.asc()).load(conn)?
        }
    };
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.extend(with_key(conn, Some(row))?);
    }
    Ok(found)
}

/// The things of a kind for which something is to be done, the oldest first.
pub fn open(conn: &mut AnyConnection, kind: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    let things = shelf_things::table.filter(shelf_things::is_open.eq(true));
    let things = things.filter(shelf_things::kind.eq(kind)).order(shelf_things::thing_id).limit(limit);
    Ok(things.select(shelf_things::thing_id).load(conn)?)
}

/// Whose a thing is.
pub fn owner(conn: &mut AnyConnection, kind: &str, id: &str) -> Result<Option<Owned>, StoreError> {
    let known = resource::find(conn, &[id.to_owned()])?;
    Ok(known.into_iter().find(|owned| *owned.kind == *kind && owned.home == Home::HERE))
}

/// Forgets at most so many things that are past their time or open no more, and the destroyed keys of which nothing is
/// left. Says how many rows went; 0 is the end.
pub fn forget(conn: &mut AnyConnection, now_ms: i64, rows: u32) -> Result<u64, StoreError> {
    let destroyed: Vec<String> = content_keys::table
        .filter(content_keys::purpose.eq(Purpose::Shelf.as_str()))
        .filter(content_keys::destroyed_at.is_not_null())
        .select(content_keys::id)
        .load(conn)?;
    let past = shelf_things::table.filter(shelf_things::expires_at.le(now_ms));
    let past = past.or_filter(shelf_things::key_id.eq_any(&destroyed)).limit(rows.into());
    let past: Vec<(String, String)> = past.select((shelf_things::kind, shelf_things::thing_id)).load(conn)?;
    for (kind, id) in &past {
        delete(conn, kind, id)?;
    }
    let mut gone = past.len();
    if past.is_empty() {
        let keys = content_keys::table.filter(content_keys::id.eq_any(&destroyed));
        gone = delete_from(keys).execute(conn)?;
    }
    Ok(u64::try_from(gone).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exec::Store,
        repo::{content, provider::SealedText},
        sample,
    };

    fn key(number: u64) -> Key {
        let team = TeamId(sample::uuid(7));
        let (id, sealed) = (sample::uuid(number), SealedText(format!("v2.d1.{number}")));
        Key { id, team, purpose: Purpose::Shelf, sealed }
    }

    fn thing(id: &str, kind: &str, key: &Key, expires_at_ms: i64) -> Thing {
        let (id, kind) = (id.to_owned(), kind.to_owned());
        let sealed = vec![1, 2];
        Thing { id, kind, key: key.id, made_at_ms: 1, expires_at_ms, bytes: 2, is_open: false, sealed }
    }

    fn owner_of(id: &str, kind: &str, maker: u64) -> Owned {
        Owned {
            kind: kind.into(),
            id: id.into(),
            home: Home::HERE,
            team: Some(TeamId(sample::uuid(7))),
            key: KeyId(sample::uuid(maker)),
            made_at_ms: 1,
        }
    }

    fn lay(store: &Store, id: &str, kind: &str, key: &Key, expires_at_ms: i64) {
        let (thing, owner) = (thing(id, kind, key, expires_at_ms), owner_of(id, kind, 3));
        store.write_blocking(|conn| put(conn, thing, &owner)).unwrap();
    }

    fn scratch(folder: &std::path::Path) -> (Store, Key) {
        let (store, key) = (Store::scratch(folder), key(5));
        store.write_blocking(|conn| content::give_key(conn, &key, 1)).unwrap();
        (store, key)
    }

    #[test]
    fn a_thing_is_there_until_its_time_is_over_or_its_key_is_destroyed() {
        let folder = tempfile::tempdir().unwrap();
        let (store, key) = scratch(folder.path());
        lay(&store, "resp_1", "response", &key, 100);
        lay(&store, "resp_2", "response", &key, 300);
        let is_there = |id: &str, now_ms| {
            store.read_blocking(|conn| find(conn, "response", id, now_ms)).unwrap().is_some()
        };
        assert!(is_there("resp_1", 99) && !is_there("resp_1", 100) && is_there("resp_2", 100));
        assert_eq!(store.read_blocking(|conn| find(conn, "file", "resp_1", 1)).unwrap(), None);
        let forget = |now_ms| store.write_blocking(|conn| forget(conn, now_ms, 10)).unwrap();
        assert_eq!([forget(100), forget(100)], [1, 0]);
        assert_eq!(store.read_blocking(|conn| owner(conn, "response", "resp_1")).unwrap(), None);
        assert!(store.read_blocking(|conn| owner(conn, "response", "resp_2")).unwrap().is_some());
        store.write_blocking(|conn| content::destroy_key(conn, key.team, Purpose::Shelf, 2)).unwrap();
        assert!(!is_there("resp_2", 100));
        assert_eq!([forget(100), forget(100), forget(100)], [1, 1, 0], "the key's row goes last");
    }

    #[test]
    fn a_piece_is_added_once_and_goes_with_its_thing() {
        let folder = tempfile::tempdir().unwrap();
        let (store, key) = scratch(folder.path());
        lay(&store, "file-1", "file", &key, 100);
        let add = |number, byte| {
            store.write_blocking(|conn| add_piece(conn, "file-1", number, vec![byte])).unwrap()
        };
        assert_eq!([add(2, 2), add(0, 0), add(2, 9), add(7, 7)], [true, true, false, true]);
        let from = |from, limit| store.read_blocking(|conn| pieces(conn, "file-1", from, limit)).unwrap();
        assert_eq!(from(1, 9), [(2, vec![2]), (7, vec![7])]);
        assert_eq!(from(0, 1), [(0, vec![0])]);
        assert_eq!(store.read_blocking(|conn| numbers(conn, "file-1")).unwrap(), [0, 2, 7]);
        lay(&store, "file-2", "file", &key, 100);
        store.write_blocking(|conn| add_piece(conn, "file-2", 0, vec![1])).unwrap();
        store.write_blocking(|conn| clear(conn, "file-2")).unwrap();
        assert!(store.read_blocking(|conn| numbers(conn, "file-2")).unwrap().is_empty());
        assert_eq!(from(0, 1), [(0, vec![0])], "of others nothing goes");
        assert_eq!(store.write_blocking(|conn| delete(conn, "file", "file-1")).unwrap(), Removed::Now);
        assert!(from(0, 9).is_empty());
    }

    #[test]
    fn a_list_is_ones_own_in_either_order_from_where_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (store, key) = scratch(folder.path());
        for number in 1..5 {
            lay(&store, &format!("file-{number}"), "file", &key, if number == 4 { 50 } else { 100 });
        }
        let foreign = Owned { team: None, ..owner_of("file-9", "file", 3) };
        store.write_blocking(|conn| put(conn, thing("file-9", "file", &key, 100), &foreign)).unwrap();
        let team = Some(TeamId(sample::uuid(7)));
        let ids = |part: Part| {
            let found = store.read_blocking(|conn| list(conn, ("file", team), &part, 60)).unwrap();
            found.into_iter().map(|(thing, _)| thing.id).collect::<Vec<_>>()
        };
        let newest = Part { is_newest_first: true, limit: 2, ..Part::default() };
        assert_eq!(ids(newest.clone()), ["file-3", "file-2"]);
        assert_eq!(ids(Part { after: Some("file-2".to_owned()), ..newest.clone() }), ["file-1"]);
        let oldest = Part { after: Some("file-1".to_owned()), limit: 9, ..Part::default() };
        assert_eq!(ids(oldest), ["file-2", "file-3"]);
        assert!(ids(Part { key: Some(KeyId(sample::uuid(4))), ..newest }).is_empty());
    }

    #[test]
    fn what_is_open_is_found_until_it_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (store, key) = scratch(folder.path());
        let open_thing = Thing { is_open: true, ..thing("batch_1", "batch", &key, 100) };
        let owner = owner_of("batch_1", "batch", 3);
        store.write_blocking(|conn| put(conn, open_thing.clone(), &owner)).unwrap();
        let open = || store.read_blocking(|conn| open(conn, "batch", 5)).unwrap();
        assert_eq!(open(), ["batch_1"]);
        let over = Thing { is_open: false, bytes: 3, sealed: vec![3], ..open_thing };
        assert_eq!(store.write_blocking(|conn| change(conn, &over)).unwrap(), Removed::Now);
        assert!(open().is_empty());
        let found = store.read_blocking(|conn| find(conn, "batch", "batch_1", 1)).unwrap();
        assert_eq!(found, Some((over, key)));
    }
}
