//! Hears at once that the world moved on, where the database tells: PostgreSQL does, on a connection of its own.
//!
//! What is told may come twice, late, or not at all: it only says that a look is worth while, and whoever listens
//! looks by itself too.

use diesel::{PgConnection, RunQueryDsl, connection::SimpleConnection, dsl::sql, select, sql_types::Text};

use crate::{
    connection::{Place, open_postgres},
    error::StoreError,
    exec::Store,
};

/// The name tells the connection from the others in `pg_stat_activity`; the channel is that of the migrations.
const LISTEN: &str = "SET application_name = 'nexus-listen'; LISTEN nexus_world";

/// A connection that is told. Dropping it closes it.
pub struct Listener {
    conn: PgConnection,
    /// A database may hold several installations, all of which are heard.
    schema: String,
}

impl Store {
    /// Connects to be told from now on; `None` where the database tells nobody.
    pub fn listener(&self) -> Result<Option<Listener>, StoreError> {
        let Place::Postgres(url) = self.place() else { return Ok(None) };
        let mut conn = open_postgres(url).map_err(StoreError::Unavailable)?;
        conn.batch_execute(LISTEN)?;
        let schema = select(sql::<Text>("current_schema()")).get_result(&mut conn)?;
        Ok(Some(Listener { conn, schema }))
    }
}

impl Listener {
    /// Whether anything was told since the last look. A look waits for nothing and asks the server nothing; an error
    /// says that the connection is gone.
    pub fn has_news(&mut self) -> Result<bool, StoreError> {
        let mut has_news = false;
        for told in self.conn.notifications_iter() {
            let told = told.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            has_news |= told.payload == self.schema;
        }
        Ok(has_news)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{
        repo::{setting, team},
        scratch,
    };

    /// What a listener hears until something comes, or the connection is gone.
    fn heard(listener: &mut Listener) -> Result<(), StoreError> {
        let begun = Instant::now();
        while !listener.has_news()? {
            assert!(begun.elapsed() < Duration::from_secs(30), "nothing came");
            std::thread::yield_now();
        }
        Ok(())
    }

    #[test]
    fn a_change_of_the_world_is_told_once_it_stands_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let Some(mut listener) = store.listener().unwrap() else { return };
        store.write_blocking(|conn| team::create(conn, &crate::sample::team(1, "one"))).unwrap();
        heard(&mut listener).unwrap();
        store.append_blocking(|conn| setting::put(conn, "a", "b")).unwrap();
        let undone: Result<(), _> = store.write_blocking(|conn| {
            team::create(conn, &crate::sample::team(2, "two"))?;
            Err(StoreError::Lost)
        });
        undone.unwrap_err();
        // what is told is told in order, so there was nothing before this
        let schema = listener.schema.clone();
        scratch::execute(folder.path(), &format!("NOTIFY nexus_world, '{schema} end'")).unwrap();
        let begun = Instant::now();
        let first = loop {
            assert!(begun.elapsed() < Duration::from_secs(30), "nothing came");
            let mut told = listener.conn.notifications_iter().map(|told| told.unwrap().payload);
            if let Some(first) = told.find(|told| told.starts_with(&schema)) {
                break first;
            }
        };
        assert_eq!(first, format!("{schema} end"));
    }

    #[test]
    fn a_listener_that_was_cut_off_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let Some(mut listener) = store.listener().unwrap() else { return };
        listener.conn.batch_execute("SET application_name = 'nexus-listen-cut'").unwrap();
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nexus-listen-cut'";
        scratch::execute(folder.path(), cut).unwrap();
        assert!(heard(&mut listener).is_err());
    }
}
