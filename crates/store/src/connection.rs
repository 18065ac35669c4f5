//! One connection type over two databases, how each is opened, and how transactions begin.
//!
//! The scheme of the URL decides, nothing else; every pragma a SQLite connection needs is set here,
//! before anyone else sees it.

mod postgres;

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use diesel::{
    Connection, PgConnection, QueryResult, SqliteConnection,
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager},
    r2d2::R2D2Connection,
};

use crate::error::StoreError;

/// A connection to whichever database the URL named.
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// Adds what stands whatever else is added at the same time.
    Append,
    /// Looks and changes, while nobody else changes anything.
    Write,
}

impl AnyConnection {
    /// Begins a transaction: a writer takes its lock at once, a reader sees one state to its end.
    pub(crate) fn begin(&mut self, access: Access) -> QueryResult<()> {
        match (self, access) {
            (AnyConnection::Sqlite(conn), Access::Write | Access::Append) => {
                AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")
            }
            (AnyConnection::Sqlite(conn), Access::Read) => AnsiTransactionManager::begin_transaction(conn),
            (AnyConnection::Postgres(conn), access) => postgres::begin(conn, access),
        }
    }

    /// Makes the transaction's changes stand.
    pub(crate) fn commit(&mut self) -> QueryResult<()> {
        <Self as Connection>::TransactionManager::commit_transaction(self)
    }

    /// Undoes the transaction's changes.
    pub(crate) fn roll_back(&mut self) -> QueryResult<()> {
        <Self as Connection>::TransactionManager::rollback_transaction(self)
    }
}

pub(crate) use postgres::open as open_postgres;

/// Where the database is. There is no `Debug`: a PostgreSQL URL may hold a password.
#[derive(Clone)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Place {
    /// Reads a database URL; `sqlite://a/b` is relative, `sqlite:///a/b` absolute.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Place::Postgres(url.to_owned()));
        }
        let path = url.strip_prefix("sqlite://").ok_or(StoreError::BadUrl("has no known scheme"))?;
        if path.is_empty() || path.ends_with('/') {
            return Err(StoreError::BadUrl("names no file"));
        }
        if path.contains(['?', '#', '%', '\0']) || path == ":memory:" {
            return Err(StoreError::BadUrl("has more than a plain path after `sqlite://`"));
        }
        // `./` keeps SQLite from reading a relative path such as `file:x` as a URI of its own
        Ok(Place::Sqlite(if path.starts_with('/') { path.into() } else { Path::new(".").join(path) }))
    }

    /// Makes the SQLite file and its folder where they are missing, readable by their owner only.
    pub(crate) fn prepare(&self) -> Result<(), StoreError> {
        let Place::Sqlite(path) = self else { return Ok(()) };
        make_private(path).map_err(|source| StoreError::File { path: path.clone(), source })
    }
}

/// SQLite gives the write-ahead log the rights of the main file, so making that one first is enough;
/// files left from a time of wider rights are narrowed.
fn make_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match File::open(&name) {
            Ok(file) if file.metadata()?.permissions().mode() & 0o077 != 0 => {
                file.set_permissions(Permissions::from_mode(0o600))?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The pool's way to make and judge connections.
pub(crate) struct Opening {
    pub(crate) place: Place,
    pub(crate) access: Access,
}

/// Why a connection could not be opened or does not answer, without anything of its URL.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct OpenError(String);

impl r2d2::ManageConnection for Opening {
    type Connection = AnyConnection;
    type Error = OpenError;

    fn connect(&self) -> Result<AnyConnection, OpenError> {
        match &self.place {
            Place::Sqlite(path) => open_sqlite(path, self.access).map(AnyConnection::Sqlite),
            Place::Postgres(url) => postgres::open(url).map(AnyConnection::Postgres).map_err(OpenError),
        }
    }

    fn is_valid(&self, conn: &mut AnyConnection) -> Result<(), OpenError> {
        conn.ping().map_err(|error| OpenError(error.to_string()))
    }

    fn has_broken(&self, conn: &mut AnyConnection) -> bool {
        std::thread::panicking() || conn.is_broken()
    }
}

fn open_sqlite(path: &Path, access: Access) -> Result<SqliteConnection, OpenError> {
    let path = path.to_str().ok_or_else(|| OpenError("the database path is not UTF-8".to_owned()))?;
    let mut conn = SqliteConnection::establish(path).map_err(|error| OpenError(error.to_string()))?;
    // the busy time-out comes first: switching to WAL already needs it when two processes start at once
    // a new file has pages of 16 KiB, which hold some thirty rows of usage, where 4 KiB split at every eighth
    // what is deleted is overwritten, so that a sealed secret is gone with its row
    let pragmas = match access {
        Access::Write | Access::Append => {
            "PRAGMA busy_timeout = 5000; PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; \
             PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;"
        }
        Access::Read => {
            "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; \
             PRAGMA query_only = ON;"
        }
    };
    conn.batch_execute(pragmas).map_err(|error| OpenError(error.to_string()))?;
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_decides_and_what_is_no_plain_path_is_refused() {
        for (url, expected) in [
            ("sqlite://data/nexus.db", Some("./data/nexus.db")),
            ("sqlite:///var/lib/nexus.db", Some("/var/lib/nexus.db")),
            ("sqlite://file:x", Some("./file:x")),
            ("postgres://user:secret@host/name", Some("postgres")),
            ("postgresql://host/name", Some("postgres")),
            ("sqlite::memory:", None),
            ("sqlite://:memory:", None),
            ("sqlite://", None),
            ("sqlite://folder/", None),
            ("sqlite://x.db?mode=ro", None),
            ("mysql://host/name", None),
            ("", None),
        ] {
            let read = Place::parse(url).ok().map(|place| match place {
                Place::Sqlite(path) => path.to_str().unwrap().to_owned(),
                Place::Postgres(_) => "postgres".to_owned(),
            });
            assert_eq!(read.as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn the_file_and_its_log_are_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/nexus.db");
        let place = Place::Sqlite(path.clone());
        place.prepare().unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        place.prepare().unwrap();
        let mut conn = open_sqlite(&path, Access::Write).unwrap();
        conn.batch_execute("CREATE TABLE t (a); INSERT INTO t VALUES (1);").unwrap();
        for (name, mode) in [("made", 0o700), ("made/nexus.db", 0o600), ("made/nexus.db-wal", 0o600)] {
            let found = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{name}");
        }
    }

    #[test]
    fn a_password_in_a_url_never_reaches_an_error() {
        for url in
            ["postgres://u:hunter2@127.0.0.1:1/n", "postgres://u:hun@ter2@[x/n", "postgres://h:hunter2/n"]
        {
            let opening = Opening { place: Place::parse(url).unwrap(), access: Access::Write };
            let Err(error) = r2d2::ManageConnection::connect(&opening) else { panic!("{url} connected") };
            assert!(!format!("{error} {error:?}").contains("ter2"), "{error}");
        }
    }
}
