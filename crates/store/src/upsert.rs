//! The statements that differ between the two databases or need SQL diesel cannot say, side by side.
//!
//! SQL text in here is literal: nothing is ever formatted into it.

mod shared;

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl,
    dsl::{insert_into, insert_or_ignore_into, sql},
    sql_types::{BigInt, Nullable},
    upsert::excluded,
};

use crate::{
    connection::AnyConnection,
    repo::{
        baseline::BaselineRow,
        resource::OwnedRow,
        usage::{AttemptRow, context::ContextRow, hour::SumRow, labels::LabelRow},
    },
    schema::{
        owned_resources, settings, usage_attempts, usage_baselines, usage_contexts, usage_days, usage_hours,
        usage_label_days, usage_weeks,
    },
};

pub(crate) use self::shared::{clock_ms, keep_node, new_job_lease, new_shared_text};

/// How many attempts [`insert_attempts`] takes.
pub(crate) const ATTEMPTS_AT_ONCE: usize = 32;

/// How many sums go into one statement, four values each.
const SUMS_AT_ONCE: usize = 1_000;

/// Inserts those of the attempts that are not there yet, and says how many these were.
///
/// One statement for many rows, because much of what SQLite and diesel do is done for each statement. Of an
/// array diesel knows the text beforehand, and keeps the statement prepared. The key is the only thing such a
/// row can conflict with.
pub(crate) fn insert_attempts(
    conn: &mut AnyConnection,
    rows: &[AttemptRow; ATTEMPTS_AT_ONCE],
) -> QueryResult<usize> {
    match conn {
        AnyConnection::Sqlite(conn) => {
            insert_or_ignore_into(usage_attempts::table).values(rows).execute(conn)
        }
        AnyConnection::Postgres(conn) => insert_into(usage_attempts::table)
            .values(rows)
            .on_conflict(usage_attempts::attempt_id)
            .do_nothing()
            .execute(conn),
    }
}

/// Inserts the attempt if it is not there yet, and says how many were new: one or none.
pub(crate) fn insert_attempt(conn: &mut AnyConnection, row: &AttemptRow) -> QueryResult<usize> {
    match conn {
        AnyConnection::Sqlite(conn) => insert_or_ignore_into(usage_attempts::table).values(row).execute(conn),
        AnyConnection::Postgres(conn) => insert_into(usage_attempts::table)
            .values(row)
            .on_conflict(usage_attempts::attempt_id)
            .do_nothing()
            .execute(conn),
    }
}

/// Makes a thing somebody's, where it is nobody's yet.
pub(crate) fn insert_owned(conn: &mut AnyConnection, row: &OwnedRow) -> QueryResult<()> {
    use owned_resources::dsl as o;
    match conn {
        AnyConnection::Sqlite(conn) => insert_or_ignore_into(o::owned_resources).values(row).execute(conn),
        AnyConnection::Postgres(conn) => insert_into(o::owned_resources)
            .values(row)
            .on_conflict((o::resource_id, o::kind, o::provider_id))
            .do_nothing()
            .execute(conn),
    }
    .map(drop)
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

/// Adds to sums of contexts by their time, each of which stands once in `$rows`. What SQLite does is a call, and for
/// PostgreSQL a way there and back: there many rows are one statement.
macro_rules! add_to_sums {
    ($conn:expr, $table:ident, $time:ident, $rows:expr) => {{
        use $table::dsl as t;
        let key = (t::$time, t::context_id, t::measure);
        let rows: Vec<_> = $rows
            .iter()
            .map(|row| {
                let at = (t::$time.eq(row.at), t::context_id.eq(row.context_id), t::measure.eq(row.measure));
                (at, t::amount.eq(row.amount))
            })
            .collect();
        match $conn {
            AnyConnection::Sqlite(conn) => rows.into_iter().zip($rows).try_for_each(|(values, row)| {
                let added = t::amount.eq(t::amount + row.amount);
                let sum = insert_into(t::$table).values(values).on_conflict(key);
                sum.do_update().set(added).execute(conn).map(drop)
            }),
            AnyConnection::Postgres(conn) => rows.chunks(SUMS_AT_ONCE).try_for_each(|rows| {
                let added = t::amount.eq(t::amount + excluded(t::amount));
                let sums = insert_into(t::$table).values(rows).on_conflict(key);
                sums.do_update().set(added).execute(conn).map(drop)
            }),
        }
    }};
}

/// Adds to the sums of hours.
pub(crate) fn add_to_hours(conn: &mut AnyConnection, rows: &[SumRow<'_>]) -> QueryResult<()> {
    add_to_sums!(conn, usage_hours, hour, rows)
}

/// Adds to the sums of days.
pub(crate) fn add_to_days(conn: &mut AnyConnection, rows: &[SumRow<'_>]) -> QueryResult<()> {
    add_to_sums!(conn, usage_days, day, rows)
}

/// Adds to the sums of weeks.
pub(crate) fn add_to_weeks(conn: &mut AnyConnection, rows: &[SumRow<'_>]) -> QueryResult<()> {
    add_to_sums!(conn, usage_weeks, week, rows)
}

/// Adds to a sum of a day and a label.
pub(crate) fn add_to_label_day(conn: &mut AnyConnection, row: &LabelRow<'_>) -> QueryResult<()> {
    use usage_label_days::dsl as l;
    let added = l::amount.eq(l::amount + row.amount);
    let key = (l::day, l::team_id, l::kind, l::label, l::measure);
    match conn {
        AnyConnection::Sqlite(conn) => {
            insert_into(l::usage_label_days).values(row).on_conflict(key).do_update().set(added).execute(conn)
        }
        AnyConnection::Postgres(conn) => {
            insert_into(l::usage_label_days).values(row).on_conflict(key).do_update().set(added).execute(conn)
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

/// Keeps what is usual of somebody, whether or not something was kept before.
pub(crate) fn keep_baseline(conn: &mut AnyConnection, row: &BaselineRow) -> QueryResult<()> {
    use usage_baselines::dsl as b;
    let change = (
        b::team_id.eq(excluded(b::team_id)),
        b::seen_at.eq(excluded(b::seen_at)),
        b::state.eq(excluded(b::state)),
    );
    match conn {
        AnyConnection::Sqlite(conn) => insert_into(b::usage_baselines)
            .values(row)
            .on_conflict(b::watched)
            .do_update()
            .set(change)
            .execute(conn),
        AnyConnection::Postgres(conn) => insert_into(b::usage_baselines)
            .values(row)
            .on_conflict(b::watched)
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

/// The sums over all hours by their measure.
pub(crate) fn usage_sums(conn: &mut AnyConnection) -> QueryResult<Vec<(String, Option<i64>)>> {
    // a sum of bigints is a numeric on PostgreSQL: the cast makes both databases agree
    let sum = sql::<Nullable<BigInt>>("CAST(SUM(amount) AS BIGINT)");
    usage_hours::table.group_by(usage_hours::measure).select((usage_hours::measure, sum)).load(conn)
}
