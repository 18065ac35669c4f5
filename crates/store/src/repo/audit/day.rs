//! The days of the trail: one is open, every earlier one sealed.
//!
//! Time never goes back: a day that is not later than the newest known one is never opened.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, Queryable, RunQueryDsl, dsl::insert_into, dsl::update,
};

use super::chain::START;
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{audit_days, audit_log},
};

const DAY_MS: i64 = 86_400_000;
/// The last millisecond whose year has four digits: texts of days sort like days.
const LAST_MS: i64 = 253_402_300_799_999;

/// A day as stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub(super) struct Day {
    pub(super) day: String,
    pub(super) first_seq: i64,
    /// The hash of the row before its first.
    pub(super) first_previous_hash: String,
    /// One less than `first_seq` where the day has no rows.
    pub(super) last_seq: Option<i64>,
    pub(super) last_hash: Option<String>,
    /// `None`: the day is open.
    pub(super) sealed_at: Option<i64>,
    pub(super) purged_at: Option<i64>,
}

/// The open day; where a later one has begun by `now_ms`, that is opened and the former sealed.
pub(super) fn open(conn: &mut AnyConnection, now_ms: i64) -> Result<Day, StoreError> {
    let today = name(now_ms);
    let newest: Option<Day> = audit_days::table.order(audit_days::day.desc()).first(conn).optional()?;
    let (last_seq, last_hash) = match newest {
        Some(newest) if newest.day >= today => return Ok(newest),
        Some(newest) => {
            let (last_seq, last_hash) = end(conn, &newest)?;
            let seal = (
                audit_days::last_seq.eq(last_seq),
                audit_days::last_hash.eq(&last_hash),
                audit_days::sealed_at.eq(now_ms),
            );
            update(audit_days::table.find(&newest.day)).set(seal).execute(conn)?;
            (last_seq, last_hash)
        }
        None => (0, START.to_owned()),
    };
    let first_seq = last_seq.saturating_add(1);
    let row = (
        audit_days::day.eq(&today),
        audit_days::first_seq.eq(first_seq),
        audit_days::first_previous_hash.eq(&last_hash),
    );
    insert_into(audit_days::table).values(row).execute(conn)?;
    Ok(Day {
        day: today,
        first_seq,
        first_previous_hash: last_hash,
        last_seq: None,
        last_hash: None,
        sealed_at: None,
        purged_at: None,
    })
}

/// Number and hash of the last row before the next: the newest of the open day, else the one the day
/// began after, which may be purged.
pub(super) fn end(conn: &mut AnyConnection, open: &Day) -> Result<(i64, String), StoreError> {
    let newest = audit_log::table
        .filter(audit_log::seq.ge(open.first_seq))
        .order(audit_log::seq.desc())
        .select((audit_log::seq, audit_log::hash))
        .first(conn)
        .optional()?;
    Ok(newest.unwrap_or_else(|| (open.first_seq.saturating_sub(1), open.first_previous_hash.clone())))
}

/// The UTC day of a time as `yyyy-mm-dd`; a time before 1970 or after 9999 counts to the nearest day.
pub fn name(ms: i64) -> String {
    let days = ms.clamp(0, LAST_MS) / DAY_MS;
    // years counted from March have the leap day at their end; 719 468 days lie before 1970-01-01
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, years_more) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    let year = era * 400 + year_of_era + years_more;
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_named_in_utc_from_midnight_to_midnight() {
        for (ms, expected) in [
            (0, "1970-01-01"),
            (DAY_MS - 1, "1970-01-01"),
            (DAY_MS, "1970-01-02"),
            (951_782_399_999, "2000-02-28"),
            (951_782_400_000, "2000-02-29"),
            (951_868_800_000, "2000-03-01"),
            (1_709_164_800_000, "2024-02-29"),
            (1_735_689_599_999, "2024-12-31"),
            (1_735_689_600_000, "2025-01-01"),
            (4_107_542_400_000, "2100-03-01"),
            (LAST_MS, "9999-12-31"),
            (i64::MAX, "9999-12-31"),
            (-1, "1970-01-01"),
            (i64::MIN, "1970-01-01"),
        ] {
            assert_eq!(name(ms), expected, "{ms}");
        }
    }
}
