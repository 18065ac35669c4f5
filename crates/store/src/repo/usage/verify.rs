//! Whether every sum is what the rows add up to: they are added up anew, a day at a time, those in the archive too, and
//! compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use diesel::{
    BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl,
    dsl::{max, min, sql},
    sql_types::BigInt,
};

use super::{
    archive,
    hour::{DAY_HOURS, HOUR_MS, Hours, SumKey, WEEK_DAYS},
    rows::{self, Attempt},
};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{usage_attempts, usage_days, usage_entries, usage_hours, usage_weeks},
};

const DAY_MS: i64 = HOUR_MS * DAY_HOURS;

/// Differences that are told in full.
const TOLD_MAX: usize = 20;

/// A sum that is not what the rows add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `hour`, `day` or `week`.
    pub of: &'static str,
    /// When it began, Unix milliseconds.
    pub at_ms: i64,
    pub context: String,
    pub measure: String,
    /// As the sum says.
    pub stored: i64,
    /// As the rows say.
    pub rows: i64,
}

/// What verifying came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub days: u64,
    pub attempts: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// All there are.
    pub differences_count: u64,
    /// Segments of the archive.
    pub archives: u64,
    /// The names of those that are not what they were.
    pub damaged: Vec<String>,
    /// What every account comes to; together they are nothing.
    pub balances: Vec<(String, i64)>,
}

impl Verdict {
    pub fn is_whole(&self) -> bool {
        let balance =
            self.balances.iter().fold(0_i128, |sum, (_, amount)| sum.saturating_add((*amount).into()));
        self.differences_count == 0 && self.damaged.is_empty() && balance == 0
    }

    fn compare(&mut self, of: &'static str, unit_ms: i64, stored: Vec<Stored>, mut rows: Sums) {
        for (at, context, measure, sum) in stored {
            let added = rows.remove(&(at, context.clone(), measure.clone())).unwrap_or(0);
            self.note(of, at.saturating_mul(unit_ms), context, measure, (sum, added));
        }
        for ((at, context, measure), added) in rows {
            self.note(of, at.saturating_mul(unit_ms), context, measure, (0, added));
        }
    }

    fn note(
        &mut self,
        of: &'static str,
        at_ms: i64,
        context: String,
        measure: String,
        (stored, rows): (i64, i64),
    ) {
        if stored == rows {
            return;
        }
        self.differences_count = self.differences_count.saturating_add(1);
        if self.differences.len() < TOLD_MAX {
            self.differences.push(Difference { of, at_ms, context, measure, stored, rows });
        }
    }
}

/// A sum as it is stored: its time, context, measure and amount.
type Stored = (i64, String, String, i64);

/// Sums by time, context and measure.
type Sums = BTreeMap<(i64, String, String), i64>;

/// Adds every row up anew, with those in the archive's folder, and compares; `tell` is told after each day how many attempts were looked at.
pub fn verify(
    conn: &mut AnyConnection,
    folder: &Path,
    tell: &mut dyn FnMut(u64),
) -> Result<Verdict, StoreError> {
    let segments = archive::segments(conn)?;
    let mut verdict = Verdict {
        archives: u64::try_from(segments.len()).unwrap_or(u64::MAX),
        damaged: crate::archive::check(folder, &segments),
        ..Verdict::default()
    };
    for (week, days) in weeks(conn)? {
        let mut by_week = Sums::new();
        for day in days {
            let added = added(conn, folder, day, &mut verdict)?;
            let by_day = keyed(&added.by(DAY_HOURS));
            for (of, amount) in &by_day {
                let sum = by_week.entry((week, of.1.clone(), of.2.clone())).or_default();
                *sum = sum.saturating_add(*amount);
            }
            let begin = day.saturating_mul(DAY_HOURS);
            let stored = usage_hours::table
                .filter(
                    usage_hours::hour.ge(begin).and(usage_hours::hour.lt(begin.saturating_add(DAY_HOURS))),
                )
                .load(conn)?;
            verdict.compare("hour", HOUR_MS, stored, keyed(&added.by(1)));
            let stored = usage_days::table.filter(usage_days::day.eq(day)).load(conn)?;
            verdict.compare("day", DAY_MS, stored, by_day);
            tell(verdict.attempts);
        }
        let stored = usage_weeks::table.filter(usage_weeks::week.eq(week)).load(conn)?;
        verdict.compare("week", DAY_MS.saturating_mul(WEEK_DAYS), stored, by_week);
    }
    verdict.balances = balances(conn)?;
    Ok(verdict)
}

/// What the rows of a day add up to, those in the archive too.
fn added(
    conn: &mut AnyConnection,
    folder: &Path,
    day: i64,
    verdict: &mut Verdict,
) -> Result<Hours, StoreError> {
    let time = day.saturating_mul(DAY_MS)..day.saturating_add(1).saturating_mul(DAY_MS);
    let mut added = Hours::default();
    let mut attempts = 0_u64;
    let mut add = |attempt: &Attempt| {
        added.add(&attempt.fact, &Arc::from(attempt.context.as_str()));
        attempts = attempts.saturating_add(1);
    };
    rows::each(conn, time.clone(), &mut add)?;
    for segment in archive::segments_of(conn, &time)? {
        let read = crate::archive::each(folder, &segment, |line| {
            if time.contains(&line.started_at_ms()) {
                add(&line.read());
            }
        });
        if read.is_err() && !verdict.damaged.contains(&segment.file) {
            verdict.damaged.push(segment.file);
        }
    }
    verdict.attempts = verdict.attempts.saturating_add(attempts);
    verdict.days = verdict.days.saturating_add(1);
    Ok(added)
}

fn keyed(sums: &BTreeMap<SumKey<'_>, i64>) -> Sums {
    let owned = |((at, context, measure), amount): (&SumKey<'_>, &i64)| {
        ((*at, (*context).to_owned(), measure.clone().into_owned()), *amount)
    };
    sums.iter().map(owned).collect()
}

/// Every week that has a sum, and in them every day that has a row or a sum.
fn weeks(conn: &mut AnyConnection) -> Result<BTreeMap<i64, BTreeSet<i64>>, StoreError> {
    let mut days: Vec<i64> = usage_days::table.select(usage_days::day).distinct().load(conn)?;
    let hours: Vec<i64> = usage_hours::table.select(usage_hours::hour).distinct().load(conn)?;
    days.extend(hours.into_iter().map(|hour| hour.div_euclid(DAY_HOURS)));
    let (first, last): (Option<i64>, Option<i64>) = usage_attempts::table
        .select((min(usage_attempts::started_at), max(usage_attempts::started_at)))
        .first(conn)?;
    days.extend([first, last].into_iter().flatten().map(|at_ms| at_ms.div_euclid(DAY_MS)));
    let mut weeks: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for day in days {
        weeks.entry(day.div_euclid(WEEK_DAYS)).or_default().insert(day);
    }
    let stored: Vec<i64> = usage_weeks::table.select(usage_weeks::week).distinct().load(conn)?;
    for week in stored {
        weeks.entry(week).or_default();
    }
    Ok(weeks)
}

/// What every account comes to: what providers are owed, and who bears it.
pub fn balances(conn: &mut AnyConnection) -> Result<Vec<(String, i64)>, StoreError> {
    // a sum of bigints is a numeric on PostgreSQL: the cast makes both databases agree
    let rows: Vec<(String, i64)> = usage_entries::table
        .group_by(usage_entries::account)
        .order(usage_entries::account)
        .select((usage_entries::account, sql::<BigInt>("CAST(SUM(amount) AS BIGINT)")))
        .load(conn)?;
    let mut balances = BTreeMap::new();
    for (account, amount) in rows.into_iter().chain(archive::balances(conn)?) {
        let sum: &mut i64 = balances.entry(account).or_default();
        *sum = sum.saturating_add(amount);
    }
    Ok(balances.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use nexus_core::{
        fault::Class,
        id::Uuid,
        label::Labels,
        usage::{Cost, Outcome, Pricing, UsageRecord},
    };

    use super::*;
    use crate::{
        exec::Store,
        repo::{
            reprice::{self, State, Used, Wanted},
            usage::{Contexts, insert, rows::first_id, totals},
        },
        sample,
    };

    const BEGIN_MS: i64 = 1_700_006_400_000;

    fn record(number: u64, after_ms: i64, nano_usd: u64, is_failed: bool) -> UsageRecord {
        let started_at_ms = BEGIN_MS + after_ms;
        let id = format!("{}-7000-8000-{number:012}", first_id(started_at_ms));
        let mut labels = Labels::default().for_user(Some("ada"));
        labels.tag_each("red");
        UsageRecord {
            attempt: id.parse::<Uuid>().unwrap().into(),
            started_at_ms,
            outcome: if is_failed { Outcome::Failed(Class::Internal) } else { Outcome::Answered },
            status: if is_failed { 502 } else { 200 },
            cost: Cost { nano_usd, pricing: Pricing::Known, rule: Some("r".into()), ..Cost::default() },
            labels,
            ..sample::record(number)
        }
    }

    fn verdict(store: &Store) -> Verdict {
        store.read_blocking(|conn| verify(conn, Path::new(""), &mut |_| {})).unwrap()
    }

    #[test]
    fn a_sum_that_is_not_what_the_rows_add_up_to_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        assert!(verdict(&store).is_whole());
        let records = [record(1, 0, 7, false), record(2, 86_400_000, 8, true)];
        store.write_blocking(|conn| insert(conn, &records, &mut Contexts::default())).unwrap();
        let whole = verdict(&store);
        assert!(whole.is_whole(), "{whole:?}");
        assert_eq!((whole.days, whole.attempts), (2, 2));
        let provider = format!("provider:{}", sample::uuid(7));
        let team = format!("team:{}", sample::uuid(6));
        let balances = [("platform".to_owned(), 8), (provider, -15), (team, 7)];
        assert_eq!(whole.balances, balances);
        let wrong = |conn: &mut AnyConnection| {
            use usage_hours::dsl as h;
            diesel::update(h::usage_hours.filter(h::measure.eq("charged_nano_usd")))
                .set(h::amount.eq(9))
                .execute(conn)?;
            use usage_days::dsl as d;
            diesel::delete(d::usage_days.filter(d::measure.eq("absorbed_nano_usd"))).execute(conn)?;
            use usage_weeks::dsl as w;
            diesel::update(w::usage_weeks.filter(w::measure.eq("attempts")))
                .set(w::amount.eq(3))
                .execute(conn)?;
            Ok(())
        };
        store.write_blocking(wrong).unwrap();
        let broken = verdict(&store);
        assert!(!broken.is_whole());
        let found: Vec<_> = broken
            .differences
            .iter()
            .map(|one| (one.of, one.measure.as_str(), one.stored, one.rows))
            .collect();
        assert_eq!(
            found,
            [
                ("hour", "charged_nano_usd", 9, 7),
                ("week", "attempts", 3, 1),
                ("day", "absorbed_nano_usd", 0, 8),
                ("week", "attempts", 3, 1)
            ]
        );
    }

    fn wanted(number: u64, is_preview: bool) -> Wanted {
        Wanted {
            id: sample::uuid(number),
            is_preview,
            from_ms: BEGIN_MS,
            until_ms: BEGIN_MS + 10 * 86_400_000,
            provider: None,
            real_model: None,
        }
    }

    fn run(store: &Store, wanted: &Wanted, price: &dyn Fn(&Used) -> Option<Cost>) -> reprice::Reprice {
        store.write_blocking(|conn| reprice::create(conn, wanted, 5)).unwrap();
        loop {
            // as another process every time, which knows nothing
            let step = |conn: &mut AnyConnection| {
                reprice::step(conn, wanted.id, wanted.id.as_u128() as i64, &mut Contexts::default(), price)
            };
            let job = store.write_blocking(step).unwrap().unwrap();
            if job.state == State::Done {
                return job;
            }
        }
    }

    #[test]
    fn what_is_priced_again_is_corrected_beside_its_row_and_every_sum_follows() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let records: Vec<_> =
            (0..1_200).map(|number| record(number, number as i64 * 500_000, 100, number % 5 == 0)).collect();
        store.write_blocking(|conn| insert(conn, &records, &mut Contexts::default())).unwrap();
        let before = store.read_blocking(totals).unwrap();
        let dearer = |_: &Used| {
            Some(Cost { nano_usd: 130, pricing: Pricing::Known, rule: Some("new".into()), ..Cost::default() })
        };
        let preview = run(&store, &wanted(1, true), &dearer);
        assert_eq!((preview.looked_at, preview.changed, preview.raised_nano_usd), (1_200, 1_200, 36_000));
        assert_eq!(store.read_blocking(totals).unwrap(), before, "a preview changes nothing");
        let job = run(&store, &wanted(2, false), &dearer);
        assert_eq!((job.changed, job.raised_nano_usd, job.lowered_nano_usd), (1_200, 36_000, 0));
        let after = store.read_blocking(totals).unwrap();
        assert_eq!((after.charged_nano_usd, after.absorbed_nano_usd), (960 * 130, 240 * 130));
        let whole = verdict(&store);
        assert!(whole.is_whole(), "{:?}", whole.differences);
        let again = run(&store, &wanted(3, false), &dearer);
        assert_eq!((again.looked_at, again.changed), (1_200, 0), "what is right is left alone");
        let unknown = |used: &Used| (used.started_at_ms < BEGIN_MS + 500_000).then(Cost::default);
        let job = run(&store, &wanted(4, false), &unknown);
        assert_eq!((job.changed, job.lowered_nano_usd), (1, 130));
        let after = store.read_blocking(totals).unwrap();
        assert_eq!((after.unpriced, after.absorbed_nano_usd), (1, 239 * 130));
        assert!(verdict(&store).is_whole());
    }

    #[test]
    fn whatever_is_booked_and_corrected_entries_add_up_to_nothing_and_sums_to_the_rows() {
        for seed in 1..=8_u64 {
            let mut state = seed;
            let mut below = |bound: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % bound
            };
            let folder = tempfile::tempdir().unwrap();
            let store = Store::scratch(folder.path());
            let records: Vec<_> = (0..1 + below(40))
                .map(|number| record(number, below(400_000_000) as i64, below(1 << 30), below(4) == 0))
                .collect();
            store.write_blocking(|conn| insert(conn, &records, &mut Contexts::default())).unwrap();
            for number in 1..=1 + below(3) {
                let base = below(1 << 30);
                let price = |used: &Used| {
                    let nano_usd = base + u64::try_from(used.started_at_ms % 7).unwrap();
                    Some(Cost { nano_usd, pricing: Pricing::Known, ..Cost::default() })
                };
                run(&store, &wanted(number, false), &price);
            }
            let verdict = verdict(&store);
            assert!(verdict.is_whole(), "{seed}: {:?}", verdict.differences);
        }
    }
}
