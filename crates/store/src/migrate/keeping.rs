//! What keeps the rows a revision changed, on SQLite: triggers made of the columns there are, so that a new column is
//! never forgotten. On PostgreSQL, where a row can be had as JSON whatever its columns, a migration makes them.
//!
//! They are away while the schema changes: SQLite lets no column go that a trigger names.

use diesel::{
    QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query, sql_types::Text,
};

use crate::{
    error::StoreError,
    repo::revision::rows::{KEPT, Kept},
};

#[derive(PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
struct Trigger {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

/// Takes them all away.
#[expect(clippy::disallowed_methods, reason = "a literal statement: the catalogue is no table diesel knows")]
pub(super) fn stop(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    for Trigger { name, .. } in present(conn)? {
        sql_query(format!("DROP TRIGGER \"{name}\"")).execute(conn)?;
    }
    Ok(())
}

/// Makes those that are wanted, where they are not there already.
pub(super) fn start(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut wanted = Vec::new();
    for kept in KEPT {
        let (was, is) = (kept.json_of_sqlite(conn, "OLD")?, kept.json_of_sqlite(conn, "NEW")?);
        wanted.extend(triggers(kept, &was, &is));
    }
    wanted.sort();
    if present(conn)? == wanted {
        return Ok(());
    }
    stop(conn)?;
    for Trigger { sql, .. } in wanted {
        conn.batch_execute(&sql)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a literal statement: the catalogue is no table diesel knows")]
fn present(conn: &mut SqliteConnection) -> Result<Vec<Trigger>, StoreError> {
    const PRESENT: &str = "SELECT name, sql FROM sqlite_master
        WHERE type = 'trigger' AND name LIKE 'revised\\_%' ESCAPE '\\' ORDER BY 1, 2";
    Ok(sql_query(PRESENT).load(conn)?)
}

/// `was` and `is` make JSON of the row before and after.
fn triggers(kept: &Kept, was: &str, is: &str) -> [Trigger; 3] {
    let Kept { table, id, secret } = kept;
    let loses = match secret {
        Some(secret) => [
            format!("coalesce(OLD.\"{secret}\", '') <> coalesce(NEW.\"{secret}\", '')"),
            format!("OLD.\"{secret}\" IS NOT NULL"),
        ],
        None => ["FALSE", "FALSE"].map(str::to_owned),
    };
    let [loses_by_update, loses_by_delete] = loses;
    let trigger = |word: &str, row: &str, before: &str, after: &str, loses: &str| Trigger {
        name: format!("revised_{table}_{word}"),
        sql: format!(
            "CREATE TRIGGER \"revised_{table}_{word}\" AFTER {word} ON \"{table}\" BEGIN INSERT INTO revision_rows \
             SELECT being_made, (SELECT coalesce(max(place), 0) + 1 FROM revision_rows WHERE number = being_made), \
             '{table}', {row}.\"{id}\", {before}, {after}, {loses} FROM world_revision \
             WHERE being_made IS NOT NULL; END"
        ),
    };
    [
        trigger("insert", "NEW", "NULL", is, "FALSE"),
        trigger("update", "NEW", was, is, &loses_by_update),
        trigger("delete", "OLD", was, "NULL", &loses_by_delete),
    ]
}
