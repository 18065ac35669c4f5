//! Users: people who sign in to the console.
//!
//! An email is kept in lower case and found in any. With a team, every function sees that team's users
//! only; any other does not exist for it.

use std::fmt;

use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl,
    Queryable, RunQueryDsl,
    dsl::{delete as delete_from, insert_into, update as change_in},
};
use nexus_core::{
    id::{TeamId, UserId},
    role::Role,
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{Changed, Page, Removed, changed},
    row::{Reading, page_of},
    schema::{user_sessions, users},
};

/// A password's hash, parameters and salt with it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// Who somebody is to an identity provider; unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
}

/// A user as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// Unique.
    pub email: String,
    pub name: String,
    /// `None`: cannot sign in with a password.
    pub password: Option<PasswordHash>,
    /// `None`: cannot sign in through an identity provider.
    pub identity: Option<Identity>,
    pub role: Role,
    /// The team the role is held for; `None`: for the platform.
    pub team: Option<TeamId>,
    pub is_active: bool,
    pub last_login_at_ms: Option<i64>,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub version: i64,
}

/// What is to be different about a user; what is `None` stays, `Some(None)` takes away.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub email: Option<String>,
    pub name: Option<String>,
    pub password: Option<Option<PasswordHash>>,
    pub identity: Option<Option<Identity>>,
    pub role: Option<Role>,
    pub team: Option<Option<TeamId>>,
    pub is_active: Option<bool>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
pub(crate) struct UserRow {
    id: String,
    email: String,
    name: String,
    password_hash: Option<String>,
    oidc_issuer: Option<String>,
    oidc_subject: Option<String>,
    role: String,
    team_id: Option<String>,
    is_active: bool,
    last_login_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl UserRow {
    pub(crate) fn read(self) -> Result<User, StoreError> {
        let row = Reading { table: "users", id: &self.id };
        Ok(User {
            id: row.id("id", &self.id)?,
            role: row.word("role", &self.role, Role::from_word)?,
            team: row.id_or_none("team_id", self.team_id.as_deref())?,
            email: self.email,
            name: self.name,
            password: self.password_hash.map(PasswordHash),
            identity: self
                .oidc_issuer
                .zip(self.oidc_subject)
                .map(|(issuer, subject)| Identity { issuer, subject }),
            is_active: self.is_active,
            last_login_at_ms: self.last_login_at,
            created_at_ms: self.created_at,
            updated_at_ms: self.updated_at,
            version: self.version,
        })
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = users)]
struct UserChange<'a> {
    email: Option<String>,
    name: Option<&'a str>,
    password_hash: Option<Option<&'a str>>,
    oidc_issuer: Option<Option<&'a str>>,
    oidc_subject: Option<Option<&'a str>>,
    role: Option<&'static str>,
    team_id: Option<Option<String>>,
    is_active: Option<bool>,
    updated_at: i64,
}

/// Stores a new user; [`StoreError::Conflict`] where the email or the identity is taken.
pub fn create(conn: &mut AnyConnection, user: &User) -> Result<(), StoreError> {
    let row = UserRow {
        id: user.id.to_string(),
        email: user.email.to_lowercase(),
        name: user.name.clone(),
        password_hash: user.password.as_ref().map(|hash| hash.0.clone()),
        oidc_issuer: user.identity.as_ref().map(|identity| identity.issuer.clone()),
        oidc_subject: user.identity.as_ref().map(|identity| identity.subject.clone()),
        role: user.role.as_str().to_owned(),
        team_id: user.team.map(|team| team.to_string()),
        is_active: user.is_active,
        last_login_at: user.last_login_at_ms,
        created_at: user.created_at_ms,
        updated_at: user.updated_at_ms,
        version: user.version,
    };
    insert_into(users::table).values(row).execute(conn)?;
    Ok(())
}

/// The users of a page, oldest first; damaged rows are logged and left out.
pub fn page(conn: &mut AnyConnection, team: Option<TeamId>, page: &Page) -> Result<Vec<User>, StoreError> {
    use users::dsl as row;
    let load = |page: &Page| {
        let mut query = row::users.into_boxed().order((row::created_at, row::id)).limit(page.limit.into());
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.gt(*at).or(row::created_at.eq(*at).and(row::id.gt(id))));
        }
        if let Some(team) = team {
            query = query.filter(row::team_id.eq(team.to_string()));
        }
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &UserRow| (row.created_at, row.id.clone()), UserRow::read)
}

/// The user of this id.
pub fn show(conn: &mut AnyConnection, id: UserId, team: Option<TeamId>) -> Result<Option<User>, StoreError> {
    let row: Option<UserRow> = users::table.find(id.to_string()).first(conn).optional()?;
    let row = row.filter(|row| team.is_none_or(|team| row.team_id == Some(team.to_string())));
    row.map(UserRow::read).transpose()
}

/// The user of this email, whatever its case. To sign in: it looks through all teams.
pub fn find_by_email(conn: &mut AnyConnection, email: &str) -> Result<Option<User>, StoreError> {
    let row: Option<UserRow> =
        users::table.filter(users::email.eq(email.to_lowercase())).first(conn).optional()?;
    row.map(UserRow::read).transpose()
}

/// The user of this identity. To sign in: it looks through all teams.
pub fn find_by_identity(conn: &mut AnyConnection, identity: &Identity) -> Result<Option<User>, StoreError> {
    let row: Option<UserRow> = users::table
        .filter(users::oidc_issuer.eq(&identity.issuer).and(users::oidc_subject.eq(&identity.subject)))
        .first(conn)
        .optional()?;
    row.map(UserRow::read).transpose()
}

/// Whether there is any user at all.
pub fn has_any(conn: &mut AnyConnection) -> Result<bool, StoreError> {
    let any: Option<String> = users::table.select(users::id).first(conn).optional()?;
    Ok(any.is_some())
}

/// Changes a user; [`StoreError::Conflict`] where the new email or identity is taken. Sessions go on: who
/// changes a password ends them.
pub fn update(
    conn: &mut AnyConnection,
    id: UserId,
    team: Option<TeamId>,
    change: &Change,
    expected_version: i64,
    now_ms: i64,
) -> Result<Changed<User>, StoreError> {
    if show(conn, id, team)?.is_none() {
        return Ok(Changed::Unknown);
    }
    let identity = change.identity.as_ref().map(Option::as_ref);
    let change = UserChange {
        email: change.email.as_ref().map(|email| email.to_lowercase()),
        name: change.name.as_deref(),
        password_hash: change.password.as_ref().map(|hash| hash.as_ref().map(|hash| hash.0.as_str())),
        oidc_issuer: identity.map(|identity| identity.map(|identity| identity.issuer.as_str())),
        oidc_subject: identity.map(|identity| identity.map(|identity| identity.subject.as_str())),
        role: change.role.map(Role::as_str),
        team_id: change.team.map(|team| team.map(|team| team.to_string())),
        is_active: change.is_active,
        updated_at: now_ms,
    };
    let row = users::table.find(id.to_string()).filter(users::version.eq(expected_version));
    let rows = change_in(row).set((change, users::version.eq(users::version + 1))).execute(conn)?;
    // a user that was moved to another team is shown all the same
    Ok(changed(rows, show(conn, id, None)?))
}

/// Notes that the user signed in. Its version stays.
pub fn note_login(conn: &mut AnyConnection, id: UserId, now_ms: i64) -> Result<(), StoreError> {
    let change = users::last_login_at.eq(now_ms);
    change_in(users::table.find(id.to_string())).set(change).execute(conn)?;
    Ok(())
}

/// Deletes a user and its sessions.
pub fn delete(conn: &mut AnyConnection, id: UserId, team: Option<TeamId>) -> Result<Removed, StoreError> {
    if show(conn, id, team)?.is_none() {
        return Ok(Removed::Unknown);
    }
    delete_from(user_sessions::table.filter(user_sessions::user_id.eq(id.to_string()))).execute(conn)?;
    Ok(Removed::of(delete_from(users::table.find(id.to_string())).execute(conn)?))
}

#[cfg(test)]
mod tests;
