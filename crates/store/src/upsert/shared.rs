//! The same of what nodes share.

use diesel::{
    ExpressionMethods, QueryResult, RunQueryDsl,
    dsl::{insert_into, insert_or_ignore_into, select, sql},
    sql_types::BigInt,
    upsert::excluded,
};

use crate::{
    connection::AnyConnection,
    repo::node::Node,
    schema::{job_leases, nodes, shared_texts},
};

/// The database's clock, in Unix milliseconds: one for all nodes.
pub(crate) fn clock_ms(conn: &mut AnyConnection) -> QueryResult<i64> {
    match conn {
        AnyConnection::Sqlite(conn) => {
            let now = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
            select(sql::<BigInt>(now)).first(conn)
        }
        AnyConnection::Postgres(conn) => {
            let now = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
            select(sql::<BigInt>(now)).first(conn)
        }
    }
}

/// Puts a text where none of its name is, and says how many were new: one or none.
pub(crate) fn new_shared_text(
    conn: &mut AnyConnection,
    name: &str,
    text: &[u8],
    keep_until_ms: i64,
) -> QueryResult<usize> {
    let row = (
        shared_texts::name.eq(name),
        shared_texts::text.eq(text),
        shared_texts::keep_until.eq(keep_until_ms),
    );
    match conn {
        AnyConnection::Sqlite(conn) => insert_or_ignore_into(shared_texts::table).values(row).execute(conn),
        AnyConnection::Postgres(conn) => insert_into(shared_texts::table)
            .values(row)
            .on_conflict(shared_texts::name)
            .do_nothing()
            .execute(conn),
    }
}

/// Takes a job nobody ever had, and says how many that were: one or none.
pub(crate) fn new_job_lease(
    conn: &mut AnyConnection,
    job: &str,
    node: &str,
    until_ms: i64,
) -> QueryResult<usize> {
    let row = (
        job_leases::job.eq(job),
        job_leases::node_id.eq(node),
        job_leases::token.eq(1_i64),
        job_leases::until.eq(until_ms),
    );
    match conn {
        AnyConnection::Sqlite(conn) => insert_or_ignore_into(job_leases::table).values(row).execute(conn),
        AnyConnection::Postgres(conn) => {
            insert_into(job_leases::table).values(row).on_conflict(job_leases::job).do_nothing().execute(conn)
        }
    }
}

/// Writes down what a node says, in the place of what it said before.
pub(crate) fn keep_node(conn: &mut AnyConnection, node: &Node) -> QueryResult<()> {
    let change = (
        nodes::revision.eq(excluded(nodes::revision)),
        nodes::in_flight.eq(excluded(nodes::in_flight)),
        nodes::has_leased.eq(excluded(nodes::has_leased)),
        nodes::seen_at.eq(excluded(nodes::seen_at)),
        nodes::refused_revision.eq(excluded(nodes::refused_revision)),
    );
    match conn {
        AnyConnection::Sqlite(conn) => insert_into(nodes::table)
            .values(node)
            .on_conflict(nodes::id)
            .do_update()
            .set(change)
            .execute(conn),
        AnyConnection::Postgres(conn) => insert_into(nodes::table)
            .values(node)
            .on_conflict(nodes::id)
            .do_update()
            .set(change)
            .execute(conn),
    }
    .map(drop)
}
