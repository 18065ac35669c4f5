//! Sessions of the console: who is signed in, known by the digest of the cookie's token.
//!
//! A session is worth what its user is worth at the moment it is found: one who was switched off has none.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable,
    RunQueryDsl,
    dsl::{delete, insert_into, update},
};
use nexus_core::id::UserId;

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::user::{User, UserRow},
    row::{Reading, readable},
    schema::{user_sessions, users},
};

/// How long after it was last noted that a session is in use it is noted again.
const SEEN_EVERY_MS: i64 = 60_000;

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSession {
    /// Hex digest of the token.
    pub digest: String,
    pub user: UserId,
    /// Hex digest of what a change must bring along.
    pub csrf_digest: String,
    pub created_at_ms: i64,
    pub expires_at_ms: i64,
    pub last_seen_at_ms: i64,
    pub revoked_at_ms: Option<i64>,
    /// Where the sign-in came from.
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

impl UserSession {
    /// Whether [`touch`] would write: so that a request that reads need not.
    pub fn wants_touch(&self, now_ms: i64) -> bool {
        self.last_seen_at_ms <= now_ms.saturating_sub(SEEN_EVERY_MS)
    }
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = user_sessions, treat_none_as_default_value = false)]
struct SessionRow {
    id: String,
    user_id: String,
    csrf_digest: String,
    created_at: i64,
    expires_at: i64,
    last_seen_at: i64,
    revoked_at: Option<i64>,
    address: Option<String>,
    user_agent: Option<String>,
}

impl SessionRow {
    fn read(self) -> Result<UserSession, StoreError> {
        let row = Reading { table: "user_sessions", id: &self.id };
        Ok(UserSession {
            user: row.id("user_id", &self.user_id)?,
            digest: self.id,
            csrf_digest: self.csrf_digest,
            created_at_ms: self.created_at,
            expires_at_ms: self.expires_at,
            last_seen_at_ms: self.last_seen_at,
            revoked_at_ms: self.revoked_at,
            address: self.address,
            user_agent: self.user_agent,
        })
    }
}

/// Stores a new session.
pub fn create(conn: &mut AnyConnection, session: &UserSession) -> Result<(), StoreError> {
    let row = SessionRow {
        id: session.digest.clone(),
        user_id: session.user.to_string(),
        csrf_digest: session.csrf_digest.clone(),
        created_at: session.created_at_ms,
        expires_at: session.expires_at_ms,
        last_seen_at: session.last_seen_at_ms,
        revoked_at: session.revoked_at_ms,
        address: session.address.clone(),
        user_agent: session.user_agent.clone(),
    };
    insert_into(user_sessions::table).values(row).execute(conn)?;
    Ok(())
}

/// The session of this digest with its user, where both are good now.
pub fn find(
    conn: &mut AnyConnection,
    digest: &str,
    now_ms: i64,
) -> Result<Option<(UserSession, User)>, StoreError> {
    let found: Option<(SessionRow, UserRow)> = user_sessions::table
        .inner_join(users::table)
        .filter(user_sessions::id.eq(digest))
        .filter(user_sessions::revoked_at.is_null())
        .filter(user_sessions::expires_at.gt(now_ms))
        .filter(users::is_active.eq(true))
        .first(conn)
        .optional()?;
    found.map(|(session, user)| Ok((session.read()?, user.read()?))).transpose()
}

/// The sessions of a user that are good now, newest first; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection, user: UserId, now_ms: i64) -> Result<Vec<UserSession>, StoreError> {
    use user_sessions::dsl as row;
    let rows = row::user_sessions
        .filter(row::user_id.eq(user.to_string()))
        .filter(row::revoked_at.is_null().and(row::expires_at.gt(now_ms)))
        .order((row::created_at.desc(), row::id));
    Ok(readable(rows.load(conn)?, SessionRow::read))
}

/// Notes that the session is in use, at most once a minute. False where nothing was written.
pub fn touch(conn: &mut AnyConnection, digest: &str, now_ms: i64) -> Result<bool, StoreError> {
    let long_ago = now_ms.saturating_sub(SEEN_EVERY_MS);
    let row = user_sessions::table.find(digest).filter(user_sessions::last_seen_at.le(long_ago));
    Ok(update(row).set(user_sessions::last_seen_at.eq(now_ms)).execute(conn)? > 0)
}

/// Ends a session. False where there is none, or where it was ended before.
pub fn revoke(conn: &mut AnyConnection, digest: &str, now_ms: i64) -> Result<bool, StoreError> {
    let row = user_sessions::table.find(digest).filter(user_sessions::revoked_at.is_null());
    Ok(update(row).set(user_sessions::revoked_at.eq(now_ms)).execute(conn)? > 0)
}

/// Ends every session of the user but the one of the digest `keep`, and says how many.
pub fn revoke_all(
    conn: &mut AnyConnection,
    user: UserId,
    keep: Option<&str>,
    now_ms: i64,
) -> Result<usize, StoreError> {
    use user_sessions::dsl as row;
    // no digest is empty
    let rows = row::user_sessions
        .filter(row::user_id.eq(user.to_string()))
        .filter(row::revoked_at.is_null().and(row::id.ne(keep.unwrap_or_default())));
    Ok(update(rows).set(row::revoked_at.eq(now_ms)).execute(conn)?)
}

/// Forgets sessions that expired before then, and says how many.
pub fn delete_expired(conn: &mut AnyConnection, before_ms: i64) -> Result<usize, StoreError> {
    let rows = user_sessions::table.filter(user_sessions::expires_at.lt(before_ms));
    Ok(delete(rows).execute(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exec::Store, repo::user, sample};

    fn session(digest: &str) -> UserSession {
        UserSession {
            digest: digest.to_owned(),
            user: sample::user(1).id,
            csrf_digest: "csrf".to_owned(),
            created_at_ms: 10,
            expires_at_ms: 1_000_000,
            last_seen_at_ms: 10,
            revoked_at_ms: None,
            address: Some("192.0.2.7".to_owned()),
            user_agent: Some("agent".to_owned()),
        }
    }

    fn signed_in(folder: &std::path::Path, digests: &[&str]) -> Store {
        let store = Store::scratch(folder);
        store
            .write_blocking(|conn| {
                user::create(conn, &sample::user(1))?;
                digests.iter().try_for_each(|digest| create(conn, &session(digest)))
            })
            .unwrap();
        store
    }

    #[test]
    fn a_session_is_found_with_its_user_until_either_ends() {
        type End = fn(&mut AnyConnection) -> Result<(), StoreError>;
        let off = user::Change { is_active: Some(false), ..user::Change::default() };
        let ends: [(End, i64); 4] = [
            (|_| Ok(()), 1_000_000),
            (|conn| revoke(conn, "a", 20).map(drop), 30),
            (|conn| revoke_all(conn, sample::user(1).id, None, 20).map(drop), 30),
            (|conn| user::delete(conn, sample::user(1).id, None).map(drop), 30),
        ];
        for (end, now_ms) in ends {
            let folder = tempfile::tempdir().unwrap();
            let store = signed_in(folder.path(), &["a"]);
            let find = |digest, at| store.read_blocking(|conn| find(conn, digest, at)).unwrap();
            assert_eq!(find("a", 999_999), Some((session("a"), sample::user(1))));
            assert_eq!(find("b", 20), None);
            store.write_blocking(end).unwrap();
            assert_eq!(find("a", now_ms), None);
        }
        let folder = tempfile::tempdir().unwrap();
        let store = signed_in(folder.path(), &["a"]);
        store.write_blocking(|conn| user::update(conn, sample::user(1).id, None, &off, 1, 2)).unwrap();
        assert_eq!(store.read_blocking(|conn| find(conn, "a", 20)).unwrap(), None);
    }

    #[test]
    fn that_a_session_is_in_use_is_noted_once_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let store = signed_in(folder.path(), &["a"]);
        for (now_ms, writes) in
            [(60_009, false), (60_010, true), (60_011, false), (120_010, true), (5, false)]
        {
            let (found, _) = store.read_blocking(|conn| find(conn, "a", 20)).unwrap().unwrap();
            assert_eq!(found.wants_touch(now_ms), writes, "{now_ms}");
            assert_eq!(store.write_blocking(|conn| touch(conn, "a", now_ms)).unwrap(), writes, "{now_ms}");
        }
    }

    #[test]
    fn the_sessions_of_a_user_are_listed_and_ended_but_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = signed_in(folder.path(), &["a", "b", "c"]);
        let list = |now_ms| {
            let found = store.read_blocking(|conn| list(conn, sample::user(1).id, now_ms)).unwrap();
            found.into_iter().map(|session| session.digest).collect::<Vec<_>>()
        };
        assert_eq!(list(20), ["a", "b", "c"]);
        let revoke_all =
            |keep| store.write_blocking(|conn| revoke_all(conn, sample::user(1).id, keep, 20)).unwrap();
        assert_eq!(revoke_all(Some("b")), 2);
        assert_eq!((list(20), list(1_000_000)), (vec!["b".to_owned()], vec![]));
        assert!(!store.write_blocking(|conn| revoke(conn, "a", 30)).unwrap(), "it was ended before");
        let delete = |before| store.write_blocking(|conn| delete_expired(conn, before)).unwrap();
        assert_eq!((delete(1_000_000), delete(1_000_001)), (0, 3));
    }
}
