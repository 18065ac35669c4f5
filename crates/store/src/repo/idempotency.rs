//! Idempotency keys: a change that is asked for twice happens once, and both are told the same.
//!
//! [`begin`], the change and [`finish`] belong into one transaction: then a change that failed leaves no
//! key behind, and one that stands has its answer.

use diesel::{
    ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl,
    TextExpressionMethods,
    dsl::{delete, exists, insert_into, select, update},
    result::Error as DieselError,
};

use crate::{
    connection::AnyConnection, error::StoreError, repo::provider::SealedText, row::Reading,
    schema::idempotency_keys,
};

/// What is known of a request when it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// It is new; make the change, then [`finish`].
    Begun,
    /// It was answered before.
    Finished {
        status: u16,
        response: SealedText,
        /// False: the key was used for another request, which must be refused.
        is_same_request: bool,
    },
    /// It was begun before and has no answer yet.
    UnderWay,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = idempotency_keys, treat_none_as_default_value = false)]
struct IdempotencyRow {
    id: String,
    request_hash: String,
    status: Option<i64>,
    response_sealed: Option<String>,
    created_at: i64,
    expires_at: i64,
}

impl IdempotencyRow {
    fn read(self, request_hash: &str) -> Result<Beginning, StoreError> {
        let row = Reading { table: "idempotency_keys", id: &self.id };
        let Some((status, response)) = self.status.zip(self.response_sealed) else {
            return Ok(Beginning::UnderWay);
        };
        Ok(Beginning::Finished {
            status: u16::try_from(status).map_err(|_| row.problem("status", "is out of range"))?,
            response: SealedText(response),
            is_same_request: self.request_hash == request_hash,
        })
    }
}

/// Notes a request that is new or whose key has expired, and says what is known of any other.
///
/// `id` is the hex SHA-256 of who asks and of the key sent, `request_hash` that of what is asked.
pub fn begin(
    conn: &mut AnyConnection,
    id: &str,
    request_hash: &str,
    now_ms: i64,
    expires_at_ms: i64,
) -> Result<Beginning, StoreError> {
    let present: Option<IdempotencyRow> = idempotency_keys::table.find(id).first(conn).optional()?;
    match present {
        Some(present) if present.expires_at > now_ms => return present.read(request_hash),
        Some(_) => drop(delete(idempotency_keys::table.find(id)).execute(conn)?),
        None => {}
    }
    let row = IdempotencyRow {
        id: id.to_owned(),
        request_hash: request_hash.to_owned(),
        status: None,
        response_sealed: None,
        created_at: now_ms,
        expires_at: expires_at_ms,
    };
    insert_into(idempotency_keys::table).values(row).execute(conn)?;
    Ok(Beginning::Begun)
}

/// Keeps the answer to a request that was begun. Fails where it was not, or has its answer already.
pub fn finish(
    conn: &mut AnyConnection,
    id: &str,
    status: u16,
    response: &SealedText,
) -> Result<(), StoreError> {
    let under_way = idempotency_keys::table.find(id).filter(idempotency_keys::status.is_null());
    let answer =
        (idempotency_keys::status.eq(i64::from(status)), idempotency_keys::response_sealed.eq(&response.0));
    match update(under_way).set(answer).execute(conn)? {
        0 => Err(DieselError::NotFound.into()),
        _ => Ok(()),
    }
}

/// Deletes the keys that have expired and counts them.
pub fn purge(conn: &mut AnyConnection, now_ms: i64) -> Result<usize, StoreError> {
    Ok(delete(idempotency_keys::table.filter(idempotency_keys::expires_at.le(now_ms))).execute(conn)?)
}

/// Whether any answer is sealed under this key version.
pub fn any_sealed_under(conn: &mut AnyConnection, version: &str) -> Result<bool, StoreError> {
    // a wildcard in the name would only find more, and nobody destroys a key for that
    let sealed =
        idempotency_keys::table.filter(idempotency_keys::response_sealed.like(format!("v_.{version}.%")));
    Ok(select(exists(sealed)).get_result(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Store;

    #[test]
    fn a_request_is_new_once_until_its_key_expires() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let begin = |hash, now| store.write_blocking(|conn| begin(conn, "k", hash, now, now + 100)).unwrap();
        let finish = |id| store.write_blocking(|conn| finish(conn, id, 201, &SealedText("sealed".into())));
        let finished = |is_same_request| Beginning::Finished {
            status: 201,
            response: SealedText("sealed".into()),
            is_same_request,
        };
        assert_eq!(begin("h", 0), Beginning::Begun);
        assert_eq!(begin("h", 1), Beginning::UnderWay);
        finish("k").unwrap();
        assert!(finish("k").is_err(), "an answer is kept once");
        assert!(finish("unknown").is_err());
        assert_eq!(begin("h", 99), finished(true));
        assert_eq!(begin("other", 99), finished(false));
        assert_eq!(begin("other", 100), Beginning::Begun, "it expired");
    }

    #[test]
    fn a_failed_change_leaves_no_key_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let failed: Result<(), _> = store.write_blocking(|conn| {
            begin(conn, "k", "h", 0, 100)?;
            Err(StoreError::Lost)
        });
        assert!(failed.is_err());
        let again = store.write_blocking(|conn| begin(conn, "k", "h", 1, 100)).unwrap();
        assert_eq!(again, Beginning::Begun);
    }

    #[test]
    fn purging_takes_what_has_expired_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        for (id, expires) in [("a", 10), ("b", 11), ("c", 12)] {
            store.write_blocking(|conn| begin(conn, id, "h", 0, expires)).unwrap();
        }
        assert_eq!(store.write_blocking(|conn| purge(conn, 11)).unwrap(), 2);
        assert_eq!(store.write_blocking(|conn| begin(conn, "c", "h", 11, 20)).unwrap(), Beginning::UnderWay);
    }

    #[test]
    fn the_key_version_of_an_answer_is_found_while_the_answer_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let any = |version| store.read_blocking(|conn| any_sealed_under(conn, version)).unwrap();
        store.write_blocking(|conn| begin(conn, "k", "h", 0, 100)).unwrap();
        assert!(!any("d1-00ff"));
        store.write_blocking(|conn| finish(conn, "k", 201, &SealedText("v2.d1-00ff.text".into()))).unwrap();
        for (version, is_found) in [("d1-00ff", true), ("d1-00f", false), ("1-00ff", false), ("text", false)]
        {
            assert_eq!(any(version), is_found, "{version}");
        }
        store.write_blocking(|conn| purge(conn, 100)).unwrap();
        assert!(!any("d1-00ff"));
    }
}
