//! Databases for tests: a SQLite file in a folder, or, where `NEXUS_TEST_POSTGRES` names a server, a schema there
//! named after the folder. The same tests run on either.

use std::{path::Path, time::Duration};

use diesel::{Connection, PgConnection, QueryResult, SqliteConnection, connection::SimpleConnection};

use crate::{exec::Store, migrate};

/// The PostgreSQL server the tests are to run on: a user there who may do everything.
#[expect(clippy::disallowed_methods, reason = "the workshop says where the server is")]
pub(crate) fn postgres() -> Option<String> {
    std::env::var("NEXUS_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

/// The URL of the folder's database, which is empty where it is new.
pub(crate) fn url(folder: &Path) -> String {
    let Some(server) = postgres() else { return format!("sqlite://{}/nexus.db", folder.display()) };
    let name = folder.file_name().unwrap().to_str().unwrap();
    let schema = name.bytes().fold("test_".to_owned(), |schema, byte| format!("{schema}{byte:02x}"));
    let created = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
    PgConnection::establish(&server).unwrap().batch_execute(&created).unwrap();
    format!("{server}?options=-csearch_path%3D{schema}")
}

/// Statements as anybody could send them who has the database.
pub(crate) fn execute(folder: &Path, statements: &str) -> QueryResult<()> {
    let url = url(folder);
    match url.strip_prefix("sqlite://") {
        Some(path) => SqliteConnection::establish(path).unwrap().batch_execute(statements),
        None => PgConnection::establish(&url).unwrap().batch_execute(statements),
    }
}

/// The statement with no foreign key in its way, and on PostgreSQL no trigger.
pub(crate) fn unchecked(statement: &str) -> String {
    match postgres() {
        Some(_) => format!("SET session_replication_role = replica; {statement}"),
        None => format!("PRAGMA foreign_keys = OFF; {statement}"),
    }
}

impl Store {
    /// A migrated database of this folder, waited for long, however busy the machine.
    pub(crate) fn scratch(folder: &Path) -> Self {
        let store = Self::open_within(&url(folder), Duration::from_secs(60)).unwrap();
        migrate::run(&store).unwrap();
        store
    }
}
