//! Settings: named texts the gateway keeps for itself, such as the check value of its root secret.

use crate::{connection::AnyConnection, error::StoreError, upsert};

/// The text of this name.
pub fn find(conn: &mut AnyConnection, name: &str) -> Result<Option<String>, StoreError> {
    Ok(upsert::setting(conn, name)?)
}

/// Puts a text in the place of whatever stood under this name.
pub fn put(conn: &mut AnyConnection, name: &str, value: &str) -> Result<(), StoreError> {
    upsert::set(conn, name, value)?;
    Ok(())
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
}
