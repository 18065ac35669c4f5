//! The schema: made, shown and taken back, from migrations inside the program.
//!
//! Each call is one write transaction, so two processes starting at once take turns, and a failed
//! migration leaves the database as it was.

mod keeping;

#[cfg(test)]
mod tests;

use diesel::{
    PgConnection, SqliteConnection,
    backend::Backend,
    connection::SimpleConnection,
    migration::{Migration as _, MigrationSource, MigrationVersion},
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{connection::AnyConnection, error::StoreError, exec::Store};

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// A migration and whether the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    pub name: String,
    pub is_applied: bool,
}

/// Applies what is missing, oldest first, and names it.
///
/// Refuses a database that has migrations this program does not know.
pub fn run(store: &Store) -> Result<Vec<String>, StoreError> {
    let on_sqlite = |conn: &mut SqliteConnection, source: EmbeddedMigrations| {
        if conn.has_pending_migration(SQLITE).map_err(StoreError::Migration)? {
            keeping::stop(conn)?;
        }
        let names = run_on(conn, source)?;
        keeping::start(conn)?;
        Ok(names)
    };
    on_either(store, on_sqlite, run_on)
}

/// Every migration this program knows, oldest first.
pub fn status(store: &Store) -> Result<Vec<Migration>, StoreError> {
    on_either(store, |conn, _| status_of(conn), |conn, _| status_of(conn))
}

/// Takes the newest applied migration back and names it; the data in what it made is gone.
pub fn revert(store: &Store) -> Result<Option<String>, StoreError> {
    let on_sqlite = |conn: &mut SqliteConnection, source| {
        keeping::stop(conn)?;
        revert_on(conn, source)
    };
    on_either(store, on_sqlite, revert_on)
}

/// The same work on whichever database it is, with the migrations for it. No statement is given up for its time.
fn on_either<T>(
    store: &Store,
    on_sqlite: impl FnOnce(&mut SqliteConnection, EmbeddedMigrations) -> Result<T, StoreError>,
    on_postgres: impl FnOnce(&mut PgConnection, EmbeddedMigrations) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    store.write_blocking(|conn| match conn {
        AnyConnection::Sqlite(conn) => on_sqlite(conn, SQLITE),
        AnyConnection::Postgres(conn) => {
            conn.batch_execute("SET LOCAL statement_timeout = 0")?;
            on_postgres(conn, POSTGRES)
        }
    })
}

fn run_on<DB: Backend>(
    conn: &mut impl MigrationHarness<DB>,
    source: EmbeddedMigrations,
) -> Result<Vec<String>, StoreError> {
    refuse_newer(conn)?;
    let missing = conn.pending_migrations(source).map_err(StoreError::Migration)?;
    missing
        .iter()
        .map(|migration| {
            conn.run_migration(migration).map_err(StoreError::Migration)?;
            Ok(migration.name().to_string())
        })
        .collect()
}

fn status_of<DB: Backend>(conn: &mut impl MigrationHarness<DB>) -> Result<Vec<Migration>, StoreError> {
    let applied = conn.applied_migrations().map_err(StoreError::Migration)?;
    let state = |(version, name)| Migration { name, is_applied: applied.contains(&version) };
    Ok(known()?.into_iter().map(state).collect())
}

fn revert_on<DB: Backend>(
    conn: &mut impl MigrationHarness<DB>,
    source: EmbeddedMigrations,
) -> Result<Option<String>, StoreError> {
    refuse_newer(conn)?;
    if conn.applied_migrations().map_err(StoreError::Migration)?.is_empty() {
        return Ok(None);
    }
    let version = conn.revert_last_migration(source).map_err(StoreError::Migration)?;
    Ok(known()?.into_iter().find_map(|(known, name)| (known == version).then_some(name)))
}

/// Both databases have the same ones.
fn known() -> Result<Vec<(MigrationVersion<'static>, String)>, StoreError> {
    let mut known: Vec<_> = MigrationSource::<Sqlite>::migrations(&SQLITE)
        .map_err(StoreError::Migration)?
        .iter()
        .map(|migration| (migration.name().version().as_owned(), migration.name().to_string()))
        .collect();
    known.sort();
    Ok(known)
}

fn refuse_newer<DB: Backend>(conn: &mut impl MigrationHarness<DB>) -> Result<(), StoreError> {
    let known = known()?;
    let applied = conn.applied_migrations().map_err(StoreError::Migration)?;
    match applied.iter().find(|version| !known.iter().any(|(known, _)| known == *version)) {
        Some(foreign) => Err(StoreError::NewerSchema(foreign.to_string())),
        None => Ok(()),
    }
}
