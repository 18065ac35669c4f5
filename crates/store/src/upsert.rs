//! The statements that differ between the two databases or need SQL diesel cannot say, side by side.
//!
//! SQL text in here is literal: nothing is ever formatted into it.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl,
    dsl::{count_star, insert_into, insert_or_ignore_into, sql},
    sql_types::{BigInt, Nullable},
};

use crate::{
    connection::AnyConnection,
    repo::usage::UsageRow,
    schema::{settings, usage_records},
};

/// Inserts the rows that are not there yet and says how many those were.
///
/// SQLite is fastest with one prepared statement used for every row; diesel keeps one without building
/// its text again only in this form. The key is the only thing such a row can conflict with.
/// PostgreSQL saves the round trips with one statement for all.
pub(crate) fn insert_new_usage(conn: &mut AnyConnection, rows: &[UsageRow<'_>]) -> QueryResult<usize> {
    match conn {
        AnyConnection::Sqlite(conn) => rows.iter().try_fold(0_usize, |inserted, row| {
            let added = insert_or_ignore_into(usage_records::table).values(row).execute(conn)?;
            Ok(inserted.saturating_add(added))
        }),
        AnyConnection::Postgres(conn) => insert_into(usage_records::table)
            .values(rows)
            .on_conflict(usage_records::attempt_id)
            .do_nothing()
            .execute(conn),
    }
}

/// Sets a named value, whether or not it was set before.
pub(crate) fn set(conn: &mut AnyConnection, name: &str, value: &str) -> QueryResult<()> {
    let row = (settings::name.eq(name), settings::value.eq(value));
    let change = settings::value.eq(value);
    match conn {
        AnyConnection::Sqlite(conn) => insert_into(settings::table)
            .values(row)
            .on_conflict(settings::name)
            .do_update()
            .set(change)
            .execute(conn),
        AnyConnection::Postgres(conn) => insert_into(settings::table)
            .values(row)
            .on_conflict(settings::name)
            .do_update()
            .set(change)
            .execute(conn),
    }
    .map(|_| ())
}

/// A named value.
pub(crate) fn setting(conn: &mut AnyConnection, name: &str) -> QueryResult<Option<String>> {
    settings::table.find(name).select(settings::value).first(conn).optional()
}

/// How many rows there are, and the sum of each kind of token.
pub(crate) fn usage_sums(conn: &mut AnyConnection) -> QueryResult<(i64, [Option<i64>; 7])> {
    // a sum of bigints is a numeric on PostgreSQL: the cast makes both databases agree
    let (count, sums): (i64, (_, _, _, _, _, _, _)) = usage_records::table
        .select((
            count_star(),
            (
                sql::<Nullable<BigInt>>("CAST(SUM(input) AS BIGINT)"),
                sql::<Nullable<BigInt>>("CAST(SUM(cache_read) AS BIGINT)"),
                sql::<Nullable<BigInt>>("CAST(SUM(cache_write) AS BIGINT)"),
                sql::<Nullable<BigInt>>("CAST(SUM(output) AS BIGINT)"),
                sql::<Nullable<BigInt>>("CAST(SUM(reasoning) AS BIGINT)"),
                sql::<Nullable<BigInt>>("CAST(SUM(audio_in) AS BIGINT)"),
                sql::<Nullable<BigInt>>("CAST(SUM(audio_out) AS BIGINT)"),
            ),
        ))
        .first(conn)?;
    Ok((count, sums.into()))
}
