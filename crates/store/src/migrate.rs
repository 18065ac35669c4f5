//! The schema: made, shown and taken back, from migrations inside the program.
//!
//! Each call is one write transaction, so two processes starting at once take turns, and a failed
//! migration leaves the database as it was.

use diesel::{
    SqliteConnection,
    migration::{Migration as _, MigrationSource, MigrationVersion},
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{connection::AnyConnection, error::StoreError, exec::Store};

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

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
    on_sqlite(store, |conn| {
        refuse_newer(conn)?;
        let missing = conn.pending_migrations(SQLITE).map_err(StoreError::Migration)?;
        missing
            .iter()
            .map(|migration| {
                conn.run_migration(migration).map_err(StoreError::Migration)?;
                Ok(migration.name().to_string())
            })
            .collect()
    })
}

/// Every migration this program knows, oldest first.
pub fn status(store: &Store) -> Result<Vec<Migration>, StoreError> {
    on_sqlite(store, |conn| {
        let applied = conn.applied_migrations().map_err(StoreError::Migration)?;
        let known = known()?;
        Ok(known
            .into_iter()
            .map(|(version, name)| Migration { name, is_applied: applied.contains(&version) })
            .collect())
    })
}

/// Takes the newest applied migration back and names it; the data in what it made is gone.
pub fn revert(store: &Store) -> Result<Option<String>, StoreError> {
    on_sqlite(store, |conn| {
        refuse_newer(conn)?;
        if conn.applied_migrations().map_err(StoreError::Migration)?.is_empty() {
            return Ok(None);
        }
        let version = conn.revert_last_migration(SQLITE).map_err(StoreError::Migration)?;
        Ok(known()?.into_iter().find_map(|(known, name)| (known == version).then_some(name)))
    })
}

fn on_sqlite<T>(
    store: &Store,
    work: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    store.write_blocking(|conn| match conn {
        AnyConnection::Sqlite(conn) => work(conn),
        AnyConnection::Postgres(_) => Err(StoreError::PostgresNotThere),
    })
}

fn known() -> Result<Vec<(MigrationVersion<'static>, String)>, StoreError> {
    let mut known: Vec<_> = MigrationSource::<Sqlite>::migrations(&SQLITE)
        .map_err(StoreError::Migration)?
        .iter()
        .map(|migration| (migration.name().version().as_owned(), migration.name().to_string()))
        .collect();
    known.sort();
    Ok(known)
}

fn refuse_newer(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let known = known()?;
    let applied = conn.applied_migrations().map_err(StoreError::Migration)?;
    match applied.iter().find(|version| !known.iter().any(|(known, _)| known == *version)) {
        Some(foreign) => Err(StoreError::NewerSchema(foreign.to_string())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use diesel::{Connection, QueryDsl, RunQueryDsl, connection::SimpleConnection};

    use super::*;

    diesel::table! {
        sqlite_master (name) {
            name -> Text,
            sql -> Nullable<Text>,
        }
    }

    fn dump(store: &Store) -> Vec<(String, Option<String>)> {
        let mut tables: Vec<(String, Option<String>)> =
            store.read_blocking(|conn| Ok(sqlite_master::table.load(conn)?)).unwrap();
        tables.sort();
        tables
    }

    #[test]
    fn up_down_up_leaves_an_equal_schema() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let first = dump(&store);
        assert!(status(&store).unwrap().iter().all(|migration| migration.is_applied));
        assert!(run(&store).unwrap().is_empty(), "a second run has nothing to do");
        while revert(&store).unwrap().is_some() {}
        assert!(dump(&store).iter().all(|(name, _)| name.contains("__diesel")), "{:?}", dump(&store));
        assert!(status(&store).unwrap().iter().all(|migration| !migration.is_applied));
        let names: Vec<_> = status(&store).unwrap().into_iter().map(|migration| migration.name).collect();
        assert_eq!(run(&store).unwrap(), names);
        assert_eq!(dump(&store), first);
    }

    #[test]
    fn a_providers_key_becomes_a_credential_and_back_and_nothing_bounded_becomes_unbounded() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        while revert(&store).unwrap().unwrap() != "00000000000002_tenancy" {}
        let path = folder.path().join("nexus.db");
        let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        other
            .batch_execute(
                "INSERT INTO teams VALUES ('t', 't', TRUE, 1, 1);
                 INSERT INTO keys VALUES ('plain', 't', 'app', '', '', 5, NULL, NULL),
                     ('bounded', 't', 'app', '', '', 5, NULL, NULL);
                 INSERT INTO service_providers (id, name, api_key_sealed, kind, endpoint, weight,
                         allow_private_network, is_active, created_at, updated_at)
                     VALUES ('with', 'a', 'sealed', 'k', 'e', 1, 0, 1, 3, 4),
                         ('without', 'b', NULL, 'k', 'e', 1, 0, 1, 3, 4);",
            )
            .unwrap();
        run(&store).unwrap();
        use crate::schema::{keys::dsl as k, provider_credentials::dsl as c};
        let columns = (c::id, c::provider_id, c::name, c::api_key_sealed, c::generation);
        let credentials: Vec<(String, String, String, String, i64)> =
            store.read_blocking(|conn| Ok(c::provider_credentials.select(columns).load(conn)?)).unwrap();
        let [id, name, sealed] = ["with", "default", "sealed"].map(str::to_owned);
        assert_eq!(credentials, [(id.clone(), id, name, sealed, 0)]);
        let keys: Vec<(String, String, i64)> = store
            .read_blocking(|conn| Ok(k::keys.select((k::scope, k::form, k::updated_at)).load(conn)?))
            .unwrap();
        assert_eq!(keys, vec![("{}".to_owned(), "jwt".to_owned(), 5); 2]);
        other
            .batch_execute(
                "UPDATE keys SET scope = '{\"models\":[]}' WHERE id = 'bounded';
                 INSERT INTO keys (id, level, form, digest, name, token_last_four, created_at)
                     VALUES ('short', 'app', 'opaque', 'd', '', '', 5);",
            )
            .unwrap();
        while revert(&store).unwrap().unwrap() != "00000000000002_tenancy" {}
        let columns = (k::id, k::revoked_at);
        let keys: Vec<(String, Option<i64>)> =
            store.read_blocking(|conn| Ok(k::keys.select(columns).order(k::id).load(conn)?)).unwrap();
        assert_eq!(keys, [("bounded".to_owned(), Some(5)), ("plain".to_owned(), None)]);
        other
            .batch_execute(
                "CREATE TEMP TABLE one (a CHECK (a = 1));
                 INSERT INTO one SELECT count(*) FROM service_providers WHERE api_key_sealed = 'sealed';",
            )
            .unwrap();
    }

    #[test]
    fn columns_of_tokens_become_rows_of_quantities_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        while revert(&store).unwrap().unwrap() != "00000000000005_quantities" {}
        let path = folder.path().join("nexus.db");
        let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        other
            .batch_execute(
                "INSERT INTO usage_hours VALUES (7, 'c', 3, 0, 10, 0, 20, 30, 0, 0, 0);
                 INSERT INTO usage_attempts VALUES ('a', 'r', 1, 'c', 'answered', 200,
                     '{\"input\":1,\"cache_write\":2}', 'provider', NULL, NULL, 1, NULL, 1);",
            )
            .unwrap();
        run(&store).unwrap();
        use crate::schema::{usage_attempts::dsl as a, usage_hours::dsl as h};
        let sums: Vec<(String, i64)> = store
            .read_blocking(|conn| Ok(h::usage_hours.select((h::measure, h::amount)).load(conn)?))
            .unwrap();
        let expected =
            [("requests", 1), ("attempts", 3), ("cache_write_5m", 20), ("input", 10), ("output", 30)];
        assert_eq!(sums, expected.map(|(measure, amount)| (measure.to_owned(), amount)));
        let quantities: String =
            store.read_blocking(|conn| Ok(a::usage_attempts.select(a::quantities).first(conn)?)).unwrap();
        assert_eq!(quantities, r#"{"input":1,"cache_write_5m":2}"#);
        while revert(&store).unwrap().unwrap() != "00000000000005_quantities" {}
        other
            .batch_execute(
                "CREATE TEMP TABLE one (a CHECK (a = 1));
                 INSERT INTO one SELECT count(*) FROM usage_hours WHERE attempts = 3 AND input = 10
                     AND cache_write = 20 AND output = 30 AND audio_out = 0;
                 INSERT INTO one SELECT count(*) FROM usage_attempts WHERE quantities LIKE '%\"cache_write\":2%';",
            )
            .unwrap();
    }

    #[test]
    fn a_newer_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let path = folder.path().join("nexus.db");
        let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        other.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99999')").unwrap();
        assert!(matches!(run(&store), Err(StoreError::NewerSchema(version)) if version == "99999"));
    }

    #[test]
    fn starting_at_once_the_schema_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/nexus.db", folder.path().display());
        let made: usize = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..4).map(|_| scope.spawn(|| run(&Store::open(&url).unwrap()).unwrap().len())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).sum()
        });
        assert_eq!(made, known().unwrap().len());
    }
}
