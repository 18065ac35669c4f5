//! Keys: what is known of them beside what they say themselves.
//!
//! No key can be had from its row: of a token nothing is stored, of a key in short form the digest. With a
//! team, every function sees that team's keys only; any other does not exist for it.

mod change;
mod list;

#[cfg(test)]
mod tests;

use diesel::{Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl, dsl::insert_into};
use nexus_core::{
    flow::Bounds,
    id::{KeyId, TeamId},
    principal::Level,
    role::Role,
    scope::Scope,
    snapshot::Signing,
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    row::{Reading, written},
    schema::keys,
};

pub use change::{
    Change, Revoked, Rotated, bump_signing_generation, delete_ended_sessions, note_last_used, revoke, rotate,
    update,
};
pub use list::{Filter, State, count_ending_before, ending_before, list, of_team, page, places_taken, state};

/// A key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub team: Option<TeamId>,
    pub level: Level,
    /// What its maker calls it; may be empty.
    pub name: String,
    /// For people to recognise the key by.
    pub token_last_four: String,
    pub form: Form,
    /// Of an admin key that is less than its level allows.
    pub role: Option<Role>,
    /// Of a session key what its token says, unless it was changed since.
    pub scope: Scope,
    /// The application key a session key was made from.
    pub parent: Option<KeyId>,
    pub signing: Signing,
    /// Which signing secret is current.
    pub signing_generation: u32,
    pub is_disabled: bool,
    /// How many requests a session key is good for.
    pub max_requests: Option<u64>,
    /// Whether the token is worth nothing where this row is not known, so that no bound on it can be missed.
    pub is_bound: bool,
    /// How much may pass of it, and of the session keys made from it.
    pub bounds: Bounds,
    /// `None`: does not expire.
    pub expires_at_ms: Option<i64>,
    /// When a key that was replaced ends.
    pub retires_at_ms: Option<i64>,
    pub replaced_by: Option<KeyId>,
    pub revoked_at_ms: Option<i64>,
    /// Written from time to time, so it may lag behind.
    pub last_used_at_ms: Option<i64>,
    /// What people know its maker by.
    pub created_by: String,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub version: i64,
}

impl Key {
    /// A new token about which there is nothing to say but its level.
    pub fn plain(id: KeyId, level: Level, now_ms: i64) -> Self {
        Self {
            id,
            team: None,
            level,
            name: String::new(),
            token_last_four: String::new(),
            form: Form::Jwt,
            role: None,
            scope: Scope::default(),
            parent: None,
            signing: Signing::Off,
            signing_generation: 0,
            is_disabled: false,
            max_requests: None,
            is_bound: false,
            bounds: Bounds::default(),
            expires_at_ms: None,
            retires_at_ms: None,
            replaced_by: None,
            revoked_at_ms: None,
            last_used_at_ms: None,
            created_by: String::new(),
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
            version: 1,
        }
    }
}

/// How a key is written, and what of it is needed to know it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A token that proves itself.
    Jwt,
    /// A short form, known by the digest of its text.
    Opaque([u8; 32]),
}

const JWT: &str = "jwt";
/// The word of [`Form::Opaque`] in rows.
pub(crate) const OPAQUE: &str = "opaque";

impl Form {
    fn as_str(self) -> &'static str {
        match self {
            Form::Jwt => JWT,
            Form::Opaque(_) => OPAQUE,
        }
    }

    fn digest(self) -> Option<String> {
        match self {
            Form::Jwt => None,
            Form::Opaque(digest) => Some(digest.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

/// A digest from its 64 lower-case hex digits.
pub(crate) fn digest(hex: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
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
    role: Option<String>,
    scope: String,
    parent_id: Option<String>,
    form: String,
    digest: Option<String>,
    signing: String,
    signing_generation: i64,
    is_disabled: bool,
    retires_at: Option<i64>,
    replaced_by: Option<String>,
    max_requests: Option<i64>,
    is_bound: bool,
    last_used_at: Option<i64>,
    created_by: String,
    updated_at: i64,
    version: i64,
    rate_limit: Option<i64>,
    token_limit: Option<i64>,
    max_concurrent: Option<i64>,
}

impl KeyRow {
    fn read(self) -> Result<Key, StoreError> {
        let row = Reading { table: "keys", id: &self.id };
        let form = match (self.form.as_str(), &self.digest) {
            (JWT, None) => Form::Jwt,
            (OPAQUE, Some(hex)) => {
                Form::Opaque(digest(hex).ok_or_else(|| row.problem("digest", "is no digest"))?)
            }
            _ => return Err(row.problem("form", "is unknown or does not go with the digest")),
        };
        let max_requests = self.max_requests.map(u64::try_from).transpose();
        let role = self.role.as_deref().map(|role| row.word("role", role, Role::from_word)).transpose()?;
        Ok(Key {
            id: row.id("id", &self.id)?,
            team: row.id_or_none("team_id", self.team_id.as_deref())?,
            level: row.word("level", &self.level, Level::from_word)?,
            form,
            role,
            scope: row.scope("scope", &self.scope)?,
            parent: row.id_or_none("parent_id", self.parent_id.as_deref())?,
            signing: row.word("signing", &self.signing, Signing::from_word)?,
            signing_generation: row.small("signing_generation", self.signing_generation)?,
            max_requests: max_requests.map_err(|_| row.problem("max_requests", "is out of range"))?,
            replaced_by: row.id_or_none("replaced_by", self.replaced_by.as_deref())?,
            name: self.name,
            token_last_four: self.token_last_four,
            is_disabled: self.is_disabled,
            is_bound: self.is_bound,
            bounds: row.bounds(self.rate_limit, self.token_limit, self.max_concurrent)?,
            expires_at_ms: self.expires_at,
            retires_at_ms: self.retires_at,
            revoked_at_ms: self.revoked_at,
            last_used_at_ms: self.last_used_at,
            created_by: self.created_by,
            created_at_ms: self.created_at,
            updated_at_ms: self.updated_at,
            version: self.version,
        })
    }
}

impl From<&Key> for KeyRow {
    fn from(key: &Key) -> Self {
        Self {
            id: key.id.to_string(),
            team_id: key.team.map(|team| team.to_string()),
            level: key.level.as_str().to_owned(),
            name: key.name.clone(),
            token_last_four: key.token_last_four.clone(),
            created_at: key.created_at_ms,
            expires_at: key.expires_at_ms,
            revoked_at: key.revoked_at_ms,
            role: key.role.map(|role| role.as_str().to_owned()),
            scope: written(&key.scope),
            parent_id: key.parent.map(|parent| parent.to_string()),
            form: key.form.as_str().to_owned(),
            digest: key.form.digest(),
            signing: key.signing.as_str().to_owned(),
            signing_generation: key.signing_generation.into(),
            is_disabled: key.is_disabled,
            retires_at: key.retires_at_ms,
            replaced_by: key.replaced_by.map(|by| by.to_string()),
            max_requests: key.max_requests.map(|requests| i64::try_from(requests).unwrap_or(i64::MAX)),
            is_bound: key.is_bound,
            last_used_at: key.last_used_at_ms,
            created_by: key.created_by.clone(),
            updated_at: key.updated_at_ms,
            version: key.version,
            rate_limit: key.bounds.requests.map(i64::from),
            token_limit: key.bounds.tokens.map(i64::from),
            max_concurrent: key.bounds.concurrent.map(i64::from),
        }
    }
}

/// Stores a new key.
pub fn create(conn: &mut AnyConnection, key: &Key) -> Result<(), StoreError> {
    insert_into(keys::table).values(KeyRow::from(key)).execute(conn)?;
    Ok(())
}

/// The key of this id.
pub fn show(conn: &mut AnyConnection, id: KeyId, team: Option<TeamId>) -> Result<Option<Key>, StoreError> {
    let row: Option<KeyRow> = keys::table.find(id.to_string()).first(conn).optional()?;
    let row = row.filter(|row| team.is_none_or(|team| row.team_id == Some(team.to_string())));
    row.map(KeyRow::read).transpose()
}
