//! Texts that several nodes change, each only where it is still what it was.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl, dsl::delete, update};

use crate::{connection::AnyConnection, error::StoreError, schema::shared_texts, upsert};

/// Puts a text in the place of the expected one; `None` expects nothing there. What stands there instead, where that
/// is something else.
pub fn swap(
    conn: &mut AnyConnection,
    name: &str,
    expected: Option<&[u8]>,
    text: &[u8],
    keep_until_ms: i64,
) -> Result<Result<(), Option<Vec<u8>>>, StoreError> {
    let changed = match expected {
        Some(expected) => {
            let row = shared_texts::table.filter(shared_texts::name.eq(name));
            let values = (shared_texts::text.eq(text), shared_texts::keep_until.eq(keep_until_ms));
            update(row.filter(shared_texts::text.eq(expected))).set(values).execute(conn)?
        }
        None => upsert::new_shared_text(conn, name, text, keep_until_ms)?,
    };
    if changed > 0 { Ok(Ok(())) } else { Ok(Err(find(conn, name)?)) }
}

/// The text of this name.
pub fn find(conn: &mut AnyConnection, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let row = shared_texts::table.find(name).select(shared_texts::text);
    Ok(row.first(conn).optional()?)
}

/// Forgets what need not be kept any more.
pub fn purge(conn: &mut AnyConnection, now_ms: i64) -> Result<usize, StoreError> {
    Ok(delete(shared_texts::table.filter(shared_texts::keep_until.lt(now_ms))).execute(conn)?)
}

/// The database's clock, in Unix milliseconds.
pub fn clock_ms(conn: &mut AnyConnection) -> Result<i64, StoreError> {
    Ok(upsert::clock_ms(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Store;

    #[test]
    fn a_text_is_swapped_only_where_it_is_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let swap = |expected: Option<&str>, text: &str, until_ms| {
            let swapped = store.write_blocking(|conn| {
                swap(conn, "a", expected.map(str::as_bytes), text.as_bytes(), until_ms)
            });
            swapped.unwrap().map_err(|there| there.map(|there| String::from_utf8(there).unwrap()))
        };
        assert_eq!(swap(Some("x"), "one", 5), Err(None));
        assert_eq!(swap(None, "one", 5), Ok(()));
        assert_eq!(swap(None, "two", 5), Err(Some("one".to_owned())));
        assert_eq!(swap(Some("other"), "two", 5), Err(Some("one".to_owned())));
        assert_eq!(swap(Some("one"), "two", 7), Ok(()));
        let purge = |now_ms| store.write_blocking(|conn| purge(conn, now_ms)).unwrap();
        assert_eq!((purge(6), purge(8)), (0, 1));
        assert!(store.read_blocking(clock_ms).unwrap() > 1_700_000_000_000);
    }
}
