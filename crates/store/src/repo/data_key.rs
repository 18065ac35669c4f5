//! Data keys: what credentials are sealed under, each wrapped by a key made from the root secret.
//!
//! A data key that is lost, or left under a root secret that is given up, takes with it all it sealed.

use std::collections::BTreeSet;

use diesel::{
    ExpressionMethods, Insertable, QueryDsl, Queryable, RunQueryDsl, dsl::delete, dsl::insert_into,
    dsl::update,
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{provider::SealedText, setting},
    schema::data_keys,
};

/// A data key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKey {
    /// The version's name in what it sealed.
    pub id: String,
    pub wrapped: SealedText,
    pub created_at_ms: i64,
    /// Since when nothing new is sealed under it; it still opens.
    pub retired_at_ms: Option<i64>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = data_keys, treat_none_as_default_value = false)]
struct DataKeyRow {
    id: String,
    wrapped: String,
    created_at: i64,
    retired_at: Option<i64>,
}

/// What changing the root secret did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrapped {
    All,
    /// The keys given are not the ones that are stored; nothing was written. List them again.
    Stale,
}

/// Every data key, oldest first.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<DataKey>, StoreError> {
    let rows: Vec<DataKeyRow> = data_keys::table.order((data_keys::created_at, data_keys::id)).load(conn)?;
    let read = |row: DataKeyRow| DataKey {
        id: row.id,
        wrapped: SealedText(row.wrapped),
        created_at_ms: row.created_at,
        retired_at_ms: row.retired_at,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Stores a new data key; [`StoreError::Conflict`] where its name is taken.
pub fn insert(conn: &mut AnyConnection, key: &DataKey) -> Result<(), StoreError> {
    let row = DataKeyRow {
        id: key.id.clone(),
        wrapped: key.wrapped.0.clone(),
        created_at: key.created_at_ms,
        retired_at: key.retired_at_ms,
    };
    insert_into(data_keys::table).values(row).execute(conn)?;
    Ok(())
}

/// Seals nothing new under the key from now on; the first time stands. False where there is no such key,
/// or where it was retired before.
pub fn retire(conn: &mut AnyConnection, id: &str, now_ms: i64) -> Result<bool, StoreError> {
    let key = data_keys::table.find(id).filter(data_keys::retired_at.is_null());
    Ok(update(key).set(data_keys::retired_at.eq(now_ms)).execute(conn)? > 0)
}

/// Deletes a retired key, and with it whatever is still sealed under it: that is the caller's to know.
/// False where there is no such key or where it is not retired.
pub fn delete_retired(conn: &mut AnyConnection, id: &str) -> Result<bool, StoreError> {
    let key = data_keys::table.find(id).filter(data_keys::retired_at.is_not_null());
    Ok(delete(key).execute(conn)? > 0)
}

/// Puts every data key under another root secret: `wrapped` has each key's id and new text, `check` the
/// name and value of the setting the root secret is recognised by.
pub fn replace_all_wrapped(
    conn: &mut AnyConnection,
    wrapped: &[(String, SealedText)],
    check: (&str, &str),
) -> Result<Rewrapped, StoreError> {
    let stored: Vec<String> = data_keys::table.select(data_keys::id).load(conn)?;
    let stored: BTreeSet<&str> = stored.iter().map(String::as_str).collect();
    let given: BTreeSet<&str> = wrapped.iter().map(|(id, _)| id.as_str()).collect();
    if stored != given || given.len() != wrapped.len() {
        return Ok(Rewrapped::Stale);
    }
    for (id, wrapped) in wrapped {
        update(data_keys::table.find(id)).set(data_keys::wrapped.eq(&wrapped.0)).execute(conn)?;
    }
    setting::put(conn, check.0, check.1)?;
    Ok(Rewrapped::All)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exec::Store, world};

    fn key(number: i64) -> DataKey {
        DataKey {
            id: format!("data-{number}"),
            wrapped: SealedText(format!("wrapped-{number}")),
            created_at_ms: number,
            retired_at_ms: None,
        }
    }

    #[test]
    fn a_data_key_is_stored_retired_once_and_only_then_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        store.write_blocking(|conn| [2, 1].into_iter().try_for_each(|n| insert(conn, &key(n)))).unwrap();
        assert_eq!(store.read_blocking(list).unwrap(), [key(1), key(2)]);
        let twin = store.write_blocking(|conn| insert(conn, &key(1)));
        assert!(matches!(twin, Err(StoreError::Conflict(_))), "{twin:?}");
        let delete = |id| store.write_blocking(|conn| delete_retired(conn, id)).unwrap();
        let retire = |id, now| store.write_blocking(|conn| retire(conn, id, now)).unwrap();
        assert!(!delete("data-1"), "a key in use stays");
        assert!(retire("data-1", 70));
        assert!(!retire("data-1", 80) && !retire("data-9", 80));
        let retired = DataKey { retired_at_ms: Some(70), ..key(1) };
        assert_eq!(store.read_blocking(list).unwrap(), [retired, key(2)]);
        assert!(delete("data-1") && !delete("data-1"));
        assert_eq!(store.read_blocking(list).unwrap(), [key(2)]);
    }

    #[test]
    fn the_root_is_changed_for_every_key_and_its_check_value_or_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        store.write_blocking(|conn| [1, 2].into_iter().try_for_each(|n| insert(conn, &key(n)))).unwrap();
        let replace = |ids: &[&str]| {
            let wrapped: Vec<_> =
                ids.iter().map(|id| ((*id).to_owned(), SealedText(format!("new {id}")))).collect();
            store.write_blocking(|conn| replace_all_wrapped(conn, &wrapped, ("root", "new check"))).unwrap()
        };
        for stale in
            [&["data-1"][..], &["data-1", "data-3"], &["data-1", "data-1"], &["data-1", "data-2", "x"]]
        {
            assert_eq!(replace(stale), Rewrapped::Stale, "{stale:?}");
            assert_eq!(store.read_blocking(list).unwrap(), [key(1), key(2)]);
        }
        assert_eq!(store.read_blocking(|conn| setting::find(conn, "root")).unwrap(), None);
        assert_eq!(replace(&["data-2", "data-1"]), Rewrapped::All);
        let texts: Vec<_> = store.read_blocking(list).unwrap().into_iter().map(|key| key.wrapped.0).collect();
        assert_eq!(texts, ["new data-1", "new data-2"]);
        let check = store.read_blocking(|conn| setting::find(conn, "root")).unwrap();
        assert_eq!(check.as_deref(), Some("new check"));
    }

    #[test]
    fn each_change_moves_the_world() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let mut before = store.read_blocking(world::revision).unwrap();
        type Change = fn(&mut AnyConnection) -> Result<(), StoreError>;
        let changes: [Change; 3] = [
            |conn| insert(conn, &key(1)),
            |conn| retire(conn, "data-1", 5).map(drop),
            |conn| delete_retired(conn, "data-1").map(drop),
        ];
        for change in changes {
            store.write_blocking(change).unwrap();
            let after = store.read_blocking(world::revision).unwrap();
            assert!(after > before, "{after} after {before}");
            before = after;
        }
    }
}
