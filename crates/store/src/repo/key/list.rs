//! Lists of keys, and the state a key is in.
//!
//! The state is what a request is told: a session key falls with the key it was made from, every key with
//! its team. [`page`] decides it in SQL to filter by it and in Rust to show it; both say the same.

use std::collections::HashSet;

use diesel::{
    BoolExpressionMethods, BoxableExpression, Connection, ExpressionMethods, IntoSql,
    NullableExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl, dsl::not, sql_types::Bool,
};
use nexus_core::{
    id::{KeyId, TeamId},
    principal::Level,
};

use super::{Key, KeyRow};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::Page,
    row::{Reading, page_of, readable},
    schema::{keys, teams},
};

diesel::alias!(keys as parents: Parents);

type AnyBackend = <AnyConnection as Connection>::Backend;

/// Whether a key is accepted, and if not, why. The first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Revoked,
    Expired,
    /// It was replaced, and its time is over.
    Retired,
    /// It, its parent or its team is switched off.
    Disabled,
    Active,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] =
        [State::Revoked, State::Expired, State::Retired, State::Disabled, State::Active];

    /// The word in requests and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Revoked => "revoked",
            State::Expired => "expired",
            State::Retired => "retired",
            State::Disabled => "disabled",
            State::Active => "active",
        }
    }

    /// The inverse of [`State::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        State::ALL.into_iter().find(|state| state.as_str() == word)
    }

    fn of(key: &Key, above: &Above, now_ms: i64) -> Self {
        let (parent_revoked, parent_retires, parent_disabled) = above.parent;
        let is_over = |at: Option<i64>| at.is_some_and(|at_ms| at_ms <= now_ms);
        if key.revoked_at_ms.is_some() || parent_revoked.is_some() {
            State::Revoked
        } else if is_over(key.expires_at_ms) {
            State::Expired
        } else if is_over(key.retires_at_ms) || is_over(parent_retires) {
            State::Retired
        } else if key.is_disabled || parent_disabled || above.is_team_inactive {
            State::Disabled
        } else {
            State::Active
        }
    }
}

/// What a key's state depends on beside the key.
#[derive(Default)]
struct Above {
    /// Of its parent: when it was revoked, when it retires, whether it is disabled.
    parent: (Option<i64>, Option<i64>, bool),
    is_team_inactive: bool,
}

/// Which keys are wanted; all that is said must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub team: Option<TeamId>,
    pub level: Option<Level>,
    /// The key they were made from.
    pub parent: Option<KeyId>,
    pub state: Option<State>,
}

/// Every key, oldest first; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<Key>, StoreError> {
    Ok(readable(keys::table.order((keys::created_at, keys::id)).load(conn)?, KeyRow::read))
}

/// The ids of all keys of a team.
pub fn of_team(conn: &mut AnyConnection, team: TeamId) -> Result<HashSet<KeyId>, StoreError> {
    let ids: Vec<String> =
        keys::table.filter(keys::team_id.eq(team.to_string())).select(keys::id).load(conn)?;
    Ok(readable(ids, |id| Reading { table: "keys", id: &id }.id("id", &id)).into_iter().collect())
}

/// The keys of a page and their states, oldest first; damaged rows are logged and left out.
pub fn page(
    conn: &mut AnyConnection,
    filter: &Filter,
    page: &Page,
    now_ms: i64,
) -> Result<Vec<(Key, State)>, StoreError> {
    use keys::dsl as row;
    let load = |page: &Page| {
        let mut query = wanted(filter, now_ms).order((row::created_at, row::id)).limit(page.limit.into());
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.gt(*at).or(row::created_at.eq(*at).and(row::id.gt(id))));
        }
        Ok(query.load(conn)?)
    };
    let keys =
        page_of(page, load, |row: &KeyRow| (row.created_at, row.id.clone()), KeyRow::read)?.into_iter();
    keys.map(|key| state(conn, &key, now_ms).map(|state| (key, state))).collect()
}

/// Active keys that end before `until_ms` by expiry or because they were replaced, the oldest first.
/// Session keys, which all end soon, are not among them.
pub fn ending_before(
    conn: &mut AnyConnection,
    team: Option<TeamId>,
    until_ms: i64,
    limit: u32,
    now_ms: i64,
) -> Result<Vec<Key>, StoreError> {
    let query = ending(team, until_ms, now_ms).order((keys::created_at, keys::id)).limit(limit.into());
    Ok(readable(query.load(conn)?, KeyRow::read))
}

/// How many there are of [`ending_before`] in all teams.
pub fn count_ending_before(conn: &mut AnyConnection, until_ms: i64, now_ms: i64) -> Result<u64, StoreError> {
    let count: i64 = ending(None, until_ms, now_ms).count().get_result(conn)?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// How many places session keys of this key take: each one from when it is made until it ends or is revoked, and
/// at least for `least_ms`, so that short ones leave no more rows than their number of places allows.
pub fn places_taken(
    conn: &mut AnyConnection,
    parent: KeyId,
    least_ms: i64,
    now_ms: i64,
) -> Result<u64, StoreError> {
    let recent_ms = now_ms.saturating_sub(least_ms);
    let count: i64 = keys::table
        .filter(keys::parent_id.eq(parent.to_string()))
        .filter(keys::expires_at.gt(recent_ms))
        .filter(keys::expires_at.gt(now_ms).or(keys::created_at.gt(recent_ms)))
        .filter(keys::revoked_at.is_null())
        .count()
        .get_result(conn)?;
    Ok(u64::try_from(count).unwrap_or_default())
}

fn ending(team: Option<TeamId>, until_ms: i64, now_ms: i64) -> Wanted {
    use keys::dsl as row;
    let filter = Filter { team, state: Some(State::Active), ..Filter::default() };
    wanted(&filter, now_ms)
        .filter(row::level.ne(Level::Session.as_str()))
        .filter(row::expires_at.lt(until_ms).or(row::retires_at.lt(until_ms)))
}

/// The state the key is in.
pub fn state(conn: &mut AnyConnection, key: &Key, now_ms: i64) -> Result<State, StoreError> {
    let mut above = Above::default();
    if let Some(parent) = key.parent {
        let columns = (keys::revoked_at, keys::retires_at, keys::is_disabled);
        let parent = keys::table.find(parent.to_string()).select(columns);
        above.parent = parent.first(conn).optional()?.unwrap_or_default();
    }
    if let Some(team) = key.team {
        let is_active = teams::table.find(team.to_string()).select(teams::is_active);
        above.is_team_inactive = is_active.first(conn).optional()? == Some(false);
    }
    Ok(State::of(key, &above, now_ms))
}

type Wanted = keys::BoxedQuery<'static, AnyBackend>;

fn wanted(filter: &Filter, now_ms: i64) -> Wanted {
    use keys::dsl as row;
    let mut query = row::keys.into_boxed();
    if let Some(team) = filter.team {
        query = query.filter(row::team_id.eq(team.to_string()));
    }
    if let Some(level) = filter.level {
        query = query.filter(row::level.eq(level.as_str()));
    }
    if let Some(parent) = filter.parent {
        query = query.filter(row::parent_id.eq(parent.to_string()));
    }
    if let Some(state) = filter.state {
        query = in_state(query, state, now_ms);
    }
    query
}

/// [`State::of`] in SQL: in none of the states before, and in this one.
fn in_state(mut query: Wanted, wanted: State, now_ms: i64) -> Wanted {
    for state in State::ALL.into_iter().take_while(|state| *state != wanted) {
        query = query.filter(not(applies(state, now_ms)));
    }
    query.filter(applies(wanted, now_ms))
}

type Condition = Box<dyn BoxableExpression<keys::table, AnyBackend, SqlType = Bool>>;

/// True or false and never null, so that its opposite is the other rows.
fn applies(state: State, now_ms: i64) -> Condition {
    use keys::dsl as row;
    let above = || parents.select(parents.field(keys::id));
    let (parent, team) = (row::parent_id.assume_not_null(), row::team_id.assume_not_null());
    let over = |at: i64| parents.field(keys::retires_at).le(at);
    match state {
        State::Revoked => {
            let revoked = above().filter(parents.field(keys::revoked_at).is_not_null());
            let falls = row::parent_id.is_not_null().and(parent.eq_any(revoked));
            Box::new(row::revoked_at.is_not_null().or(falls))
        }
        State::Expired => {
            Box::new(row::expires_at.is_not_null().and(row::expires_at.assume_not_null().le(now_ms)))
        }
        State::Retired => {
            let own = row::retires_at.is_not_null().and(row::retires_at.assume_not_null().le(now_ms));
            let falls = row::parent_id.is_not_null().and(parent.eq_any(above().filter(over(now_ms))));
            Box::new(own.or(falls))
        }
        State::Disabled => {
            let disabled = above().filter(parents.field(keys::is_disabled));
            let inactive = teams::table.filter(teams::is_active.eq(false)).select(teams::id);
            let falls = row::parent_id.is_not_null().and(parent.eq_any(disabled));
            let team_falls = row::team_id.is_not_null().and(team.eq_any(inactive));
            Box::new(row::is_disabled.eq(true).or(falls).or(team_falls))
        }
        State::Active => Box::new(true.into_sql::<Bool>()),
    }
}
