//! Keys: what is known of them once the token itself has been handed out.
//!
//! A row is never needed to verify a key, only to list it and to revoke it.

use diesel::{
    ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl, dsl::insert_into,
    dsl::update,
};
use nexus_core::{
    id::{KeyId, TeamId},
    principal::Level,
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    row::{Reading, readable},
    schema::keys,
};

/// A key as stored; the token cannot be had from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub team: Option<TeamId>,
    pub level: Level,
    /// What its maker calls it; may be empty.
    pub name: String,
    /// For people to recognise the token by.
    pub token_last_four: String,
    pub created_at_ms: i64,
    /// `None`: does not expire.
    pub expires_at_ms: Option<i64>,
    pub revoked_at_ms: Option<i64>,
}

/// What revoking a key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    Now,
    /// It was revoked before; the first time stands.
    Before,
    /// There is no such key.
    Unknown,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = keys, treat_none_as_default_value = false)]
struct KeyRow {
    id: String,
    team_id: Option<String>,
    level: String,
    name: String,
    token_last_four: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl KeyRow {
    fn read(self) -> Result<Key, StoreError> {
        let row = Reading { table: "keys", id: &self.id };
        Ok(Key {
            id: row.id("id", &self.id)?,
            team: self.team_id.as_deref().map(|team| row.id("team_id", team)).transpose()?,
            level: Level::from_word(&self.level).ok_or_else(|| row.problem("level", "is no level"))?,
            name: self.name,
            token_last_four: self.token_last_four,
            created_at_ms: self.created_at,
            expires_at_ms: self.expires_at,
            revoked_at_ms: self.revoked_at,
        })
    }
}

/// Stores a new key.
pub fn create(conn: &mut AnyConnection, key: &Key) -> Result<(), StoreError> {
    let row = KeyRow {
        id: key.id.to_string(),
        team_id: key.team.map(|team| team.to_string()),
        level: key.level.as_str().to_owned(),
        name: key.name.clone(),
        token_last_four: key.token_last_four.clone(),
        created_at: key.created_at_ms,
        expires_at: key.expires_at_ms,
        revoked_at: key.revoked_at_ms,
    };
    insert_into(keys::table).values(row).execute(conn)?;
    Ok(())
}

/// Every key, oldest first; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<Key>, StoreError> {
    Ok(readable(keys::table.order((keys::created_at, keys::id)).load(conn)?, KeyRow::read))
}

/// Refuses the key from now on.
pub fn revoke(conn: &mut AnyConnection, id: KeyId, now_ms: i64) -> Result<Revoked, StoreError> {
    let id = id.to_string();
    let before: Option<Option<i64>> =
        keys::table.find(&id).select(keys::revoked_at).first(conn).optional()?;
    match before {
        None => Ok(Revoked::Unknown),
        Some(Some(_)) => Ok(Revoked::Before),
        Some(None) => {
            update(keys::table.find(&id)).set(keys::revoked_at.eq(now_ms)).execute(conn)?;
            Ok(Revoked::Now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exec::Store, repo::team, sample};

    #[test]
    fn a_key_is_stored_listed_and_revoked_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let team = sample::team(1, "red");
        let key = Key { team: Some(team.id), ..sample::key(5) };
        store
            .write_blocking(|conn| {
                team::create(conn, &team)?;
                create(conn, &key)
            })
            .unwrap();
        assert_eq!(store.read_blocking(list).unwrap(), std::slice::from_ref(&key));
        let revoke = |key: &Key, now| store.write_blocking(|conn| revoke(conn, key.id, now)).unwrap();
        assert_eq!(revoke(&key, 70), Revoked::Now);
        assert_eq!(revoke(&key, 80), Revoked::Before);
        assert_eq!(revoke(&sample::key(6), 80), Revoked::Unknown);
        assert_eq!(store.read_blocking(list).unwrap(), [Key { revoked_at_ms: Some(70), ..key }]);
    }

    #[test]
    fn a_key_of_no_known_team_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let key = Key { team: Some(sample::team(1, "").id), ..sample::key(5) };
        assert!(store.write_blocking(|conn| create(conn, &key)).is_err());
    }
}
