//! Settings: named texts. Those the gateway keeps for itself, such as the check value of its root secret,
//! and those people set, which have names of their own that no other can be reached by.

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl, dsl::delete};

use crate::{connection::AnyConnection, error::StoreError, repo::Removed, schema::settings, upsert};

/// What the names of settings people set begin with in rows.
const CHOSEN: &str = "setting/";

/// The setting with the name of the provider that takes what names no model.
pub const DEFAULT_PROVIDER: &str = "default_provider";

/// The text of this name.
pub fn find(conn: &mut AnyConnection, name: &str) -> Result<Option<String>, StoreError> {
    Ok(upsert::setting(conn, name)?)
}

/// Puts a text in the place of whatever stood under this name.
pub fn put(conn: &mut AnyConnection, name: &str, value: &str) -> Result<(), StoreError> {
    upsert::set(conn, name, value)?;
    Ok(())
}

/// Every setting people set, by name.
pub fn chosen(conn: &mut AnyConnection) -> Result<Vec<(String, String)>, StoreError> {
    let rows: Vec<(String, String)> = settings::table.order(settings::name).load(conn)?;
    let chosen = rows.into_iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(CHOSEN)?.to_owned();
        Some((name, value))
    });
    Ok(chosen.collect())
}

/// The setting of this name, where people set it.
pub fn find_chosen(conn: &mut AnyConnection, name: &str) -> Result<Option<String>, StoreError> {
    find(conn, &format!("{CHOSEN}{name}"))
}

/// Sets a setting for people.
pub fn choose(conn: &mut AnyConnection, name: &str, value: &str) -> Result<(), StoreError> {
    put(conn, &format!("{CHOSEN}{name}"), value)
}

/// Takes back what people set.
pub fn forget_chosen(conn: &mut AnyConnection, name: &str) -> Result<Removed, StoreError> {
    let row = settings::table.filter(settings::name.eq(format!("{CHOSEN}{name}")));
    Ok(Removed::of(delete(row).execute(conn)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Store;

    #[test]
    fn a_setting_is_put_replaced_and_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        assert_eq!(store.read_blocking(|conn| find(conn, "a")).unwrap(), None);
        for value in ["one", "two"] {
            store.write_blocking(|conn| put(conn, "a", value)).unwrap();
            assert_eq!(store.read_blocking(|conn| find(conn, "a")).unwrap().as_deref(), Some(value));
        }
    }

    #[test]
    fn what_people_set_and_what_the_gateway_keeps_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        store
            .write_blocking(|conn| {
                put(conn, "root", "own")?;
                choose(conn, "root", "theirs")?;
                choose(conn, "b", "one")?;
                choose(conn, "b", "two")
            })
            .unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(store.read_blocking(chosen).unwrap(), [pair("b", "two"), pair("root", "theirs")]);
        let forget = || store.write_blocking(|conn| forget_chosen(conn, "root")).unwrap();
        assert_eq!([forget(), forget()], [Removed::Now, Removed::Unknown]);
        let found =
            store.read_blocking(|conn| Ok((find_chosen(conn, "root")?, find(conn, "root")?))).unwrap();
        assert_eq!(found, (None, Some("own".to_owned())));
    }
}
