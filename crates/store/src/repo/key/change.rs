//! What can become of a key after it was made.

use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl,
    dsl::{delete, insert_into, update as change_in},
};
use nexus_core::{
    id::{KeyId, TeamId},
    principal::Level,
    role::Role,
    scope::Scope,
    snapshot::Signing,
};

use super::{Key, KeyRow, show};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{BoundsChange, Changed, changed, wide},
    row::written,
    schema::keys,
};

/// What is to be different about a key; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub name: Option<String>,
    /// `Some(None)`: the level's own again.
    pub role: Option<Option<Role>>,
    pub scope: Option<Scope>,
    pub signing: Option<Signing>,
    pub is_disabled: Option<bool>,
    pub bounds: BoundsChange,
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

/// What putting a new key in the place of an old one did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The old key as it is now.
    Now(Box<Key>),
    /// The old key was revoked or replaced before; nothing was written.
    Before,
    /// There is no such key.
    Unknown,
}

#[derive(AsChangeset)]
#[diesel(table_name = keys)]
struct KeyChange<'a> {
    name: Option<&'a str>,
    role: Option<Option<&'static str>>,
    scope: Option<String>,
    signing: Option<&'static str>,
    is_disabled: Option<bool>,
    rate_limit: Option<Option<i64>>,
    token_limit: Option<Option<i64>>,
    max_concurrent: Option<Option<i64>>,
}

/// Changes a key.
pub fn update(
    conn: &mut AnyConnection,
    id: KeyId,
    team: Option<TeamId>,
    change: &Change,
    expected_version: i64,
    now_ms: i64,
) -> Result<Changed<Key>, StoreError> {
    if show(conn, id, team)?.is_none() {
        return Ok(Changed::Unknown);
    }
    let change = KeyChange {
        name: change.name.as_deref(),
        role: change.role.map(|role| role.map(Role::as_str)),
        scope: change.scope.as_ref().map(written),
        signing: change.signing.map(Signing::as_str),
        is_disabled: change.is_disabled,
        rate_limit: change.bounds.requests.map(wide),
        token_limit: change.bounds.tokens.map(wide),
        max_concurrent: change.bounds.concurrent.map(wide),
    };
    let row = keys::table.find(id.to_string()).filter(keys::version.eq(expected_version));
    let version = (keys::version.eq(keys::version + 1), keys::updated_at.eq(now_ms));
    let rows = change_in(row).set((change, version)).execute(conn)?;
    Ok(changed(rows, show(conn, id, team)?))
}

/// Makes the next signing secret the current one.
pub fn bump_signing_generation(
    conn: &mut AnyConnection,
    id: KeyId,
    team: Option<TeamId>,
    expected_version: i64,
    now_ms: i64,
) -> Result<Changed<Key>, StoreError> {
    if show(conn, id, team)?.is_none() {
        return Ok(Changed::Unknown);
    }
    let row = keys::table.find(id.to_string()).filter(keys::version.eq(expected_version));
    let change = (
        keys::signing_generation.eq(keys::signing_generation + 1),
        keys::version.eq(keys::version + 1),
        keys::updated_at.eq(now_ms),
    );
    let rows = change_in(row).set(change).execute(conn)?;
    Ok(changed(rows, show(conn, id, team)?))
}

/// Refuses the key from now on, and with it the session keys made from it.
pub fn revoke(
    conn: &mut AnyConnection,
    id: KeyId,
    team: Option<TeamId>,
    now_ms: i64,
) -> Result<Revoked, StoreError> {
    // a row that is damaged otherwise can be revoked all the same
    let columns = (keys::team_id, keys::revoked_at);
    let found: Option<(Option<String>, Option<i64>)> =
        keys::table.find(id.to_string()).select(columns).first(conn).optional()?;
    let Some((owner, revoked_at)) = found else { return Ok(Revoked::Unknown) };
    if team.is_some_and(|team| owner != Some(team.to_string())) {
        return Ok(Revoked::Unknown);
    }
    if revoked_at.is_some() {
        return Ok(Revoked::Before);
    }
    let change =
        (keys::revoked_at.eq(now_ms), keys::version.eq(keys::version + 1), keys::updated_at.eq(now_ms));
    change_in(keys::table.find(id.to_string())).set(change).execute(conn)?;
    Ok(Revoked::Now)
}

/// Stores `new` in the place of the key, which ends at `retires_at_ms` or, where it was to end earlier,
/// then.
pub fn rotate(
    conn: &mut AnyConnection,
    id: KeyId,
    team: Option<TeamId>,
    new: &Key,
    retires_at_ms: i64,
    now_ms: i64,
) -> Result<Rotated, StoreError> {
    let Some(old) = show(conn, id, team)? else { return Ok(Rotated::Unknown) };
    if old.revoked_at_ms.is_some() || old.replaced_by.is_some() {
        return Ok(Rotated::Before);
    }
    insert_into(keys::table).values(KeyRow::from(new)).execute(conn)?;
    let old = Key {
        retires_at_ms: Some(old.retires_at_ms.map_or(retires_at_ms, |before| before.min(retires_at_ms))),
        replaced_by: Some(new.id),
        updated_at_ms: now_ms,
        version: old.version.saturating_add(1),
        ..old
    };
    let change = (
        keys::retires_at.eq(old.retires_at_ms),
        keys::replaced_by.eq(new.id.to_string()),
        keys::version.eq(old.version),
        keys::updated_at.eq(now_ms),
    );
    change_in(keys::table.find(id.to_string())).set(change).execute(conn)?;
    Ok(Rotated::Now(Box::new(old)))
}

/// Notes when keys were used, in Unix milliseconds. An earlier time than is known changes nothing; neither
/// version nor world move.
pub fn note_last_used(conn: &mut AnyConnection, used: &[(KeyId, i64)]) -> Result<(), StoreError> {
    for (key, at_ms) in used {
        let earlier = keys::last_used_at.is_null().or(keys::last_used_at.lt(*at_ms));
        let row = keys::table.find(key.to_string()).filter(earlier);
        change_in(row).set(keys::last_used_at.eq(*at_ms)).execute(conn)?;
    }
    Ok(())
}

/// Forgets up to `rows` session keys that expired before then, and says how many. Their tokens are refused by
/// themselves.
pub fn delete_ended_sessions(
    conn: &mut AnyConnection,
    before_ms: i64,
    rows: u32,
) -> Result<usize, StoreError> {
    let ended = keys::table
        .filter(keys::level.eq(Level::Session.as_str()))
        .filter(keys::expires_at.lt(before_ms))
        .select(keys::id)
        .limit(rows.into());
    let ended: Vec<String> = ended.load(conn)?;
    Ok(delete(keys::table.filter(keys::id.eq_any(ended))).execute(conn)?)
}
