//! Teams: the tenants keys, users and bookings belong to.

use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl,
    Queryable, RunQueryDsl,
    dsl::{delete as delete_from, exists, insert_into, select, update as change_in},
};
use nexus_core::{anomaly::throttle::Wish, flow::Bounds, id::TeamId, scope::Scope, snapshot::ShieldMode};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{
        BoundsChange, Changed, Page, Removed, changed,
        content::{self, Purpose},
        wide,
    },
    row::{Reading, page_of, readable, throttle, written},
    schema::{keys, teams, users},
};

/// A team as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    pub id: TeamId,
    pub name: String,
    /// Whether the team's keys are admitted.
    pub is_active: bool,
    /// What all of its keys may reach at most.
    pub scope: Scope,
    pub shield: ShieldMode,
    /// How much may pass of all its keys together.
    pub bounds: Bounds,
    /// How long what its requests and their answers say is kept; `None`: not at all.
    pub content_ttl_seconds: Option<u32>,
    /// What is done about keys of which something looks wrong; `None`: nothing.
    pub throttle: Option<Wish>,
    /// Whether its keys may ask providers for what stands at paths of their own.
    pub raw_relay: bool,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub version: i64,
}

/// What is to be different about a team; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub name: Option<String>,
    pub is_active: Option<bool>,
    pub scope: Option<Scope>,
    pub shield: Option<ShieldMode>,
    pub bounds: BoundsChange,
    /// `Some(None)` keeps nothing from now on and erases what is kept.
    pub content_ttl_seconds: Option<Option<u32>>,
    pub throttle: Option<Option<Wish>>,
    pub raw_relay: Option<bool>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = teams)]
struct TeamRow {
    id: String,
    name: String,
    is_active: bool,
    created_at: i64,
    updated_at: i64,
    scope: String,
    shield: String,
    version: i64,
    rate_limit: Option<i64>,
    token_limit: Option<i64>,
    max_concurrent: Option<i64>,
    content_ttl_seconds: Option<i64>,
    throttle: Option<String>,
    raw_relay: bool,
}

impl TeamRow {
    fn read(self) -> Result<Team, StoreError> {
        let row = Reading { table: "teams", id: &self.id };
        Ok(Team {
            id: row.id("id", &self.id)?,
            scope: row.scope("scope", &self.scope)?,
            shield: row.word("shield", &self.shield, ShieldMode::from_word)?,
            bounds: row.bounds(self.rate_limit, self.token_limit, self.max_concurrent)?,
            content_ttl_seconds: row.small_or_none("content_ttl_seconds", self.content_ttl_seconds)?,
            throttle: row.throttle("throttle", self.throttle.as_deref())?,
            raw_relay: self.raw_relay,
            name: self.name,
            is_active: self.is_active,
            created_at_ms: self.created_at,
            updated_at_ms: self.updated_at,
            version: self.version,
        })
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = teams)]
struct TeamChange<'a> {
    name: Option<&'a str>,
    is_active: Option<bool>,
    scope: Option<String>,
    shield: Option<&'static str>,
    rate_limit: Option<Option<i64>>,
    token_limit: Option<Option<i64>>,
    max_concurrent: Option<Option<i64>>,
    content_ttl_seconds: Option<Option<i64>>,
    throttle: Option<Option<String>>,
    raw_relay: Option<bool>,
    updated_at: i64,
}

/// Stores a new team; [`StoreError::Conflict`] where the name is taken.
pub fn create(conn: &mut AnyConnection, team: &Team) -> Result<(), StoreError> {
    let row = TeamRow {
        id: team.id.to_string(),
        name: team.name.clone(),
        is_active: team.is_active,
        created_at: team.created_at_ms,
        updated_at: team.updated_at_ms,
        scope: written(&team.scope),
        shield: team.shield.as_str().to_owned(),
        version: team.version,
        rate_limit: team.bounds.requests.map(i64::from),
        token_limit: team.bounds.tokens.map(i64::from),
        max_concurrent: team.bounds.concurrent.map(i64::from),
        content_ttl_seconds: team.content_ttl_seconds.map(i64::from),
        throttle: team.throttle.as_ref().map(throttle::written),
        raw_relay: team.raw_relay,
    };
    insert_into(teams::table).values(row).execute(conn)?;
    Ok(())
}

/// Every team, by name; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<Team>, StoreError> {
    Ok(readable(teams::table.order(teams::name).load(conn)?, TeamRow::read))
}

/// The teams of a page, oldest first; with `own` that team alone. Damaged rows are logged and left out.
pub fn page(conn: &mut AnyConnection, own: Option<TeamId>, page: &Page) -> Result<Vec<Team>, StoreError> {
    use teams::dsl as row;
    let load = |page: &Page| {
        let mut query = row::teams.into_boxed().order((row::created_at, row::id)).limit(page.limit.into());
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.gt(*at).or(row::created_at.eq(*at).and(row::id.gt(id))));
        }
        if let Some(own) = own {
            query = query.filter(row::id.eq(own.to_string()));
        }
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &TeamRow| (row.created_at, row.id.clone()), TeamRow::read)
}

/// The team of this id; with `own` only where it is that one.
pub fn show(conn: &mut AnyConnection, id: TeamId, own: Option<TeamId>) -> Result<Option<Team>, StoreError> {
    if own.is_some_and(|own| own != id) {
        return Ok(None);
    }
    let row: Option<TeamRow> = teams::table.find(id.to_string()).first(conn).optional()?;
    row.map(TeamRow::read).transpose()
}

/// The team of this name.
pub fn find_by_name(conn: &mut AnyConnection, name: &str) -> Result<Option<Team>, StoreError> {
    let row: Option<TeamRow> = teams::table.filter(teams::name.eq(name)).first(conn).optional()?;
    row.map(TeamRow::read).transpose()
}

/// What a team wishes about its keys of which something looks wrong.
pub fn throttle_of(conn: &mut AnyConnection, id: TeamId) -> Result<Option<Wish>, StoreError> {
    let id = id.to_string();
    let text: Option<Option<String>> =
        teams::table.find(&id).select(teams::throttle).first(conn).optional()?;
    Reading { table: "teams", id: &id }.throttle("throttle", text.flatten().as_deref())
}

/// Changes a team; [`StoreError::Conflict`] where the new name is taken. Where its content is not to be kept any more,
/// what there is of it is erased.
pub fn update(
    conn: &mut AnyConnection,
    id: TeamId,
    change: &Change,
    expected_version: i64,
    now_ms: i64,
) -> Result<Changed<Team>, StoreError> {
    let erases = change.content_ttl_seconds == Some(None);
    let change = TeamChange {
        name: change.name.as_deref(),
        is_active: change.is_active,
        scope: change.scope.as_ref().map(written),
        shield: change.shield.map(ShieldMode::as_str),
        rate_limit: change.bounds.requests.map(wide),
        token_limit: change.bounds.tokens.map(wide),
        max_concurrent: change.bounds.concurrent.map(wide),
        content_ttl_seconds: change.content_ttl_seconds.map(wide),
        throttle: change.throttle.as_ref().map(|wish| wish.as_ref().map(throttle::written)),
        raw_relay: change.raw_relay,
        updated_at: now_ms,
    };
    let row = teams::table.find(id.to_string()).filter(teams::version.eq(expected_version));
    let rows = change_in(row).set((change, teams::version.eq(teams::version + 1))).execute(conn)?;
    if erases && rows > 0 {
        content::destroy_key(conn, id, Purpose::Content, now_ms)?;
    }
    Ok(changed(rows, show(conn, id, None)?))
}

/// Deletes a team that nothing belongs to. A key stays known when it is revoked, so a team that ever had
/// one can only be made inactive.
pub fn delete(conn: &mut AnyConnection, id: TeamId) -> Result<Removed, StoreError> {
    let id = id.to_string();
    let has_keys = select(exists(keys::table.filter(keys::team_id.eq(&id))));
    let has_users = select(exists(users::table.filter(users::team_id.eq(&id))));
    if has_keys.get_result(conn)? {
        let why = "`keys` belong to this team, revoked ones too; set its `is_active` to false instead";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    if has_users.get_result(conn)? {
        let why = "`users` belong to this team; delete or move them first";
        return Err(StoreError::Conflict(why.to_owned()));
    }
    Ok(Removed::of(delete_from(teams::table.find(id)).execute(conn)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exec::Store,
        repo::{key, user},
        sample,
    };

    #[test]
    fn a_team_is_shown_as_it_was_stored_and_each_change_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let mut now = Team {
            scope: sample::scope("gpt-*"),
            shield: ShieldMode::Block,
            bounds: Bounds { requests: Some(7), tokens: None, concurrent: Some(2) },
            is_active: false,
            ..sample::team(1, "red")
        };
        store.write_blocking(|conn| create(conn, &now)).unwrap();
        let changes: [fn(&mut Team, &mut Change); 12] = [
            |team, change| team.name = change.name.insert("crimson".into()).clone(),
            |team, change| team.is_active = *change.is_active.insert(true),
            |team, change| team.scope = change.scope.insert(sample::scope("claude-*")).clone(),
            |team, change| team.scope = change.scope.insert(Scope::default()).clone(),
            |team, change| team.shield = *change.shield.insert(ShieldMode::Off),
            |team, change| team.bounds.requests = *change.bounds.requests.insert(None),
            |team, change| team.bounds.tokens = *change.bounds.tokens.insert(Some(9)),
            |team, change| team.bounds.concurrent = *change.bounds.concurrent.insert(Some(3)),
            |team, change| team.content_ttl_seconds = *change.content_ttl_seconds.insert(Some(60)),
            |team, change| team.content_ttl_seconds = *change.content_ttl_seconds.insert(None),
            |team, change| team.raw_relay = *change.raw_relay.insert(true),
            |team, change| team.raw_relay = *change.raw_relay.insert(false),
        ];
        for (at, apply) in changes.into_iter().enumerate() {
            let mut change = Change::default();
            let seen = now.version;
            apply(&mut now, &mut change);
            (now.version, now.updated_at_ms) = (seen + 1, 100 + at as i64);
            let update = |version| {
                store
                    .write_blocking(|conn| update(conn, now.id, &change, version, now.updated_at_ms))
                    .unwrap()
            };
            assert_eq!(update(seen), Changed::Now(now.clone()));
            assert_eq!(update(seen), Changed::Stale);
            assert_eq!(store.read_blocking(|conn| show(conn, now.id, None)).unwrap(), Some(now.clone()));
        }
        let missing = sample::team(9, "").id;
        let update = store.write_blocking(|conn| update(conn, missing, &Change::default(), 1, 1)).unwrap();
        assert_eq!(update, Changed::Unknown);
    }

    #[test]
    fn a_name_is_taken_once_and_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let (red, blue) = (sample::team(1, "red"), sample::team(2, "blue"));
        let create = |team: &Team| store.write_blocking(|conn| create(conn, team));
        create(&red).unwrap();
        create(&blue).unwrap();
        let twin = create(&sample::team(3, "red")).unwrap_err();
        assert_eq!(twin.to_string(), "there is one with the same `name` already");
        let change = Change { name: Some("red".into()), ..Change::default() };
        let renamed = store.write_blocking(|conn| update(conn, blue.id, &change, 1, 2));
        assert!(matches!(renamed, Err(StoreError::Conflict(_))), "{renamed:?}");
        let found = |name: &str| store.read_blocking(|conn| find_by_name(conn, name)).unwrap();
        assert_eq!((found("red"), found("green")), (Some(red.clone()), None));
        assert_eq!(store.read_blocking(list).unwrap(), [blue, red]);
    }

    #[test]
    fn a_team_sees_itself_only_and_pages_go_on_where_the_last_one_ended() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let teams: Vec<_> = [(1, 5), (2, 5), (3, 4), (4, 6)]
            .map(|(number, created_at_ms)| Team {
                created_at_ms,
                ..sample::team(number, &number.to_string())
            })
            .into();
        let [one, two, three, four] = [0, 1, 2, 3].map(|at: usize| teams[at].clone());
        store.write_blocking(|conn| teams.iter().try_for_each(|team| create(conn, team))).unwrap();
        let page =
            |own, after, limit| store.read_blocking(|conn| page(conn, own, &Page { after, limit })).unwrap();
        assert_eq!(page(None, None, 2), [three, one.clone()]);
        assert_eq!(page(None, Some((5, one.id.to_string())), 9), [two, four.clone()]);
        assert_eq!(page(Some(four.id), None, 9), std::slice::from_ref(&four));
        let show = |own| store.read_blocking(|conn| show(conn, four.id, own)).unwrap();
        assert_eq!((show(Some(four.id)), show(Some(one.id))), (Some(four.clone()), None));
    }

    #[test]
    fn a_team_goes_only_when_nothing_belongs_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let teams = [1, 2, 3].map(|number| sample::team(number, &number.to_string()));
        store
            .write_blocking(|conn| {
                teams.iter().try_for_each(|team| create(conn, team))?;
                key::create(conn, &key::Key { team: Some(teams[0].id), ..sample::key(1) })?;
                user::create(conn, &user::User { team: Some(teams[1].id), ..sample::user(1) })
            })
            .unwrap();
        let delete = |team: &Team| store.write_blocking(|conn| delete(conn, team.id));
        for (team, hangs) in [(&teams[0], "`keys`"), (&teams[1], "`users`")] {
            let refused = delete(team).unwrap_err();
            assert!(matches!(&refused, StoreError::Conflict(why) if why.starts_with(hangs)), "{refused}");
        }
        assert_eq!(delete(&teams[2]).unwrap(), Removed::Now);
        assert_eq!(delete(&teams[2]).unwrap(), Removed::Unknown);
    }
}
