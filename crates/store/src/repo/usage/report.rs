//! What was used, summed by things and by time: the one query behind every total that people see.
//!
//! Days are read from the sums of days and long totals from those of weeks, what begins or ends within one from those of
//! hours, and only what no sum tells apart (minutes, and labels within a day) from the attempts' own rows.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl, dsl::sql, sql_types::BigInt};

use super::{
    hour::{DAY_HOURS, HOUR_MS, WEEK_DAYS},
    labels::Kind,
    only::{Only, only},
    rows::{self, Attempt},
};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{usage_contexts, usage_days, usage_hours, usage_label_days, usage_weeks},
};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = HOUR_MS * DAY_HOURS;

/// What sums are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Team,
    Key,
    /// The application's own name of its user.
    User,
    Alias,
    Provider,
    Model,
    Operation,
    /// The HTTP status the client was given.
    Status,
    /// Usage with several tags stands under each.
    Tag,
    /// The provider's region that was asked.
    Region,
    /// How long it took: the power of two of milliseconds it reached, 0 below one.
    Latency,
}

impl By {
    fn label(self) -> Option<Kind> {
        match self {
            By::User => Some(Kind::User),
            By::Tag => Some(Kind::Tag),
            _ => None,
        }
    }

    /// Whether only the attempts' own rows say it.
    fn is_of_rows(self) -> bool {
        matches!(self, By::Region | By::Latency)
    }
}

/// The time that makes one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Minute,
    Hour,
    Day,
    /// One row of all.
    Total,
}

/// Which usage is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub by: Vec<By>,
    /// Unix milliseconds, cut to the hour, of minutes to the minute; the end is not included.
    pub from_ms: i64,
    pub until_ms: i64,
    pub step: Step,
    pub only: Only,
}

impl Wanted {
    /// Whether no sums tell apart what is wanted, so that the attempts' own rows are read.
    pub fn needs_rows(&self) -> bool {
        let labels = self.by.iter().filter(|by| by.label().is_some()).count();
        let is_plain = self.by.len() == 1 && self.only == (Only { team: self.only.team, ..Only::default() });
        let is_by_day = matches!(self.step, Step::Day | Step::Total);
        let is_of_rows = self.by.iter().any(|by| by.is_of_rows());
        self.step == Step::Minute || is_of_rows || labels > 0 && !(is_plain && is_by_day)
    }
}

/// Sums by their measure.
pub type Sums = BTreeMap<String, u64>;

/// Sums by when their step began (Unix milliseconds) and by what they are told apart by, in the order that was
/// asked for; `None` is usage without it.
pub type Report = BTreeMap<(i64, Vec<Option<String>>), Sums>;

/// The sums of what is wanted. By labels alone, days are whole.
pub fn report(conn: &mut AnyConnection, wanted: &Wanted) -> Result<Report, StoreError> {
    let label = wanted.by.iter().find_map(|by| by.label());
    match label {
        _ if wanted.needs_rows() => of_rows(conn, wanted),
        Some(kind) => of_labels(conn, wanted, kind),
        None => of_sums(conn, wanted),
    }
}

/// What an attempt was, as far as sums are told apart by it.
struct Context {
    team: Option<String>,
    key: String,
    alias: String,
    provider: String,
    model: String,
    operation: String,
    /// 0 where it was not told apart.
    status: i64,
}

impl Context {
    /// Every group an attempt of this context with these labels is in.
    fn groups(&self, by: &[By], attempt: Option<&Attempt>) -> Vec<Vec<Option<String>>> {
        let mut groups = vec![Vec::with_capacity(by.len())];
        for by in by {
            let what = match by {
                By::Team => self.team.clone(),
                By::Key => Some(self.key.clone()),
                By::Alias => Some(self.alias.clone()),
                By::Provider => Some(self.provider.clone()),
                By::Model => Some(self.model.clone()),
                By::Operation => Some(self.operation.clone()),
                By::Status => Some(self.status.to_string()).filter(|status| status != "0"),
                By::User => attempt.and_then(|attempt| attempt.user.clone()),
                By::Region => attempt.and_then(|attempt| attempt.region.clone()),
                By::Latency => attempt.map(|attempt| octave_ms(attempt.fact.duration_us).to_string()),
                By::Tag => None,
            };
            let tags = attempt.map(|attempt| attempt.tags.as_slice()).unwrap_or_default();
            if *by == By::Tag && !tags.is_empty() {
                let with = |group: Vec<_>| {
                    tags.iter().map(move |tag| group.iter().cloned().chain([Some(tag.clone())]).collect())
                };
                groups = groups.into_iter().flat_map(with).collect();
            } else {
                groups.iter_mut().for_each(|group| group.push(what.clone()));
            }
        }
        groups
    }
}

/// The power of two of milliseconds that a time reaches.
fn octave_ms(us: u64) -> u64 {
    let ms = us.div_euclid(1_000);
    ms.checked_ilog2().and_then(|octave| 1_u64.checked_shl(octave)).unwrap_or(0)
}

type Contexts = HashMap<String, Context>;

fn contexts(conn: &mut AnyConnection, only: &Only) -> Result<Contexts, StoreError> {
    use usage_contexts::dsl as c;
    type Row = (String, Option<String>, String, String, String, String, String, i64);
    let columns = (
        c::id,
        c::team_id,
        c::key_id,
        c::model_alias,
        c::provider_name,
        c::real_model_name,
        c::operation,
        c::status,
    );
    let rows: Vec<Row> = only!(usage_contexts::table.select(columns).into_boxed(), only).load(conn)?;
    let context = |(id, team, key, alias, provider, model, operation, status)| {
        (id, Context { team, key, alias, provider, model, operation, status })
    };
    Ok(rows.into_iter().map(context).collect())
}

/// What is added up, and into what.
struct Adding<'a> {
    wanted: &'a Wanted,
    contexts: Contexts,
    report: Report,
}

impl Adding<'_> {
    fn add(&mut self, at_ms: i64, context: &str, attempt: Option<&Attempt>, measure: &str, amount: i64) {
        let Some(context) = self.contexts.get(context) else { return };
        let length = match self.wanted.step {
            Step::Minute => MINUTE_MS,
            Step::Hour => HOUR_MS,
            Step::Day => DAY_MS,
            Step::Total => 0,
        };
        let begin = match length {
            0 => self.wanted.from_ms.saturating_sub(self.wanted.from_ms.rem_euclid(HOUR_MS)),
            length => at_ms.saturating_sub(at_ms.rem_euclid(length)),
        };
        for group in context.groups(&self.wanted.by, attempt) {
            add_to(self.report.entry((begin, group)).or_default(), measure, amount);
        }
    }
}

fn add_to(sums: &mut Sums, measure: &str, amount: i64) {
    let sum = match sums.get_mut(measure) {
        Some(sum) => sum,
        None => sums.entry(measure.to_owned()).or_default(),
    };
    *sum = sum.saturating_add_signed(amount);
}

macro_rules! sums {
    ($conn:expr, $adding:expr, $table:ident, $time:ident, $range:expr, $unit_ms:expr) => {{
        use $table::dsl as t;
        let only = &$adding.wanted.only;
        let range = t::$time.ge($range.start).and(t::$time.lt($range.end));
        let rows: Vec<(i64, String, String, i64)> = if $adding.wanted.step == Step::Total {
            // a sum of bigints is a numeric on PostgreSQL: the cast makes both databases agree
            let sums = t::$table
                .inner_join(usage_contexts::table)
                .group_by((t::context_id, t::measure))
                .select((
                    sql::<BigInt>("CAST(0 AS BIGINT)"),
                    t::context_id,
                    t::measure,
                    sql::<BigInt>("CAST(SUM(amount) AS BIGINT)"),
                ))
                .filter(range)
                .into_boxed();
            only!(sums, only).load($conn)?
        } else {
            let sums = t::$table
                .inner_join(usage_contexts::table)
                .select((t::$time, t::context_id, t::measure, t::amount))
                .filter(range)
                .into_boxed();
            only!(sums, only).load($conn)?
        };
        for (time, context, measure, amount) in rows {
            $adding.add(time.saturating_mul($unit_ms), &context, None, &measure, amount);
        }
    }};
}

fn of_sums(conn: &mut AnyConnection, wanted: &Wanted) -> Result<Report, StoreError> {
    let mut adding = Adding { wanted, contexts: contexts(conn, &wanted.only)?, report: Report::new() };
    let hours = wanted.from_ms.div_euclid(HOUR_MS)..wanted.until_ms.div_euclid(HOUR_MS);
    if wanted.step == Step::Hour {
        sums!(conn, adding, usage_hours, hour, hours, HOUR_MS);
        return Ok(adding.report);
    }
    let (hours, days) = parted(hours, DAY_HOURS);
    for hours in hours {
        sums!(conn, adding, usage_hours, hour, hours, HOUR_MS);
    }
    if wanted.step == Step::Day {
        sums!(conn, adding, usage_days, day, days, DAY_MS);
        return Ok(adding.report);
    }
    let (days, weeks) = parted(days, WEEK_DAYS);
    for days in days {
        sums!(conn, adding, usage_days, day, days, DAY_MS);
    }
    sums!(conn, adding, usage_weeks, week, weeks, DAY_MS.saturating_mul(WEEK_DAYS));
    Ok(adding.report)
}

/// What of a range makes whole units of `length`, and what lies before and after these.
fn parted(range: Range<i64>, length: i64) -> ([Range<i64>; 2], Range<i64>) {
    let first = range.start.saturating_add(length.saturating_sub(1)).div_euclid(length);
    let last = range.end.div_euclid(length);
    if first >= last {
        return ([range, 0..0], 0..0);
    }
    let before = range.start..first.saturating_mul(length);
    let after = last.saturating_mul(length)..range.end;
    ([before, after], first..last)
}

fn of_labels(conn: &mut AnyConnection, wanted: &Wanted, kind: Kind) -> Result<Report, StoreError> {
    use usage_label_days::dsl as row;
    let until_ms = wanted.until_ms.saturating_add(DAY_MS - 1);
    let (from, until) = (wanted.from_ms.div_euclid(DAY_MS), until_ms.div_euclid(DAY_MS));
    let mut query = row::usage_label_days
        .select((row::day, row::label, row::measure, row::amount))
        .filter(row::day.ge(from).and(row::day.lt(until)))
        .filter(row::kind.eq(kind.as_str()))
        .into_boxed();
    if let Some(team) = wanted.only.team {
        query = query.filter(row::team_id.eq(team.to_string()));
    }
    let mut report = Report::new();
    for (day, label, measure, amount) in query.load::<(i64, String, String, i64)>(conn)? {
        let day = if wanted.step == Step::Total { from } else { day };
        let group = (day.saturating_mul(DAY_MS), vec![Some(label)]);
        add_to(report.entry(group).or_default(), &measure, amount);
    }
    Ok(report)
}

fn of_rows(conn: &mut AnyConnection, wanted: &Wanted) -> Result<Report, StoreError> {
    let mut adding = Adding { wanted, contexts: contexts(conn, &wanted.only)?, report: Report::new() };
    let unit_ms = if wanted.step == Step::Minute { MINUTE_MS } else { HOUR_MS };
    let cut = |ms: i64| ms.saturating_sub(ms.rem_euclid(unit_ms));
    rows::each(conn, cut(wanted.from_ms)..cut(wanted.until_ms), |attempt| {
        let mut sums = super::hour::Sums::default();
        sums.add(&attempt.fact);
        for (measure, amount) in sums.measures() {
            adding.add(attempt.fact.started_at_ms, &attempt.context, Some(attempt), &measure, amount);
        }
    })?;
    Ok(adding.report)
}

#[cfg(test)]
mod tests;
