//! What was used and what it cost, by whatever it can be told apart by and by time, from the ledger's sums.

mod allocation;
mod export;
mod row;

use nexus_core::{
    id::{KeyId, TeamId, Uuid},
    role::Reach,
};
use nexus_store::repo::usage::{By, Only, Report, Step, Wanted, archive::archived_until, report};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub use self::{
    allocation::allocation,
    export::{export, usd},
    row::UsageRow,
};
use super::{
    answer::Told,
    call::Call,
    problem::{Kind, Problem},
    query::Filter,
};

const HOUR_S: i64 = 3_600;
pub const DAY_S: i64 = 24 * HOUR_S;
/// The longest time that is shown by the minute, by the hour, and by the day or whole.
const BY_MINUTE_MAX_S: i64 = 6 * HOUR_S;
const BY_HOUR_MAX_S: i64 = 32 * DAY_S;
pub const MAX_S: i64 = 400 * DAY_S;
/// The longest time whose attempts are read one by one.
const OF_ROWS_MAX_S: i64 = 48 * HOUR_S;
/// The most rows of an answer.
const ROWS_MAX: usize = 20_000;

/// What usage is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UsageBy)]
pub enum ByWord {
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
    /// The provider's region that was asked; of at most 48 hours, as `latency`.
    Region,
    /// How long attempts took: the power of two of milliseconds they reached, `0` below one.
    Latency,
}

impl From<ByWord> for By {
    fn from(word: ByWord) -> Self {
        match word {
            ByWord::Team => By::Team,
            ByWord::Key => By::Key,
            ByWord::User => By::User,
            ByWord::Alias => By::Alias,
            ByWord::Provider => By::Provider,
            ByWord::Model => By::Model,
            ByWord::Operation => By::Operation,
            ByWord::Status => By::Status,
            ByWord::Tag => By::Tag,
            ByWord::Region => By::Region,
            ByWord::Latency => By::Latency,
        }
    }
}

/// The length of time of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UsageInterval)]
pub enum IntervalWord {
    Minute,
    Hour,
    Day,
    Total,
}

impl From<IntervalWord> for Step {
    fn from(word: IntervalWord) -> Self {
        match word {
            IntervalWord::Minute => Step::Minute,
            IntervalWord::Hour => Step::Hour,
            IntervalWord::Day => Step::Day,
            IntervalWord::Total => Step::Total,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct UsageFilter {
    /// What the rows are told apart by; none: the team.
    #[param(inline, nullable = false)]
    by: Option<ByWord>,
    /// What they are told apart by besides.
    #[param(inline, nullable = false)]
    and_by: Option<ByWord>,
    /// The length of time of a row, in UTC; none: all of it. At most 6 hours are shown by the minute, 32 days by the hour.
    #[param(inline, nullable = false)]
    interval: Option<IntervalWord>,
    /// Unix seconds, cut to the hour, by the minute to the minute, and of labels alone by the day to the day; none: a day before `until`, by the minute an hour.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    from: Option<i64>,
    /// Unix seconds, not included; none: the end of the present hour.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    until: Option<i64>,
    /// Usage of this team alone.
    #[param(nullable = false)]
    team_id: Option<Uuid>,
    #[param(nullable = false)]
    key_id: Option<Uuid>,
    #[param(nullable = false, max_length = 256)]
    alias: Option<String>,
    /// By its name.
    #[param(nullable = false, max_length = 256)]
    provider: Option<String>,
    /// The provider's name of it.
    #[param(nullable = false, max_length = 256)]
    model: Option<String>,
    #[param(nullable = false, max_length = 64)]
    operation: Option<String>,
    #[param(nullable = false, minimum = 100, maximum = 599)]
    status: Option<u16>,
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

impl UsageFilter {
    /// Whose usage is wanted; `None` where the caller may see none of it.
    fn only(&self, reach: Reach) -> Option<Only> {
        let team = self.team_id.map(TeamId);
        if team.is_some_and(|team| !reach.covers(Some(team))) {
            return None;
        }
        Some(Only {
            team: reach.team().or(team),
            keys: self.key_id.map(|key| vec![KeyId(key)]),
            alias: self.alias.clone(),
            provider: self.provider.clone(),
            provider_id: None,
            model: self.model.clone(),
            operation: self.operation.clone(),
            status: self.status,
        })
    }

    /// From when until when, in Unix seconds.
    fn time(&self, interval: IntervalWord, now_s: i64) -> Result<(i64, i64), Problem> {
        let hour_end_s = now_s.saturating_sub(now_s.rem_euclid(HOUR_S)).saturating_add(HOUR_S);
        let until_s = self.until.unwrap_or(hour_end_s);
        let (usual_s, most_s) = match interval {
            IntervalWord::Minute => (HOUR_S, BY_MINUTE_MAX_S),
            IntervalWord::Hour => (DAY_S, BY_HOUR_MAX_S),
            IntervalWord::Day | IntervalWord::Total => (DAY_S, MAX_S),
        };
        let from_s = self.from.unwrap_or(until_s.saturating_sub(usual_s)).max(0);
        held(from_s, until_s, most_s)?;
        Ok((from_s, until_s))
    }
}

/// Whether a time is one and not too long.
pub fn held(from_s: i64, until_s: i64, most_s: i64) -> Result<(), Problem> {
    if (0..=most_s).contains(&until_s.saturating_sub(from_s)) {
        return Ok(());
    }
    let most = match most_s {
        days if days >= 2 * DAY_S => format!("{} days", days.div_euclid(DAY_S)),
        hours => format!("{} hours", hours.div_euclid(HOUR_S)),
    };
    Err(Problem::new(Kind::BadRequest, format!("`until` must be after `from` and at most {most} later")))
}

/// A team admin sees the own team's usage.
pub async fn show(call: Call<Filter<UsageFilter>>) -> Result<Told<UsageBody>, Problem> {
    let Filter(filter) = &call.query;
    let interval = filter.interval.unwrap_or(IntervalWord::Total);
    let (from, until) = filter.time(interval, call.now_ms().div_euclid(1000))?;
    let by: Vec<By> = [Some(filter.by.unwrap_or(ByWord::Team)), filter.and_by]
        .into_iter()
        .flatten()
        .map(By::from)
        .collect();
    let Some(only) = filter.only(call.caller.reach) else {
        return Ok(Told(UsageBody { from, until, rows: Vec::new() }));
    };
    let (from_ms, until_ms) = (from.saturating_mul(1000), until.saturating_mul(1000));
    let wanted = Wanted { by, from_ms, until_ms, step: interval.into(), only };
    if wanted.needs_rows() {
        held(from, until, OF_ROWS_MAX_S)?;
        if call.read(archived_until).await?.is_some_and(|archived_ms| archived_ms >= from_ms) {
            let why = "the attempts of this time are in the archive; ask by the hour or by the day, and not by labels, regions or latency";
            return Err(Problem::new(Kind::BadRequest, why));
        }
    }
    let rows = rows(call.read(move |conn| report(conn, &wanted)).await?)?;
    Ok(Told(UsageBody { from, until, rows }))
}

fn rows(report: Report) -> Result<Vec<UsageRow>, Problem> {
    if report.len() > ROWS_MAX {
        let why = format!("there are more than {ROWS_MAX} rows; ask for a shorter time or for less");
        return Err(Problem::new(Kind::BadRequest, why));
    }
    Ok(report.into_iter().map(|((at_ms, of), sums)| UsageRow::new(at_ms, of, &sums)).collect())
}
