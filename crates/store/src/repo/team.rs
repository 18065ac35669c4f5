//! Teams: the tenants keys and bookings belong to.

use diesel::{
    ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl, dsl::insert_into,
    dsl::update,
};
use nexus_core::id::TeamId;

use crate::{
    connection::AnyConnection,
    error::StoreError,
    row::{Reading, readable},
    schema::teams,
};

/// A team as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    pub id: TeamId,
    pub name: String,
    /// Whether the team's keys are admitted.
    pub is_active: bool,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = teams)]
struct TeamRow {
    id: String,
    name: String,
    is_active: bool,
    created_at: i64,
    updated_at: i64,
}

impl TeamRow {
    fn read(self) -> Result<Team, StoreError> {
        Ok(Team {
            id: Reading { table: "teams", id: &self.id }.id("id", &self.id)?,
            name: self.name,
            is_active: self.is_active,
            created_at_ms: self.created_at,
            updated_at_ms: self.updated_at,
        })
    }
}

/// Stores a new team; [`StoreError::Conflict`] where the name is taken.
pub fn create(conn: &mut AnyConnection, team: &Team) -> Result<(), StoreError> {
    let row = TeamRow {
        id: team.id.to_string(),
        name: team.name.clone(),
        is_active: team.is_active,
        created_at: team.created_at_ms,
        updated_at: team.updated_at_ms,
    };
    insert_into(teams::table).values(row).execute(conn)?;
    Ok(())
}

/// Every team, by name; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<Team>, StoreError> {
    Ok(readable(teams::table.order(teams::name).load(conn)?, TeamRow::read))
}

/// The team of this name.
pub fn find_by_name(conn: &mut AnyConnection, name: &str) -> Result<Option<Team>, StoreError> {
    let row: Option<TeamRow> = teams::table.filter(teams::name.eq(name)).first(conn).optional()?;
    row.map(TeamRow::read).transpose()
}

/// Refuses the team's keys from now on. False where there is no such team.
pub fn disable(conn: &mut AnyConnection, id: TeamId, now_ms: i64) -> Result<bool, StoreError> {
    switch(conn, id, false, now_ms)
}

/// Admits the team's keys again. False where there is no such team.
pub fn enable(conn: &mut AnyConnection, id: TeamId, now_ms: i64) -> Result<bool, StoreError> {
    switch(conn, id, true, now_ms)
}

fn switch(conn: &mut AnyConnection, id: TeamId, is_active: bool, now_ms: i64) -> Result<bool, StoreError> {
    let change = (teams::is_active.eq(is_active), teams::updated_at.eq(now_ms));
    Ok(update(teams::table.find(id.to_string())).set(change).execute(conn)? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exec::Store, sample};

    #[test]
    fn a_team_is_stored_found_disabled_and_enabled() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let team = sample::team(1, "red");
        store.write_blocking(|conn| create(conn, &team)).unwrap();
        let twin = store.write_blocking(|conn| create(conn, &sample::team(2, "red")));
        assert!(matches!(twin, Err(StoreError::Conflict(_))), "{twin:?}");
        let found = |name: &str| store.read_blocking(|conn| find_by_name(conn, name)).unwrap();
        assert_eq!((found("red"), found("blue")), (Some(team.clone()), None));
        assert!(store.write_blocking(|conn| disable(conn, team.id, 9)).unwrap());
        let disabled = Team { is_active: false, updated_at_ms: 9, ..team.clone() };
        assert_eq!(store.read_blocking(list).unwrap(), [disabled]);
        assert!(store.write_blocking(|conn| enable(conn, team.id, 10)).unwrap());
        assert!(found("red").unwrap().is_active);
        assert!(!store.write_blocking(|conn| disable(conn, sample::team(3, "").id, 9)).unwrap());
    }
}
