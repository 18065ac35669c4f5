//! The statements that differ between the two databases or need SQL diesel cannot say, side by side.
//!
//! SQL text in here is literal: nothing is ever formatted into it.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl,
    dsl::{insert_into, insert_or_ignore_into, sql},
    sql_types::{BigInt, Nullable},
};

use crate::{
    connection::AnyConnection,
    repo::usage::{AttemptRow, context::ContextRow, hour::HourRow},
    schema::{settings, usage_attempts, usage_contexts, usage_hours},
};

/// Inserts the attempts that are not there yet and says of each whether it was new.
///
/// SQLite is fastest with one prepared statement used for every row; diesel keeps one without building
/// its text again only in this form. The key is the only thing such a row can conflict with.
pub(crate) fn insert_new_attempt(conn: &mut AnyConnection, row: &AttemptRow<'_>) -> QueryResult<bool> {
    let added = match conn {
        AnyConnection::Sqlite(conn) => insert_or_ignore_into(usage_attempts::table).values(row).execute(conn),
        AnyConnection::Postgres(conn) => insert_into(usage_attempts::table)
            .values(row)
            .on_conflict(usage_attempts::attempt_id)
            .do_nothing()
            .execute(conn),
    };
    added.map(|added| added > 0)
}

/// Makes sure that a context is there; it is named by its content, so one that is there says the same.
pub(crate) fn ensure_context(conn: &mut AnyConnection, row: &ContextRow<'_>) -> QueryResult<()> {
    match conn {
        AnyConnection::Sqlite(conn) => insert_or_ignore_into(usage_contexts::table).values(row).execute(conn),
        AnyConnection::Postgres(conn) => insert_into(usage_contexts::table)
            .values(row)
            .on_conflict(usage_contexts::id)
            .do_nothing()
            .execute(conn),
    }
    .map(drop)
}

/// Adds to the sums of an hour and a context.
pub(crate) fn add_to_hour(conn: &mut AnyConnection, row: &HourRow<'_>) -> QueryResult<()> {
    use usage_hours::dsl as h;
    let added = (
        h::attempts.eq(h::attempts + row.attempts),
        h::failed.eq(h::failed + row.failed),
        h::input.eq(h::input + row.input),
        h::cache_read.eq(h::cache_read + row.cache_read),
        h::cache_write.eq(h::cache_write + row.cache_write),
        h::output.eq(h::output + row.output),
        h::reasoning.eq(h::reasoning + row.reasoning),
        h::audio_in.eq(h::audio_in + row.audio_in),
        h::audio_out.eq(h::audio_out + row.audio_out),
    );
    let key = (h::hour, h::context_id);
    match conn {
        AnyConnection::Sqlite(conn) => {
            insert_into(h::usage_hours).values(row).on_conflict(key).do_update().set(added).execute(conn)
        }
        AnyConnection::Postgres(conn) => {
            insert_into(h::usage_hours).values(row).on_conflict(key).do_update().set(added).execute(conn)
        }
    }
    .map(drop)
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

/// The sums over all hours: of attempts, then of each kind of token.
pub(crate) fn usage_sums(conn: &mut AnyConnection) -> QueryResult<[Option<i64>; 8]> {
    // a sum of bigints is a numeric on PostgreSQL: the cast makes both databases agree
    let sums: (_, _, _, _, _, _, _, _) = usage_hours::table
        .select((
            sql::<Nullable<BigInt>>("CAST(SUM(attempts) AS BIGINT)"),
            sql::<Nullable<BigInt>>("CAST(SUM(input) AS BIGINT)"),
            sql::<Nullable<BigInt>>("CAST(SUM(cache_read) AS BIGINT)"),
            sql::<Nullable<BigInt>>("CAST(SUM(cache_write) AS BIGINT)"),
            sql::<Nullable<BigInt>>("CAST(SUM(output) AS BIGINT)"),
            sql::<Nullable<BigInt>>("CAST(SUM(reasoning) AS BIGINT)"),
            sql::<Nullable<BigInt>>("CAST(SUM(audio_in) AS BIGINT)"),
            sql::<Nullable<BigInt>>("CAST(SUM(audio_out) AS BIGINT)"),
        ))
        .first(conn)?;
    Ok(sums.into())
}
