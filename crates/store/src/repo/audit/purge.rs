//! Forgetting old days, whole and in small steps.
//!
//! A day is first marked as purged and then loses its rows, so that a stop in between leaves a trail that
//! verifies; what is left of its rows goes with the next step. The row of the day itself stays: the chain
//! goes on from its last hash. The revisions its rows told of go with them.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl, dsl::delete, dsl::max, dsl::update,
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::revision,
    schema::{audit_days, audit_log},
};

/// The fewest sealed days that must lie behind a day before it may go; the database holds it too.
pub const RETENTION_DAYS_MIN: u16 = 180;

/// Takes one step: marks every day behind which `retention_days` sealed ones lie, and deletes at most
/// `batch_rows` rows of marked days. Says how many rows went; call it in transactions of their own until
/// that is 0.
///
/// Fewer days than [`RETENTION_DAYS_MIN`] count as that many, no rows as one. Days that were sealed are
/// counted, not the clock: one that jumps a year ahead adds one day.
pub fn purge(
    conn: &mut AnyConnection,
    retention_days: u32,
    batch_rows: u32,
    now_ms: i64,
) -> Result<u64, StoreError> {
    mark(conn, retention_days.max(RETENTION_DAYS_MIN.into()), now_ms)?;
    let end: Option<i64> = audit_days::table
        .filter(audit_days::purged_at.is_not_null())
        .select(max(audit_days::last_seq))
        .first(conn)?;
    let oldest: Option<i64> =
        audit_log::table.order(audit_log::seq.asc()).select(audit_log::seq).first(conn).optional()?;
    let Some((end, oldest)) = end.zip(oldest) else { return Ok(0) };
    let last = oldest.saturating_add(i64::from(batch_rows.max(1)) - 1).min(end);
    revision::forget(conn, last)?;
    let gone = delete(audit_log::table.filter(audit_log::seq.le(last))).execute(conn)?;
    Ok(u64::try_from(gone).unwrap_or(u64::MAX))
}

fn mark(conn: &mut AnyConnection, retention_days: u32, now_ms: i64) -> Result<(), StoreError> {
    let newest: Option<String> = audit_days::table
        .filter(audit_days::sealed_at.is_not_null())
        .order(audit_days::day.desc())
        .offset(retention_days.into())
        .select(audit_days::day)
        .first(conn)
        .optional()?;
    if let Some(newest) = newest {
        let days =
            audit_days::table.filter(audit_days::day.le(newest)).filter(audit_days::purged_at.is_null());
        update(days).set(audit_days::purged_at.eq(now_ms)).execute(conn)?;
    }
    Ok(())
}
