//! What was used and what it cost, by one thing and by time, from the ledger's sums.

use std::collections::BTreeMap;

use nexus_core::usage::Quantity;
use nexus_store::repo::usage::{By, Sums, Wanted, report};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    answer::Told,
    call::Call,
    problem::{Kind, Problem},
    query::Filter,
};

const HOUR_S: i64 = 3_600;
/// What is shown where the request does not say from when: a day.
const USUAL_S: i64 = 24 * HOUR_S;
/// The longest time that is shown by the hour, and by the day or whole.
const BY_HOUR_MAX_S: i64 = 32 * 24 * HOUR_S;
const MAX_S: i64 = 400 * 24 * HOUR_S;

/// What usage is told apart by.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UsageBy)]
pub enum ByWord {
    Team,
    Key,
    Alias,
    Provider,
    Model,
    Operation,
}

/// The length of time of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UsageInterval)]
pub enum IntervalWord {
    Hour,
    Day,
    Total,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct UsageFilter {
    /// What the rows are told apart by; none: the team.
    #[param(inline, nullable = false)]
    by: Option<ByWord>,
    /// The length of time of a row, in UTC; none: all of it.
    #[param(inline, nullable = false)]
    interval: Option<IntervalWord>,
    /// Unix seconds, cut to the hour; none: a day before `until`.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    from: Option<i64>,
    /// Unix seconds, not included; none: the end of the present hour.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    until: Option<i64>,
}

/// What was used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub struct UsageBody {
    /// Unix seconds, as `until`.
    from: i64,
    until: i64,
    rows: Vec<UsageRow>,
}

/// What was used of one thing in one interval.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRow {
    /// When the interval began, Unix seconds.
    at: i64,
    /// The id or name of what it was told apart by; none: usage of no team.
    of: Option<String>,
    attempts: u64,
    failed: u64,
    /// Requests that were given what another one got; they made no attempt and cost nothing.
    repeated: u64,
    /// Attempts whose cost nobody knows.
    unpriced: u64,
    charged_nano_usd: u64,
    /// The cost of attempts that brought nobody an answer.
    absorbed_nano_usd: u64,
    /// Every quantity there is any of; they never overlap.
    quantities: BTreeMap<String, u64>,
}

impl UsageRow {
    fn new(at_ms: i64, of: Option<String>, mut sums: Sums) -> Self {
        let mut take = |measure: &str| sums.remove(measure).unwrap_or_default();
        Self {
            at: at_ms.div_euclid(1000),
            of,
            attempts: take("attempts"),
            failed: take("failed"),
            repeated: take("repeated"),
            unpriced: take("unpriced"),
            charged_nano_usd: take("charged_nano_usd"),
            absorbed_nano_usd: take("absorbed_nano_usd"),
            quantities: sums.into_iter().filter(|(word, _)| Quantity::of_word(word).is_some()).collect(),
        }
    }
}

/// A team admin sees the own team's usage.
pub async fn show(call: Call<Filter<UsageFilter>>) -> Result<Told<UsageBody>, Problem> {
    let Filter(filter) = &call.query;
    let now_s = call.now_ms().div_euclid(1000);
    let hour_end_s = now_s.saturating_sub(now_s.rem_euclid(HOUR_S)).saturating_add(HOUR_S);
    let until_s = filter.until.unwrap_or(hour_end_s);
    let from_s = filter.from.unwrap_or(until_s.saturating_sub(USUAL_S)).max(0);
    let interval = filter.interval.unwrap_or(IntervalWord::Total);
    let most_s = if interval == IntervalWord::Hour { BY_HOUR_MAX_S } else { MAX_S };
    if !(0..=most_s).contains(&until_s.saturating_sub(from_s)) {
        let days = most_s.div_euclid(24 * HOUR_S);
        let why = format!("`until` must be after `from` and at most {days} days later");
        return Err(Problem::new(Kind::BadRequest, why));
    }
    let wanted = Wanted {
        by: match filter.by.unwrap_or(ByWord::Team) {
            ByWord::Team => By::Team,
            ByWord::Key => By::Key,
            ByWord::Alias => By::Alias,
            ByWord::Provider => By::Provider,
            ByWord::Model => By::Model,
            ByWord::Operation => By::Operation,
        },
        from_ms: from_s.saturating_mul(1000),
        until_ms: until_s.saturating_mul(1000),
        step_hours: match interval {
            IntervalWord::Hour => 1,
            IntervalWord::Day => 24,
            IntervalWord::Total => 0,
        },
        team: call.caller.reach.team(),
    };
    let report = call.read(move |conn| report(conn, &wanted)).await?;
    let rows = report.into_iter().map(|((at_ms, of), sums)| UsageRow::new(at_ms, of, sums)).collect();
    Ok(Told(UsageBody { from: from_s, until: until_s, rows }))
}
