//! What requests are decided by, kept in a small SQLite file of the node's own: it starts from that while the database
//! is away.
//!
//! The file has the schema of the database and those rows the world is read from, as they are: secrets are sealed in it
//! as they are there. It is one state of the database, for both sides are read and written in one transaction each.

use std::path::{Path, PathBuf};

use diesel::{
    ExpressionMethods, RunQueryDsl, SqliteConnection, connection::DefaultLoadingMode, dsl::update, sql_query,
    sql_types::Text,
};

use crate::{
    connection::AnyConnection,
    copying::{self, Line, Table},
    error::StoreError,
    exec::Store,
    migrate,
    repo::setting,
    schema::world_revision,
    upsert, world,
};

/// The tables the world is read from, and which of their rows; `NOW` is in Unix milliseconds. No row refers to one
/// of a later table.
const TABLES: &[(&str, &str)] = &[
    ("teams", "TRUE"),
    (
        "keys",
        "(expires_at IS NULL OR expires_at > NOW) AND (level <> 'session' OR version > 1 OR revoked_at IS NOT NULL)",
    ),
    ("service_providers", "TRUE"),
    ("provider_credentials", "TRUE"),
    ("model_routes", "TRUE"),
    ("routing_rules", "TRUE"),
    ("prices", "TRUE"),
    ("quotas", "TRUE"),
    ("anomalies", "throttle_until > NOW"),
    ("data_keys", "TRUE"),
    // how far journals are shipped is nothing of the world
    ("settings", "name NOT LIKE 'usage_journal/%'"),
];

/// Under which setting of the file stands when it was written, in Unix milliseconds.
const KEPT_AT: &str = "kept_world_at";
/// How much goes over in one statement.
const BATCH_ROWS: usize = 1_000;

/// The file.
pub struct KeptWorld {
    store: Store,
    path: PathBuf,
}

impl KeptWorld {
    /// Opens the file, or makes it. One that cannot be used is made anew: it is a copy.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let kept = Self::present(path).or_else(|error| {
            tracing::warn!(%error, "the world kept on disk cannot be used and is made anew");
            for suffix in ["", "-wal", "-shm"] {
                let mut name = path.as_os_str().to_owned();
                name.push(suffix);
                let _not_there = std::fs::remove_file(name);
            }
            Self::present(path)
        })?;
        Ok(kept)
    }

    fn present(path: &Path) -> Result<Self, StoreError> {
        let store = Store::open(&format!("sqlite://{}", path.display()))?;
        migrate::run(&store)?;
        Ok(Self { store, path: path.to_owned() })
    }

    /// What the file holds, and when it was written; `None` where there is none, or nothing in it.
    pub fn find(path: &Path) -> Result<Option<(Store, i64)>, StoreError> {
        if !path.is_file() {
            return Ok(None);
        }
        let Self { store, .. } = Self::present(path)?;
        let at = store.read_blocking(|conn| setting::find(conn, KEPT_AT))?;
        Ok(at.and_then(|at_ms| at_ms.parse().ok()).map(|at_ms| (store, at_ms)))
    }

    /// Puts the present state of the database in the place of what was kept. Returns its revision.
    pub fn keep(&self, database: &Store, now_ms: i64) -> Result<i64, StoreError> {
        let revision = database.read_blocking(|source| {
            let revision = world::revision(source)?;
            self.store.write_blocking(|target| {
                let AnyConnection::Sqlite(file) = &mut *target else {
                    return Err(StoreError::BadUrl("names no file"));
                };
                copy(source, file, now_ms)?;
                update(world_revision::table).set(world_revision::revision.eq(revision)).execute(file)?;
                upsert::set(target, KEPT_AT, &now_ms.to_string())?;
                Ok(revision)
            })
        })?;
        tracing::debug!(revision, path = %self.path.display(), "the world is kept on disk");
        Ok(revision)
    }
}

fn copy(source: &mut AnyConnection, target: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    let known = copying::tables(target)?;
    let tables = TABLES.iter().filter_map(|(name, which)| {
        let table = known.iter().find(|table| table.name == *name)?;
        Some((table, *which))
    });
    let tables: Vec<(&Table, &str)> = tables.collect();
    for (table, _) in tables.iter().rev() {
        run(target, &format!("DELETE FROM \"{}\"", table.name))?;
    }
    for (table, which) in tables {
        let (mut batch, mut rows) = ("[".to_owned(), 0_usize);
        for line in lines(source, table, which, now_ms)? {
            if rows > 0 {
                batch.push(',');
            }
            batch.push_str(&line);
            rows = rows.saturating_add(1);
            if rows >= BATCH_ROWS {
                insert(target, table, &mut batch)?;
                rows = 0;
            }
        }
        insert(target, table, &mut batch)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the names in these statements are those of our migrations")]
fn run(target: &mut SqliteConnection, statement: &str) -> Result<(), StoreError> {
    sql_query(statement).execute(target)?;
    Ok(())
}

/// Each row as a JSON object.
#[expect(clippy::disallowed_methods, reason = "the names in these statements are those of our migrations")]
fn lines(
    source: &mut AnyConnection,
    table: &Table,
    which: &str,
    now_ms: i64,
) -> Result<Vec<String>, StoreError> {
    let members = table.each(|column, _| format!("'{column}', \"{column}\""));
    let rows = format!("FROM \"{}\" WHERE {}", table.name, which.replace("NOW", &now_ms.to_string()));
    let lines = match source {
        AnyConnection::Sqlite(conn) => {
            let query = sql_query(format!("SELECT json_object({members}) AS line {rows}"));
            query.load_iter::<Line, DefaultLoadingMode>(conn)?.collect::<Result<Vec<_>, _>>()?
        }
        AnyConnection::Postgres(conn) => {
            let query = sql_query(format!("SELECT json_build_object({members})::text AS line {rows}"));
            query.load_iter::<Line, DefaultLoadingMode>(conn)?.collect::<Result<Vec<_>, _>>()?
        }
    };
    Ok(lines.into_iter().map(|Line { line }| line).collect())
}

/// Puts the batch in and begins a new one.
#[expect(clippy::disallowed_methods, reason = "the names in these statements are those of our migrations")]
fn insert(target: &mut SqliteConnection, table: &Table, batch: &mut String) -> Result<(), StoreError> {
    batch.push(']');
    let columns = table.each(|column, _| format!("\"{column}\""));
    let values = table.each(|column, _| format!("json_extract(value, '$.{column}')"));
    let insert = format!("INSERT INTO \"{}\" ({columns}) SELECT {values} FROM json_each(?1)", table.name);
    sql_query(insert).bind::<Text, _>(batch.as_str()).execute(target)?;
    batch.clear();
    batch.push('[');
    Ok(())
}

#[cfg(test)]
mod tests {
    use diesel::QueryDsl as _;

    use super::*;
    use crate::{
        repo::{key, provider, route, team},
        sample,
        schema::keys,
    };

    fn fill(store: &Store) {
        store
            .write_blocking(|conn| {
                let (red, azure) = (sample::team(1, "réd \"one\""), sample::provider(1, "azure"));
                team::create(conn, &red)?;
                key::create(
                    conn,
                    &key::Key { team: Some(red.id), expires_at_ms: Some(i64::MAX), ..sample::key(1) },
                )?;
                key::create(conn, &sample::key(2))?;
                provider::apply(conn, &azure, 5)?;
                route::apply(conn, &sample::route(1, "gpt", azure.id), 5)?;
                setting::put(conn, "usage_journal/1", "1:2")?;
                setting::put(conn, "a", "b\\c\n")
            })
            .unwrap();
    }

    #[test]
    fn what_is_kept_is_the_world_as_it_was_last_with_no_row_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let (database, path) = (Store::scratch(folder.path()), folder.path().join("world.db"));
        fill(&database);
        assert!(KeptWorld::find(&path).unwrap().is_none());
        let kept = KeptWorld::open(&path).unwrap();
        assert!(KeptWorld::find(&path).unwrap().is_none(), "nothing is in it yet");
        for kept_ms in [2_000_i64, 3_000] {
            let another = sample::team(kept_ms.unsigned_abs(), &format!("team {kept_ms}"));
            database.write_blocking(|conn| team::create(conn, &another)).unwrap();
            let revision = kept.keep(&database, kept_ms).unwrap();
            let (file, at_ms) = KeptWorld::find(&path).unwrap().unwrap();
            assert_eq!(at_ms, kept_ms);
            let read = |store: &Store| {
                store
                    .read_blocking(|conn| Ok((world::load(conn, None, kept_ms)?, team::list(conn)?)))
                    .unwrap()
            };
            let ((here, own_teams), (there, teams)) = (read(&file), read(&database));
            assert_eq!((here.revision, own_teams), (revision, teams));
            assert_eq!(here.revision, there.revision);
            let said = |world: &world::StoredWorld| format!("{:?}", world.snapshot.catalogue.all().count());
            assert_eq!(said(&here), said(&there));
            let text = |name: &str| file.read_blocking(|conn| setting::find(conn, name)).unwrap();
            assert_eq!(text("a").as_deref(), Some("b\\c\n"));
            assert_eq!(text("usage_journal/1"), None);
            let keys =
                file.read_blocking(|conn| Ok(keys::table.select(keys::id).load::<String>(conn)?)).unwrap();
            assert_eq!(keys, [sample::uuid(1).to_string()], "an expired key is not kept");
        }
    }

    #[test]
    fn a_file_that_is_no_database_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (database, path) = (Store::scratch(folder.path()), folder.path().join("world.db"));
        std::fs::write(&path, "no database, however long it is looked at".repeat(100)).unwrap();
        assert!(KeptWorld::find(&path).is_err());
        KeptWorld::open(&path).unwrap().keep(&database, 1).unwrap();
        assert!(KeptWorld::find(&path).unwrap().is_some());
    }
}
