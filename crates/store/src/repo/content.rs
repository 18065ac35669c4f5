//! What requests and their answers said, sealed under a key of their team, and those keys.
//!
//! A team that keeps nothing has no key, so what comes late finds none and is dropped. Destroying a team's key is what
//! erases: rows that are left open no more, and go in small steps.

use diesel::{
    ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl,
    dsl::{delete as delete_from, exists, insert_into, select, update as change_in},
};
use nexus_core::id::{RequestId, TeamId, Uuid};

use super::{Removed, credential::sealed_under, provider::SealedText};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    row::Reading,
    schema::{content_keys, contents, teams},
};

/// What a team's key seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What its requests and their answers said.
    Content,
    /// What lies on the shelf.
    Shelf,
}

impl Purpose {
    const ALL: [Self; 2] = [Self::Content, Self::Shelf];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Shelf => "shelf",
        }
    }
}

/// A team's key that is not destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: Uuid,
    /// All zeros: that of the keys without a team.
    pub team: TeamId,
    pub purpose: Purpose,
    pub sealed: SealedText,
}

/// What a request and its answer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub request: RequestId,
    /// The key it is sealed under.
    pub key: Uuid,
    /// When the request was made, Unix milliseconds.
    pub at_ms: i64,
    /// How much was said, sealed or cut.
    pub bytes: u64,
    /// Whether not all that was said is there.
    pub is_cut: bool,
    pub sealed: Vec<u8>,
}

/// Content that is there, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub content: Content,
    pub key: Key,
    /// Unix milliseconds.
    pub expires_at_ms: i64,
}

/// The columns of a [`KeyRow`].
pub(super) const KEY: (
    content_keys::id,
    content_keys::team_id,
    content_keys::key_sealed,
    content_keys::purpose,
) = (content_keys::id, content_keys::team_id, content_keys::key_sealed, content_keys::purpose);

#[derive(Queryable)]
pub(super) struct KeyRow {
    id: String,
    team_id: String,
    key_sealed: Option<String>,
    purpose: String,
}

impl KeyRow {
    pub(super) fn read(self) -> Result<Key, StoreError> {
        let row = Reading { table: "content_keys", id: &self.id };
        let (id, team) = (row.id("id", &self.id)?, row.id("team_id", &self.team_id)?);
        let sealed = self.key_sealed.ok_or_else(|| row.problem("key_sealed", "is destroyed"))?;
        let purpose = Purpose::ALL.into_iter().find(|purpose| purpose.as_str() == self.purpose);
        let purpose = purpose.ok_or_else(|| row.problem("purpose", "is unknown"))?;
        Ok(Key { id, team, purpose, sealed: SealedText(sealed) })
    }
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = contents)]
struct ContentRow {
    request_id: String,
    key_id: String,
    at: i64,
    bytes: i64,
    is_cut: bool,
    sealed: Vec<u8>,
}

/// How long a team's content is kept, in seconds; `None`: nothing of it is.
pub fn ttl_seconds(conn: &mut AnyConnection, team: TeamId) -> Result<Option<i64>, StoreError> {
    let ttl: Option<Option<i64>> =
        teams::table.find(team.to_string()).select(teams::content_ttl_seconds).first(conn).optional()?;
    Ok(ttl.flatten())
}

/// The key of a team for something, where it has one.
pub fn key_of(conn: &mut AnyConnection, team: TeamId, purpose: Purpose) -> Result<Option<Key>, StoreError> {
    let row: Option<KeyRow> = content_keys::table
        .filter(content_keys::team_id.eq(team.to_string()))
        .filter(content_keys::purpose.eq(purpose.as_str()))
        .filter(content_keys::destroyed_at.is_null())
        .select(KEY)
        .first(conn)
        .optional()?;
    row.map(KeyRow::read).transpose()
}

/// Gives a team that has none for this its key.
pub fn give_key(conn: &mut AnyConnection, key: &Key, now_ms: i64) -> Result<(), StoreError> {
    insert_into(content_keys::table)
        .values((
            content_keys::id.eq(key.id.to_string()),
            content_keys::team_id.eq(key.team.to_string()),
            content_keys::key_sealed.eq(&key.sealed.0),
            content_keys::created_at.eq(now_ms),
            content_keys::purpose.eq(key.purpose.as_str()),
        ))
        .execute(conn)?;
    Ok(())
}

/// Destroys a team's key: nothing of the team's that it sealed opens any more. Says whether there was one.
pub fn destroy_key(
    conn: &mut AnyConnection,
    team: TeamId,
    purpose: Purpose,
    now_ms: i64,
) -> Result<Removed, StoreError> {
    let key = content_keys::table
        .filter(content_keys::team_id.eq(team.to_string()))
        .filter(content_keys::purpose.eq(purpose.as_str()))
        .filter(content_keys::destroyed_at.is_null());
    let gone = (content_keys::key_sealed.eq(None::<String>), content_keys::destroyed_at.eq(Some(now_ms)));
    Ok(Removed::of(change_in(key).set(gone).execute(conn)?))
}

/// Keeps what was said; of one request the first counts.
pub fn keep(conn: &mut AnyConnection, content: Content) -> Result<(), StoreError> {
    let request_id = content.request.to_string();
    if select(exists(contents::table.find(&request_id))).get_result(conn)? {
        return Ok(());
    }
    let row = ContentRow {
        request_id,
        key_id: content.key.to_string(),
        at: content.at_ms,
        bytes: i64::try_from(content.bytes).unwrap_or(i64::MAX),
        is_cut: content.is_cut,
        sealed: content.sealed,
    };
    insert_into(contents::table).values(row).execute(conn)?;
    Ok(())
}

/// What a request said, where it is kept and not past its time; with `own` only where it is that team's.
pub fn find(
    conn: &mut AnyConnection,
    request: RequestId,
    own: Option<TeamId>,
    now_ms: i64,
) -> Result<Option<Found>, StoreError> {
    let row: Option<ContentRow> = contents::table.find(request.to_string()).first(conn).optional()?;
    let Some(row) = row else { return Ok(None) };
    let key: Option<KeyRow> = content_keys::table
        .find(&row.key_id)
        .filter(content_keys::destroyed_at.is_null())
        .select(KEY)
        .first(conn)
        .optional()?;
    let Some(key) = key.map(KeyRow::read).transpose()? else { return Ok(None) };
    let Some(ttl_s) = ttl_seconds(conn, key.team)? else { return Ok(None) };
    let expires_at_ms = row.at.saturating_add(ttl_s.saturating_mul(1000));
    if own.is_some_and(|own| own != key.team) || expires_at_ms <= now_ms {
        return Ok(None);
    }
    let content = Content {
        request,
        key: key.id,
        at_ms: row.at,
        bytes: u64::try_from(row.bytes).unwrap_or(0),
        is_cut: row.is_cut,
        sealed: row.sealed,
    };
    Ok(Some(Found { content, key, expires_at_ms }))
}

/// Deletes what a request said.
pub fn delete(conn: &mut AnyConnection, request: RequestId) -> Result<Removed, StoreError> {
    Ok(Removed::of(delete_from(contents::table.find(request.to_string())).execute(conn)?))
}

/// Forgets at most so many contents that are past their time or open no more, and the keys of which nothing is left.
/// Says how many rows went; 0 is the end.
pub fn forget(conn: &mut AnyConnection, now_ms: i64, rows: u32) -> Result<u64, StoreError> {
    let keys: Vec<(String, String, Option<i64>)> = content_keys::table
        .filter(content_keys::purpose.eq(Purpose::Content.as_str()))
        .select((content_keys::id, content_keys::team_id, content_keys::destroyed_at))
        .load(conn)?;
    let mut gone = 0_usize;
    for (id, team, destroyed_at) in keys {
        let ttl: Option<Option<i64>> =
            teams::table.find(team).select(teams::content_ttl_seconds).first(conn).optional()?;
        // of a destroyed key, and of one whose team is gone, nothing is left
        let ttl_s = ttl.flatten().filter(|_| destroyed_at.is_none());
        let before_ms = ttl_s.map_or(i64::MAX, |ttl_s| now_ms.saturating_sub(ttl_s.saturating_mul(1000)));
        let limit = i64::from(rows).saturating_sub(i64::try_from(gone).unwrap_or(i64::MAX));
        let old: Vec<String> = contents::table
            .filter(contents::key_id.eq(&id))
            .filter(contents::at.le(before_ms))
            .order(contents::at)
            .limit(limit.max(0))
            .select(contents::request_id)
            .load(conn)?;
        gone = gone.saturating_add(old.len());
        let is_last = i64::try_from(old.len()).unwrap_or(i64::MAX) < limit;
        if !old.is_empty() {
            delete_from(contents::table.filter(contents::request_id.eq_any(old))).execute(conn)?;
        }
        if ttl_s.is_none() && is_last {
            gone = gone.saturating_add(delete_from(content_keys::table.find(&id)).execute(conn)?);
        }
    }
    Ok(u64::try_from(gone).unwrap_or(u64::MAX))
}

/// Every key that is not destroyed and is not sealed under this version of a data key.
pub fn keys_sealed_under_other_than(conn: &mut AnyConnection, version: &str) -> Result<Vec<Key>, StoreError> {
    let keys = keys(conn)?.into_iter();
    Ok(keys.filter(|key| sealed_under(&key.sealed.0) != Some(version)).collect())
}

/// Whether any key is sealed under this version of a data key.
pub fn any_sealed_under(conn: &mut AnyConnection, version: &str) -> Result<bool, StoreError> {
    Ok(keys(conn)?.iter().any(|key| sealed_under(&key.sealed.0) == Some(version)))
}

fn keys(conn: &mut AnyConnection) -> Result<Vec<Key>, StoreError> {
    let rows: Vec<KeyRow> = content_keys::table
        .filter(content_keys::destroyed_at.is_null())
        .order(content_keys::id)
        .select(KEY)
        .load(conn)?;
    rows.into_iter().map(KeyRow::read).collect()
}

/// Puts the same key, sealed anew, in the place of the text that was read, where it stands there still.
pub fn reseal(conn: &mut AnyConnection, key: &Key, new: &SealedText) -> Result<(), StoreError> {
    let row =
        content_keys::table.find(key.id.to_string()).filter(content_keys::key_sealed.eq(Some(&key.sealed.0)));
    change_in(row).set(content_keys::key_sealed.eq(Some(&new.0))).execute(conn)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exec::Store,
        repo::team::{self, Team},
        sample,
    };

    const DAY_MS: i64 = 86_400_000;

    fn team_keeping(store: &Store, number: u64, seconds: Option<u32>) -> Team {
        let team = Team { content_ttl_seconds: seconds, ..sample::team(number, &number.to_string()) };
        store.write_blocking(|conn| team::create(conn, &team)).unwrap();
        team
    }

    fn key(number: u64, team: TeamId) -> Key {
        Key {
            id: sample::uuid(number),
            team,
            purpose: Purpose::Content,
            sealed: SealedText(format!("v2.d1.{number}")),
        }
    }

    fn content(number: u64, key: &Key, at_ms: i64) -> Content {
        let (request, sealed) = (RequestId(sample::uuid(number)), vec![0, 255, 7]);
        Content { request, key: key.id, at_ms, bytes: 9, is_cut: true, sealed }
    }

    fn found(store: &Store, number: u64, own: Option<TeamId>, now_ms: i64) -> Option<Found> {
        store.read_blocking(|conn| find(conn, RequestId(sample::uuid(number)), own, now_ms)).unwrap()
    }

    #[test]
    fn content_is_found_by_its_team_until_its_time_is_over_and_then_goes_in_steps() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let (red, blue) = (team_keeping(&store, 1, Some(86_400)), team_keeping(&store, 2, None));
        let key = key(5, red.id);
        store
            .write_blocking(|conn| {
                give_key(conn, &key, 1)?;
                keep(conn, Content { bytes: 1, ..content(10, &key, 0) })?;
                (10..20).try_for_each(|number| keep(conn, content(number, &key, number as i64)))
            })
            .unwrap();
        assert_eq!(found(&store, 10, Some(red.id), 5).unwrap().content.bytes, 1, "the first counts");
        let kept = found(&store, 11, None, 5).unwrap();
        assert_eq!(
            (kept.content, kept.key, kept.expires_at_ms),
            (content(11, &key, 11), key.clone(), DAY_MS + 11)
        );
        assert_eq!(found(&store, 11, Some(blue.id), 5), None, "it is another team's");
        assert_eq!(found(&store, 11, None, DAY_MS + 11), None, "its time is over");
        let forget = |now_ms| store.write_blocking(|conn| forget(conn, now_ms, 3)).unwrap();
        assert_eq!([forget(DAY_MS + 14), forget(DAY_MS + 14), forget(DAY_MS + 14)], [3, 2, 0]);
        assert!(found(&store, 14, None, 5).is_none() && found(&store, 15, None, 5).is_some());
        let delete = || store.write_blocking(|conn| delete(conn, RequestId(sample::uuid(15)))).unwrap();
        assert_eq!([delete(), delete()], [Removed::Now, Removed::Unknown]);
    }

    #[test]
    fn a_destroyed_key_takes_all_with_it_and_the_next_one_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let team = team_keeping(&store, 1, Some(60));
        let (old, new) = (key(5, team.id), key(6, team.id));
        store
            .write_blocking(|conn| {
                give_key(conn, &old, 1)?;
                (10..14).try_for_each(|number| keep(conn, content(number, &old, 0)))?;
                destroy_key(conn, team.id, Purpose::Content, 2)?;
                give_key(conn, &new, 3)?;
                keep(conn, content(20, &new, 0))
            })
            .unwrap();
        assert_eq!(found(&store, 10, None, 1), None);
        assert!(found(&store, 20, None, 1).is_some());
        assert_eq!(
            store.read_blocking(|conn| key_of(conn, team.id, Purpose::Content)).unwrap(),
            Some(new.clone())
        );
        let forget = || store.write_blocking(|conn| forget(conn, 1, 3)).unwrap();
        assert_eq!([forget(), forget(), forget()], [3, 2, 0], "the last step takes the key's row too");
        assert!(store.write_blocking(|conn| give_key(conn, &old, 1)).is_err(), "a team has one key");
        assert!(found(&store, 20, None, 1).is_some());
    }

    #[test]
    fn keys_are_sealed_anew_where_nobody_did_so_before() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let team = team_keeping(&store, 1, Some(60));
        let key = key(5, team.id);
        store.write_blocking(|conn| give_key(conn, &key, 1)).unwrap();
        let under = |version| store.read_blocking(|conn| any_sealed_under(conn, version)).unwrap();
        let others =
            |version| store.read_blocking(|conn| keys_sealed_under_other_than(conn, version)).unwrap().len();
        assert_eq!((under("d1"), under("d2"), others("d1"), others("d2")), (true, false, 0, 1));
        for text in ["v2.d2.x", "v2.d3.x"] {
            store.write_blocking(|conn| reseal(conn, &key, &SealedText(text.into()))).unwrap();
            assert!(under("d2"), "the second is for a text that stands there no more");
        }
    }
}
