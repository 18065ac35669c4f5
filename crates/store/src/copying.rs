//! Everything in a SQLite database, copied into an empty PostgreSQL one: all of it, or nothing.
//!
//! Rows travel as JSON, which both databases make and read themselves; names in statements are those of our own
//! migrations.

#[cfg(test)]
mod tests;

use diesel::{
    PgConnection, QueryDsl, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::{DefaultLoadingMode, SimpleConnection},
    dsl::{max, min},
    sql_query,
    sql_types::Text,
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    exec::Store,
    migrate,
    repo::{audit, usage},
    schema::usage_attempts,
};

/// How much goes over in one statement.
const BATCH_ROWS: usize = 1_000;
const BATCH_BYTES: usize = 4 << 20;

/// A table, and how many rows of it were copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub table: String,
    pub rows: u64,
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
}

#[derive(QueryableByName)]
pub(crate) struct Line {
    #[diesel(sql_type = Text)]
    pub(crate) line: String,
}

/// A table and its columns, each with its type.
pub(crate) struct Table {
    pub(crate) name: String,
    columns: Vec<(String, String)>,
}

/// Copies all rows and compares both sides; `tell` hears how many of which table are over. The source is only read.
/// Nobody writes to the target meanwhile; where anything fails, it is as empty as before.
pub fn copy(from: &Store, to: &Store, tell: &mut dyn FnMut(&str, u64)) -> Result<Vec<Copied>, StoreError> {
    if migrate::status(from)?.iter().any(|migration| !migration.is_applied) {
        return Err(refused("the source is of an earlier version; run `nexus migrate run` on it first"));
    }
    migrate::run(to)?;
    let copied = from.read_blocking(|source| {
        to.write_blocking(|target| {
            let copied = match (&mut *source, &mut *target) {
                (AnyConnection::Sqlite(source), AnyConnection::Postgres(target)) => {
                    copy_all(source, target, tell)?
                }
                _ => return Err(refused("copy from a `sqlite://` to a `postgres://` URL")),
            };
            compare_meaning(source, target)?;
            Ok(copied)
        })
    })?;
    Ok(copied)
}

fn refused(why: &str) -> StoreError {
    StoreError::Conflict(why.to_owned())
}

fn copy_all(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    tell: &mut dyn FnMut(&str, u64),
) -> Result<Vec<Copied>, StoreError> {
    target.batch_execute("SET LOCAL statement_timeout = 0")?;
    let tables = tables(source)?;
    for table in &tables {
        table.refuse_rows(target)?;
        // the trail takes only its next row, and the world need not move on with each
        target.batch_execute(&format!("ALTER TABLE \"{}\" DISABLE TRIGGER USER", table.name))?;
    }
    let (first, last): (Option<String>, Option<String>) = usage_attempts::table
        .select((min(usage_attempts::attempt_id), max(usage_attempts::attempt_id)))
        .first(source)?;
    if let Some((first, last)) = first.zip(last) {
        usage::parts::make_between(target, &first, &last)?;
    }
    let mut copied = Vec::new();
    for table in &tables {
        let rows = table.copy(source, target, tell)?;
        let (here, there) = (table.print_of_sqlite(source)?, table.print_of_postgres(target)?);
        if here != there {
            let name = &table.name;
            return Err(refused(&format!("`{name}` is not the same on both sides: {here} and {there}")));
        }
        copied.push(Copied { table: table.name.clone(), rows });
    }
    for table in &tables {
        target.batch_execute(&format!("ALTER TABLE \"{}\" ENABLE TRIGGER USER", table.name))?;
    }
    target.batch_execute("UPDATE world_revision SET revision = revision + 1")?;
    Ok(copied)
}

/// What the rows add up to must be the same too, and the trail whole where it was.
fn compare_meaning(source: &mut AnyConnection, target: &mut AnyConnection) -> Result<(), StoreError> {
    if usage::totals(source)? != usage::totals(target)? {
        return Err(refused("the ledger does not add up to the same on both sides"));
    }
    if audit::verify(source, &[])? != audit::verify(target, &[])? {
        return Err(refused("the audit trail is not the same on both sides"));
    }
    Ok(())
}

/// In the order in which they were made: no row refers to one of a later table.
#[expect(clippy::disallowed_methods, reason = "a literal statement: the catalogue is no table diesel knows")]
pub(crate) fn tables(source: &mut SqliteConnection) -> Result<Vec<Table>, StoreError> {
    const COLUMNS: &str = "SELECT m.name AS \"table\", c.name AS name, c.type AS kind
        FROM sqlite_master m JOIN pragma_table_info(m.name) c
        WHERE m.type = 'table' AND m.name NOT IN ('world_revision', '__diesel_schema_migrations')
            AND substr(m.name, 1, 7) <> 'sqlite_'
        ORDER BY m.rowid, c.cid";
    let columns: Vec<ColumnRow> = sql_query(COLUMNS).load(source)?;
    let mut tables: Vec<Table> = Vec::new();
    for ColumnRow { table, name, kind } in columns {
        match tables.last_mut().filter(|last| last.name == table) {
            Some(last) => last.columns.push((name, kind)),
            None => tables.push(Table { name: table, columns: vec![(name, kind)] }),
        }
    }
    Ok(tables)
}

#[expect(clippy::disallowed_methods, reason = "the names in these statements are those of our migrations")]
impl Table {
    fn refuse_rows(&self, target: &mut PgConnection) -> Result<(), StoreError> {
        let name = &self.name;
        let any = format!("SELECT '' AS line FROM \"{name}\" LIMIT 1");
        match sql_query(any).load::<Line>(target)?.is_empty() {
            true => Ok(()),
            false => Err(refused(&format!("the target is not empty: `{name}` has rows"))),
        }
    }

    fn copy(
        &self,
        source: &mut SqliteConnection,
        target: &mut PgConnection,
        tell: &mut dyn FnMut(&str, u64),
    ) -> Result<u64, StoreError> {
        let (mut batch, mut rows, mut copied) = ("[".to_owned(), 0_usize, 0_u64);
        let lines = sql_query(self.lines());
        for line in lines.load_iter::<Line, DefaultLoadingMode>(source)? {
            if rows > 0 {
                batch.push(',');
            }
            batch.push_str(&line?.line);
            rows = rows.saturating_add(1);
            if rows >= BATCH_ROWS || batch.len() >= BATCH_BYTES {
                copied = copied.saturating_add(self.insert(target, &mut batch, &mut rows)?);
                tell(&self.name, copied);
            }
        }
        copied = copied.saturating_add(self.insert(target, &mut batch, &mut rows)?);
        tell(&self.name, copied);
        Ok(copied)
    }

    /// Puts the batch in and begins a new one.
    fn insert(
        &self,
        target: &mut PgConnection,
        batch: &mut String,
        rows: &mut usize,
    ) -> Result<u64, StoreError> {
        batch.push(']');
        let name = &self.name;
        let columns = self.each(|column, _| format!("\"{column}\""));
        let insert = format!(
            "INSERT INTO \"{name}\" ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::\"{name}\", $1::json)"
        );
        let inserted = match *rows {
            0 => 0,
            _ => sql_query(insert).bind::<Text, _>(batch.as_str()).execute(target)?,
        };
        batch.clear();
        batch.push('[');
        *rows = 0;
        Ok(u64::try_from(inserted).unwrap_or(u64::MAX))
    }

    /// Each row as a JSON object; bytes in the words of PostgreSQL.
    fn lines(&self) -> String {
        let members = self.each(|column, kind| match kind {
            "BLOB" => format!("'{column}', '\\x' || hex(\"{column}\")"),
            _ => format!("'{column}', \"{column}\""),
        });
        format!("SELECT json_object({members}) AS line FROM \"{}\"", self.name)
    }

    fn print_of_sqlite(&self, source: &mut SqliteConnection) -> Result<String, StoreError> {
        let print = self.print(|column, kind| match kind {
            "TEXT" | "BLOB" => format!("length(CAST(\"{column}\" AS BLOB))"),
            "BOOLEAN" => format!("\"{column}\""),
            _ => format!("\"{column}\" % 2147483647"),
        });
        Ok(sql_query(print).get_result::<Line>(source)?.line)
    }

    fn print_of_postgres(&self, target: &mut PgConnection) -> Result<String, StoreError> {
        let print = self.print(|column, kind| match kind {
            "TEXT" | "BLOB" => format!("octet_length(\"{column}\")"),
            "BOOLEAN" => format!("\"{column}\"::int"),
            _ => format!("\"{column}\" % 2147483647"),
        });
        Ok(sql_query(print).get_result::<Line>(target)?.line)
    }

    /// How many rows there are, and the sum of each column: of its numbers, each cut to what cannot overflow, or of
    /// its lengths in bytes.
    fn print(&self, number: impl Fn(&str, &str) -> String) -> String {
        let columns = self.columns.iter();
        let sums =
            columns.map(|(column, kind)| format!(" || ' ' || coalesce(sum({}), 0)", number(column, kind)));
        format!("SELECT count(*) || ''{} AS line FROM \"{}\"", sums.collect::<String>(), self.name)
    }

    pub(crate) fn each(&self, write: impl Fn(&str, &str) -> String) -> String {
        let all: Vec<_> = self.columns.iter().map(|(column, kind)| write(column, kind)).collect();
        all.join(", ")
    }
}
