//! The parts of the ledger on PostgreSQL: four weeks of attempts each, by their ids, which begin with the time.
//!
//! Parts are made ahead, because none can be made for rows that lie in the rest already. SQLite has one table, for
//! which nothing is done here.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::Text,
};

use super::{archive::made_ms, rows::first_id};
use crate::{connection::AnyConnection, error::StoreError, exec::Store, repo::audit::day_name};

const SPAN_MS: i64 = 28 * 86_400_000;
/// How many are made beside the present one.
const AHEAD: i64 = 2;
/// Of those before the present one so many stay, also without rows: something may be shipped late.
const BEHIND: i64 = 2;
/// How many are made for rows of before.
const PAST_MAX: i64 = 130;

/// A part there may be.
struct Part {
    name: String,
    first: String,
    end: String,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

impl Part {
    fn of(number: i64) -> Self {
        let begin_ms = number.saturating_mul(SPAN_MS);
        Self {
            name: format!("usage_attempts_{}", day_name(begin_ms).replace('-', "_")),
            first: first_id(begin_ms),
            end: first_id(begin_ms.saturating_add(SPAN_MS)),
        }
    }
}

/// Makes the parts that will soon be needed, and drops old ones all of whose rows were archived.
pub fn tend(store: &Store, now_ms: i64) -> Result<(), StoreError> {
    let present = now_ms.div_euclid(SPAN_MS);
    let oldest = Part::of(present.saturating_sub(BEHIND)).name;
    let (missing, empty) = store.read_blocking(|conn| {
        let AnyConnection::Postgres(conn) = conn else { return Ok((Vec::new(), Vec::new())) };
        let there = there(conn)?;
        let wanted = (present..=present.saturating_add(AHEAD)).map(Part::of);
        let missing = wanted.filter(|part| !there.contains(&part.name)).collect();
        let mut empty = Vec::new();
        for name in there.into_iter().filter(|name| *name < oldest) {
            if is_empty(conn, &name, None)? {
                empty.push(name);
            }
        }
        Ok((missing, empty))
    })?;
    if missing.is_empty() && empty.is_empty() {
        return Ok(());
    }
    store.write_blocking(|conn| {
        let AnyConnection::Postgres(conn) = conn else { return Ok(()) };
        missing.iter().try_for_each(|part| make(conn, part))?;
        for name in &empty {
            if is_empty(conn, name, None)? {
                conn.batch_execute(&format!("DROP TABLE \"{name}\""))?;
            }
        }
        Ok(())
    })
}

/// Makes the parts for rows with ids from the first to the last.
pub(crate) fn make_between(conn: &mut PgConnection, first: &str, last: &str) -> Result<(), StoreError> {
    let end = made_ms(last).div_euclid(SPAN_MS);
    let begin = made_ms(first).div_euclid(SPAN_MS).max(end.saturating_sub(PAST_MAX));
    (begin..=end).try_for_each(|number| make(conn, &Part::of(number)))
}

/// Does nothing where such rows lie in the rest.
fn make(conn: &mut PgConnection, part: &Part) -> Result<(), StoreError> {
    let Part { name, first, end } = part;
    if is_empty(conn, "usage_attempts_rest", Some(part))? {
        conn.batch_execute(&format!(
            "CREATE TABLE IF NOT EXISTS \"{name}\" PARTITION OF usage_attempts FOR VALUES FROM ('{first}') TO ('{end}')"
        ))?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a literal statement: the catalogue is no table diesel knows")]
fn there(conn: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    const PARTS: &str =
        "SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'usage_attempts'::regclass";
    let names: Vec<Name> = sql_query(PARTS).load(conn)?;
    Ok(names.into_iter().map(|row| row.name).collect())
}

/// Whether a part has no rows, or none that belong into another.
#[expect(clippy::disallowed_methods, reason = "the names and ids in the statement are of our own making")]
fn is_empty(conn: &mut PgConnection, name: &str, within: Option<&Part>) -> Result<bool, StoreError> {
    let within = within.map_or_else(String::new, |Part { first, end, .. }| {
        format!("WHERE attempt_id >= '{first}' AND attempt_id < '{end}'")
    });
    let any = format!("SELECT attempt_id AS name FROM \"{name}\" {within} LIMIT 1");
    Ok(sql_query(any).load::<Name>(conn)?.is_empty())
}

#[cfg(test)]
mod tests {
    use nexus_core::{id::Uuid, usage::UsageRecord};

    use super::*;
    use crate::{
        repo::usage::{self, Contexts},
        sample, scratch,
    };

    fn book(store: &Store, at_ms: i64) {
        let attempt = format!("{}-7000-8000-000000000001", first_id(at_ms)).parse::<Uuid>().unwrap().into();
        let record = UsageRecord { attempt, started_at_ms: at_ms, ..sample::record(1) };
        store
            .append_blocking(|conn| {
                usage::insert(conn, std::slice::from_ref(&record), &mut Contexts::default())
            })
            .unwrap();
    }

    fn parts(store: &Store) -> Vec<String> {
        let mut parts = store
            .read_blocking(|conn| match conn {
                AnyConnection::Postgres(conn) => there(conn),
                AnyConnection::Sqlite(_) => Ok(Vec::new()),
            })
            .unwrap();
        parts.sort();
        parts.into_iter().map(|name| name.replace("usage_attempts_", "")).collect()
    }

    #[test]
    fn parts_are_made_ahead_keep_their_rows_and_go_when_these_were_archived() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        if scratch::postgres().is_none() {
            return tend(&store, 1_795_478_400_000).unwrap();
        }
        // the first day of a span
        let now_ms = 1_795_478_400_000_i64.div_euclid(SPAN_MS) * SPAN_MS;
        book(&store, now_ms + SPAN_MS);
        tend(&store, now_ms).unwrap();
        let [first, third] = [0, 2].map(|span| day_name(now_ms + span * SPAN_MS).replace('-', "_"));
        assert_eq!(
            parts(&store),
            [first.clone(), third.clone(), "rest".to_owned()],
            "the second's rows lie in the rest"
        );
        tend(&store, now_ms + SPAN_MS - 1).unwrap();
        assert_eq!(parts(&store).len(), 3, "nothing more to do");
        book(&store, now_ms);
        book(&store, now_ms + 3 * SPAN_MS);
        let later_ms = now_ms + 6 * SPAN_MS;
        tend(&store, later_ms).unwrap();
        assert!(parts(&store).contains(&first) && !parts(&store).contains(&third), "the third was empty");
        assert_eq!(store.read_blocking(usage::totals).unwrap().attempts, 3);
        let archive = folder.path().join("archive");
        while crate::archive::step(&store, &archive, later_ms, later_ms).unwrap() > 0 {}
        tend(&store, later_ms).unwrap();
        assert_eq!(parts(&store).len(), 4, "{:?}", parts(&store));
        assert!(store.read_blocking(|conn| usage::verify(conn, &archive, &mut |_| ())).unwrap().is_whole());
    }
}
