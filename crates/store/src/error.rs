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
    /// Another row stands in the way; a whole sentence that may be shown to whoever asked.
    #[error("{0}")]
    Conflict(String),
    #[error("row `{id}` of `{table}` is damaged: `{column}` {problem}; correct or delete the row")]
    Corrupt { table: &'static str, id: String, column: &'static str, problem: String },
    #[error("the database was made by a newer program (it has migration `{0}`); start that one")]
    NewerSchema(String),
    #[error("a migration failed; the database is as it was before")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the database refused a statement")]
    Query(#[source] DieselError),
    /// Its lease is over; what it began another node ends.
    #[error("another node does the job `{0}` now")]
    Fenced(&'static str),
    /// The blocking task panicked or its runtime is shutting down; a transaction in it was rolled back.
    #[error("the database task ended without an answer")]
    Lost,
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                let members = members(info.details().unwrap_or(info.message()));
                StoreError::Conflict(format!("there is one with the same {members} already"))
            }
            DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => {
                let why = "something else refers to it, or it refers to something that is gone";
                StoreError::Conflict(why.to_owned())
            }
            DieselError::DatabaseError(kind, info) if is_away(kind, info.message()) => {
                StoreError::Unavailable(info.message().to_owned())
            }
            _ => StoreError::Query(error),
        }
    }
}

/// Which columns must be unique together. SQLite names them one by one behind its message, PostgreSQL before the
/// values that are there already, which are not repeated.
fn members(said: &str) -> String {
    let named = said.split_once(")=(").and_then(|(before, _)| before.split_once('('));
    let columns = named.map_or_else(|| said.rsplit(": ").next().unwrap_or_default(), |(_, columns)| columns);
    let columns = columns.split(", ");
    let names = columns.map(|column| format!("`{}`", column.rsplit('.').next().unwrap_or_default()));
    names.collect::<Vec<_>>().join(", ")
}

/// What is said in words alone where the statement may do well another time: SQLite's, where another process kept
/// the lock beyond the busy time-out, and PostgreSQL's, where a time-out ended a statement, two stood in each
/// other's way, or the server goes down or comes up.
const AWAY: [&str; 5] = [
    "database is locked",
    "canceling statement due to",
    "deadlock detected",
    "terminating connection",
    "the database system is",
];

fn is_away(kind: &DatabaseErrorKind, message: &str) -> bool {
    use DatabaseErrorKind::{ClosedConnection, SerializationFailure, UnableToSendCommand};
    matches!(kind, ClosedConnection | SerializationFailure | UnableToSendCommand)
        || AWAY.iter().any(|words| message.starts_with(words))
}

impl From<r2d2::Error> for StoreError {
    fn from(error: r2d2::Error) -> Self {
        StoreError::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_names_the_members_that_must_be_unique() {
        for (said, expected) in [
            ("UNIQUE constraint failed: teams.name", "`name`"),
            (
                "UNIQUE constraint failed: users.oidc_issuer, users.oidc_subject",
                "`oidc_issuer`, `oidc_subject`",
            ),
            ("Key (name)=(a: b, c) already exists.", "`name`"),
            ("Key (oidc_issuer, oidc_subject)=(i, s) already exists.", "`oidc_issuer`, `oidc_subject`"),
        ] {
            assert_eq!(members(said), expected);
        }
    }
}
