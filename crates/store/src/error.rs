//! What can go wrong between the gateway and its database.
//!
//! No message carries a database URL, a password or the content of a row: these errors are logged.

use std::{io, path::PathBuf};

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database URL {0}; write `sqlite://path/to/file.db` or `postgres://user@host/name`")]
    BadUrl(&'static str),
    #[error("cannot make or protect `{path}`; check that its folder is writable by this user")]
    File { path: PathBuf, source: io::Error },
    /// No connection in time, too many waiting, or the database went away. Trying again later can help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A row of this name or id is there already.
    #[error("there is one already: {0}")]
    Conflict(String),
    #[error("row `{id}` of `{table}` is damaged: `{column}` {problem}; correct or delete the row")]
    Corrupt { table: &'static str, id: String, column: &'static str, problem: String },
    #[error("postgres is not there yet: this build has no migrations for it; use a `sqlite://` URL")]
    PostgresNotThere,
    #[error("the database was made by a newer program (it has migration `{0}`); start that one")]
    NewerSchema(String),
    #[error("a migration failed; the database is as it was before")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the database refused a statement")]
    Query(#[source] DieselError),
    /// The blocking task panicked or its runtime is shutting down; a transaction in it was rolled back.
    #[error("the database task ended without an answer")]
    Lost,
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                StoreError::Conflict(info.message().to_owned())
            }
            DieselError::DatabaseError(kind, info) if is_away(kind, info.message()) => {
                StoreError::Unavailable(info.message().to_owned())
            }
            _ => StoreError::Query(error),
        }
    }
}

/// SQLite says only in words that another process kept the lock beyond the busy time-out.
fn is_away(kind: &DatabaseErrorKind, message: &str) -> bool {
    matches!(kind, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand)
        || message.starts_with("database is locked")
}

impl From<r2d2::Error> for StoreError {
    fn from(error: r2d2::Error) -> Self {
        StoreError::Unavailable(error.to_string())
    }
}
