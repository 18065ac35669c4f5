//! How PostgreSQL is connected to, and how it takes turns where SQLite has one writer.
//!
//! A libpq message can repeat parts of a malformed URL, so only messages about a real attempt to connect are
//! passed on. libpq is built without TLS here: where the URL asks for it, the connection goes through a tunnel.

use diesel::{
    Connection, ConnectionError, PgConnection, QueryResult,
    connection::{AnsiTransactionManager, SimpleConnection},
};
use nexus_tunnel::{Address, Local};

use super::Access;

/// Where the URL does not say otherwise: a server that is gone is noticed by whoever waits for it.
const PARAMETERS: &str = "fallback_application_name=nexus&connect_timeout=5&keepalives_idle=10\
    &keepalives_interval=5&keepalives_count=3&tcp_user_timeout=15000";

/// Where the server, the user or the URL's `options` do not say otherwise, in milliseconds.
const SETTINGS: &str = "SELECT set_config(name, value, false)
    FROM (VALUES ('statement_timeout', '30000'), ('lock_timeout', '5000')) AS wanted (name, value)
    WHERE current_setting(name) = '0'";

/// One lock for all nodes of a schema; the number tells it from those of other programs. The time-out frees the
/// others from a node that stands still while it has it.
const ALONE: &str = "SET LOCAL idle_in_transaction_session_timeout = 30000; \
    SELECT pg_advisory_xact_lock(1852143979, hashtext(current_schema()))";
const BESIDE_OTHERS: &str = "SET LOCAL idle_in_transaction_session_timeout = 30000; \
    SELECT pg_advisory_xact_lock_shared(1852143979, hashtext(current_schema()))";

/// Connects. The error says what went wrong, and nothing of the URL.
pub(crate) fn open(url: &str) -> Result<PgConnection, String> {
    let mut conn = match Address::read(url).map_err(|unusable| unusable.to_string())? {
        None => establish(url)?,
        Some(address) => {
            let local = Local::open(&address).map_err(|lost| lost.to_string())?;
            establish(&local.url(url))?
        }
    };
    conn.batch_execute(SETTINGS).map_err(|error| error.to_string())?;
    Ok(conn)
}

fn establish(url: &str) -> Result<PgConnection, String> {
    PgConnection::establish(&with_parameters(url)).map_err(|error| problem(&error))
}

/// Begins a transaction. Changes stand alone: as on SQLite, what one has looked at stays so until it is done,
/// on whatever node. Additions exclude changes, but not one another. Readers exclude nobody.
pub(super) fn begin(conn: &mut PgConnection, access: Access) -> QueryResult<()> {
    let lock = match access {
        Access::Read => {
            return AnsiTransactionManager::begin_transaction_sql(
                conn,
                "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
            );
        }
        Access::Append => BESIDE_OTHERS,
        Access::Write => ALONE,
    };
    // each statement of it sees what stood when that began: what was committed before the lock was had, at least
    AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED")?;
    conn.batch_execute(lock)
}

/// The URL with our parameters before its own, which count where both say something.
fn with_parameters(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    // as libpq reads it: what stands before the first `@`, if no `/` comes before that, may hold a `?`
    let credentials = rest.find(['@', '/']).filter(|at| rest.get(*at..=*at) == Some("@")).unwrap_or(0);
    let (user, place) = rest.split_at(credentials);
    match place.split_once('?') {
        Some((place, own)) => format!("{scheme}://{user}{place}?{PARAMETERS}&{own}"),
        None => format!("{scheme}://{user}{place}?{PARAMETERS}"),
    }
}

fn problem(error: &ConnectionError) -> String {
    match error {
        ConnectionError::BadConnection(message) if message.starts_with("connection to server") => {
            message.clone()
        }
        ConnectionError::BadConnection(message) if message.contains("SSL support is not compiled in") => {
            "the environment asks for TLS (`PGSSLMODE`); ask for it in the URL (`sslmode`)".to_owned()
        }
        _ => "the connection string is not understood".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::StoreError, exec::Store, repo::setting, scratch};

    #[test]
    fn additions_go_on_beside_one_another_and_no_change_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        if scratch::postgres().is_none() {
            return;
        }
        let (one, two) = (Store::scratch(folder.path()), Store::scratch(folder.path()));
        one.append_blocking(|_| {
            two.append_blocking(|conn| setting::put(conn, "a", "b"))?;
            assert_eq!(two.read_blocking(|conn| setting::find(conn, "a"))?.as_deref(), Some("b"));
            let change = two.write_blocking(|conn| setting::put(conn, "a", "c"));
            assert!(matches!(change, Err(StoreError::Unavailable(_))), "{change:?}");
            Ok(())
        })
        .unwrap();
        two.write_blocking(|conn| setting::put(conn, "a", "c")).unwrap();
    }

    #[test]
    fn our_parameters_stand_before_those_of_the_url() {
        for (url, expected) in [
            ("postgres://h/d", "postgres://h/d?OURS"),
            ("postgresql://u:p@h/d?sslmode=disable", "postgresql://u:p@h/d?OURS&sslmode=disable"),
            ("postgres://u:p?x@h/d?a=b", "postgres://u:p?x@h/d?OURS&a=b"),
            ("postgres://h/d?user=a@b", "postgres://h/d?OURS&user=a@b"),
            ("postgres://?host=/run", "postgres://?OURS&host=/run"),
        ] {
            assert_eq!(with_parameters(url), expected.replace("OURS", PARAMETERS), "{url}");
        }
    }
}
