//! The rows that configuration is made of, as JSON: kept as a revision changed them, read as they are, and put back.
//!
//! No secret is in it. Names in these statements are those of our own migrations: what a kept row names beside its
//! table's columns is left out.

use diesel::{QueryResult, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::Text};
use serde_json::{Map, Value};

use crate::{connection::AnyConnection, error::StoreError};

/// The columns of a row and what is in them.
pub type Image = Map<String, Value>;

/// A table whose rows a revision keeps.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) table: &'static str,
    /// The column that names a row.
    pub(crate) id: &'static str,
    /// The column that is never kept.
    pub(crate) secret: Option<&'static str>,
}

const fn kept(table: &'static str, secret: Option<&'static str>) -> Kept {
    Kept { table, id: "id", secret }
}

/// All of them; no row refers to one of a later table.
pub(crate) const KEPT: &[Kept] = &[
    kept("teams", None),
    kept("keys", Some("digest")),
    kept("users", Some("password_hash")),
    kept("service_providers", None),
    kept("provider_credentials", Some("api_key_sealed")),
    kept("model_routes", None),
    kept("routing_rules", None),
    kept("prices", None),
    kept("quotas", None),
    Kept { table: "settings", id: "name", secret: None },
    kept("webhooks", None),
];

/// Columns that say how a row came to be as it is, or what it was used for, and not what it is.
const ASIDE: [&str; 4] = ["version", "updated_at", "last_used_at", "last_login_at"];

/// Whether the column is of what was configured.
pub(super) fn is_meant(column: &str) -> bool {
    !ASIDE.contains(&column)
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
}

#[expect(clippy::disallowed_methods, reason = "the names in these statements are those of our migrations")]
impl Kept {
    /// Its place among all: what it refers to comes before it.
    pub(super) fn of(table: &str) -> Option<(usize, &'static Kept)> {
        KEPT.iter().enumerate().find(|(_, kept)| kept.table == table)
    }

    /// A row of SQLite as JSON, whether it is called by the table's name or by another.
    pub(crate) fn json_of_sqlite(&self, conn: &mut SqliteConnection, row: &str) -> QueryResult<String> {
        let columns =
            format!("SELECT name, type AS kind FROM pragma_table_info('{}') ORDER BY cid", self.table);
        let columns: Vec<Column> = sql_query(columns).load(conn)?;
        let kept = columns.iter().filter(|column| Some(column.name.as_str()) != self.secret);
        let members = kept.map(|Column { name, kind }| match kind.as_str() {
            // as PostgreSQL writes them
            "BOOLEAN" => format!(
                "'{name}', json(CASE {row}.\"{name}\" WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END)"
            ),
            _ => format!("'{name}', {row}.\"{name}\""),
        });
        Ok(format!("json_object({})", members.collect::<Vec<_>>().join(", ")))
    }

    /// The row as it is.
    pub(super) fn image(&self, conn: &mut AnyConnection, id: &str) -> Result<Option<Image>, StoreError> {
        let Kept { table, id: key, secret } = self;
        let lines: Vec<Line> = match conn {
            AnyConnection::Sqlite(conn) => {
                let json = self.json_of_sqlite(conn, &format!("\"{table}\""))?;
                let query = format!("SELECT {json} AS line FROM \"{table}\" WHERE \"{key}\" = $1");
                sql_query(query).bind::<Text, _>(id).load(conn)?
            }
            AnyConnection::Postgres(conn) => {
                let secret = secret.unwrap_or_default();
                let query = format!(
                    "SELECT (to_jsonb(t) - '{secret}')::text AS line FROM \"{table}\" t WHERE \"{key}\" = $1"
                );
                sql_query(query).bind::<Text, _>(id).load(conn)?
            }
        };
        lines.first().map(|line| read(&line.line)).transpose()
    }

    /// Puts a row in that is not there.
    pub(super) fn insert(&self, conn: &mut AnyConnection, row: &Image) -> Result<(), StoreError> {
        let columns = self.written(conn, row)?;
        let (names, json) = (list(&columns, |column| format!("\"{column}\"")), Value::from(row.clone()));
        let (table, json) = (self.table, json.to_string());
        match conn {
            AnyConnection::Sqlite(conn) => {
                let values = list(&columns, |column| format!("json_extract($1, '$.{column}')"));
                let insert = format!("INSERT INTO \"{table}\" ({names}) SELECT {values}");
                sql_query(insert).bind::<Text, _>(json).execute(conn)?
            }
            AnyConnection::Postgres(conn) => {
                let insert = format!(
                    "INSERT INTO \"{table}\" ({names})
                     SELECT {names} FROM jsonb_populate_record(NULL::\"{table}\", $1::jsonb)"
                );
                sql_query(insert).bind::<Text, _>(json).execute(conn)?
            }
        };
        Ok(())
    }

    /// Gives columns of a row other values.
    pub(super) fn update(
        &self,
        conn: &mut AnyConnection,
        id: &str,
        values: &Image,
    ) -> Result<(), StoreError> {
        let columns = self.written(conn, values)?;
        let (table, key, json) = (self.table, self.id, Value::from(values.clone()).to_string());
        match conn {
            AnyConnection::Sqlite(conn) => {
                let sets = list(&columns, |column| format!("\"{column}\" = json_extract($1, '$.{column}')"));
                let update = format!("UPDATE \"{table}\" SET {sets} WHERE \"{key}\" = $2");
                sql_query(update).bind::<Text, _>(json).bind::<Text, _>(id).execute(conn)?
            }
            AnyConnection::Postgres(conn) => {
                let names = list(&columns, |column| format!("\"{column}\""));
                let update = format!(
                    "UPDATE \"{table}\" SET ({names}) =
                     (SELECT {names} FROM jsonb_populate_record(NULL::\"{table}\", $1::jsonb)) WHERE \"{key}\" = $2"
                );
                sql_query(update).bind::<Text, _>(json).bind::<Text, _>(id).execute(conn)?
            }
        };
        Ok(())
    }

    /// The columns there are that an image has a value for.
    fn written(&self, conn: &mut AnyConnection, image: &Image) -> QueryResult<Vec<String>> {
        let table = self.table;
        let lines: Vec<Line> = match conn {
            AnyConnection::Sqlite(conn) => {
                sql_query(format!("SELECT name AS line FROM pragma_table_info('{table}')")).load(conn)?
            }
            AnyConnection::Postgres(conn) => sql_query(format!(
                "SELECT column_name::text AS line FROM information_schema.columns
                 WHERE table_schema = current_schema() AND table_name = '{table}'"
            ))
            .load(conn)?,
        };
        let columns = lines.into_iter().map(|line| line.line);
        Ok(columns.filter(|column| image.contains_key(column)).collect())
    }
}

fn list(columns: &[String], write: impl Fn(&String) -> String) -> String {
    columns.iter().map(write).collect::<Vec<_>>().join(", ")
}

/// An image as it is kept.
pub(super) fn read(json: &str) -> Result<Image, StoreError> {
    serde_json::from_str(json).map_err(|_| StoreError::Corrupt {
        table: "revision_rows",
        id: String::new(),
        column: "before",
        problem: "is no object".to_owned(),
    })
}
