//! From where each key has been used, to notice when it comes from somewhere new.
//!
//! The table is bounded by the number of lasting keys: a session key's use is noted under its parent.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl,
    dsl::{count_star, delete, insert_into, min},
};
use nexus_core::id::KeyId;

use crate::{connection::AnyConnection, error::StoreError, schema::key_addresses};

/// How many addresses a key are kept. Beyond them the one first seen longest ago is forgotten, and is new
/// again when it comes back.
pub const ADDRESSES_MAX: i64 = 64;

/// Notes that the key was used from the address; true where that is new.
pub fn note_first_use(
    conn: &mut AnyConnection,
    key: KeyId,
    address: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    use key_addresses::dsl as row;
    let id = key.to_string();
    let seen: Option<i64> =
        row::key_addresses.find((&id, address)).select(row::first_seen_at).first(conn).optional()?;
    if seen.is_some() {
        return Ok(false);
    }
    let kept: i64 = row::key_addresses.filter(row::key_id.eq(&id)).select(count_star()).first(conn)?;
    if kept >= ADDRESSES_MAX {
        let oldest: String = row::key_addresses
            .filter(row::key_id.eq(&id))
            .order((row::first_seen_at, row::address))
            .select(row::address)
            .first(conn)?;
        delete(row::key_addresses.find((&id, oldest))).execute(conn)?;
    }
    let first_use = (row::key_id.eq(&id), row::address.eq(address), row::first_seen_at.eq(now_ms));
    insert_into(row::key_addresses).values(first_use).execute(conn)?;
    Ok(true)
}

/// When the key was first seen anywhere.
pub fn first_seen_ms(conn: &mut AnyConnection, key: KeyId) -> Result<Option<i64>, StoreError> {
    let own = key_addresses::table.filter(key_addresses::key_id.eq(key.to_string()));
    Ok(own.select(min(key_addresses::first_seen_at)).first(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exec::Store, sample};

    #[test]
    fn an_address_is_new_once_a_key_and_the_oldest_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let (one, two) = (KeyId(sample::uuid(1)), KeyId(sample::uuid(2)));
        store
            .write_blocking(|conn| {
                let mut is_new =
                    |key, last: i64, now| note_first_use(conn, key, &format!("10.0.0.{last}"), now);
                for last in 0..ADDRESSES_MAX {
                    assert!(is_new(one, last, last)?);
                    assert!(!is_new(one, last, 1000)?);
                }
                assert!(is_new(two, 0, 1000)?, "another key has addresses of its own");
                assert!(is_new(one, 100, 1001)?, "the 65th");
                assert!(!is_new(one, 100, 1002)?);
                assert!(!is_new(one, 1, 1003)?);
                assert!(is_new(one, 0, 1004)?, "the first was forgotten");
                assert!(!is_new(two, 0, 1005)?);
                let kept: i64 = key_addresses::table
                    .filter(key_addresses::key_id.eq(one.to_string()))
                    .select(count_star())
                    .first(conn)?;
                assert_eq!(kept, ADDRESSES_MAX);
                assert_eq!(first_seen_ms(conn, one)?, Some(2), "the oldest two made room");
                assert_eq!(first_seen_ms(conn, KeyId(sample::uuid(3)))?, None);
                Ok(())
            })
            .unwrap();
    }
}
