//! How full everything is that bounds somebody: quotas, the limits of keys and teams, and what keys are held to.
//!
//! It is told from this node's memory, so nothing is asked of the ledger however often somebody looks.

use std::cmp::Reverse;

use nexus_core::{
    flow::Limits,
    id::Uuid,
    limit::Level,
    quota::{Measure, Mode, Quota, Subject, Window},
    role::Reach,
    snapshot::Snapshot,
};
use nexus_store::repo::key;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    answer::Told,
    call::Call,
    problem::Problem,
    query::Filter,
    quotas::{SubjectWord, WindowWord},
    words::{MeasureWord, ModeWord},
};

/// From here on somebody is near a limit, in percent.
const NEAR_PERCENT: u32 = 80;
/// Rows of an answer.
const ROWS_MAX: usize = 1_000;

/// What kind of bound it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LimitKind)]
pub enum LimitWord {
    /// A quota.
    Quota,
    /// What may pass of a key or a team: requests a minute, tokens a minute, requests at once.
    Limit,
    /// What a key is held to for a while because something about it looked wrong.
    Throttle,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct LimitFilter {
    #[param(inline, nullable = false)]
    kind: Option<LimitWord>,
    /// How full at least, in percent, what is held for calls under way included. A throttle is told of however full it is.
    #[param(nullable = false, minimum = 0, maximum = 100, default = 80)]
    percent: Option<u32>,
}

/// Something that bounds somebody, and how full it is on this node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LimitLevel)]
pub struct LimitBody {
    pub kind: LimitWord,
    /// Of a quota.
    pub quota_id: Option<Uuid>,
    /// Of a quota.
    pub name: Option<String>,
    pub subject: SubjectWord,
    /// The team, key or provider, or a pattern of aliases, users or tags; null: the platform.
    pub subject_value: Option<String>,
    pub measure: MeasureWord,
    pub window: WindowWord,
    pub mode: ModeWord,
    pub limit: u64,
    /// In the present window; of a quota for users or tags, by the one that used most.
    pub used: u64,
    /// Held for calls under way.
    pub reserved: u64,
    /// When the present window began, Unix seconds; null: it goes by no calendar.
    pub begins_at: Option<i64>,
    /// When it, or the throttle, ends.
    pub ends_at: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LimitLevels)]
pub struct LimitList {
    /// The fullest first, at most 1000.
    pub data: Vec<LimitBody>,
}

impl LimitBody {
    fn quota(quota: &Quota, level: nexus_core::quota::Level, now_ms: i64) -> Self {
        let span = quota.window.is_calendar().then(|| quota.window.span(now_ms));
        let (subject, subject_value) = SubjectWord::of(&quota.subject);
        Self {
            kind: LimitWord::Quota,
            quota_id: Some(quota.id),
            name: Some(quota.name.to_string()),
            subject,
            subject_value,
            measure: quota.measure.into(),
            window: WindowWord::of(&quota.window),
            mode: quota.mode.into(),
            limit: quota.limit,
            used: level.used,
            reserved: level.reserved,
            begins_at: span.map(|span| span.begin_ms.div_euclid(1000)),
            ends_at: span.map(|span| span.end_ms.div_euclid(1000)),
        }
    }

    fn rate(kind: LimitWord, of: &Subject, measure: Measure, level: Level) -> Self {
        let used = u64::from(level.limit.saturating_sub(level.remaining));
        Self { used, ..Self::bound(kind, of, measure, level.limit) }
    }

    fn bound(kind: LimitWord, of: &Subject, measure: Measure, limit: u32) -> Self {
        let (subject, subject_value) = SubjectWord::of(of);
        let window = if measure == Measure::Concurrent { Window::Total } else { Window::Minute };
        Self {
            kind,
            quota_id: None,
            name: None,
            subject,
            subject_value,
            measure: measure.into(),
            window: WindowWord::of(&window),
            mode: Mode::Hard.into(),
            limit: u64::from(limit),
            used: 0,
            reserved: 0,
            begins_at: None,
            ends_at: None,
        }
    }

    /// In thousandths of a percent; what is bounded to nothing is full.
    fn fullness(&self) -> u64 {
        let taken = u128::from(self.used.saturating_add(self.reserved));
        let share = taken.saturating_mul(100_000).checked_div(u128::from(self.limit)).unwrap_or(100_000);
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

/// A team is told of its own quotas and limits and of those of its keys.
pub async fn list(call: Call<Filter<LimitFilter>>) -> Result<Told<LimitList>, Problem> {
    let Filter(LimitFilter { kind, percent }) = &call.query;
    let least = u64::from(percent.unwrap_or(NEAR_PERCENT)).saturating_mul(1000);
    let own = match call.caller.reach {
        Reach::Platform => None,
        Reach::Team(team) => Some((team, call.read(move |conn| key::of_team(conn, team)).await?)),
    };
    let may_see = |subject: &Subject| match (&own, subject) {
        (None, _) => true,
        (Some((own, _)), Subject::Team(team)) => own == team,
        (Some((_, keys)), Subject::Key(key)) => keys.contains(key),
        _ => false,
    };
    let is_wanted = |word: LimitWord| kind.is_none_or(|kind| kind == word);
    let shared = &call.worker().engine.shared;
    let (now_ms, now_us) = (call.now_ms(), shared.clock.monotonic_us());
    let world = shared.worlds.current();
    let snapshot = &world.snapshot;
    let mut rows = Vec::new();
    if is_wanted(LimitWord::Quota) {
        let seen = snapshot.quotas.iter().filter(|quota| may_see(&quota.subject));
        rows.extend(seen.map(|quota| LimitBody::quota(quota, shared.quotas.level(quota, now_ms), now_ms)));
    }
    if is_wanted(LimitWord::Limit) {
        rows.extend(bounded(snapshot, &may_see).flat_map(|(of, limits)| passing(&of, limits, now_us)));
    }
    rows.retain(|row| row.fullness() >= least);
    if is_wanted(LimitWord::Throttle) {
        rows.extend(held(snapshot, now_ms, now_us).filter(|(of, _)| may_see(of)).map(|(_, row)| row));
    }
    rows.sort_by_key(|row| Reverse(row.fullness()));
    rows.truncate(ROWS_MAX);
    Ok(Told(LimitList { data: rows }))
}

/// Keys and teams with limits of their own.
fn bounded<'a>(
    snapshot: &'a Snapshot,
    may_see: &'a impl Fn(&Subject) -> bool,
) -> impl Iterator<Item = (Subject, &'a Limits)> {
    let keys = snapshot.keys.iter().map(|(key, policy)| (Subject::Key(*key), &policy.limits));
    let teams = snapshot.teams.iter().map(|(team, policy)| (Subject::Team(*team), &policy.limits));
    keys.chain(teams).filter(|(of, limits)| !limits.are_open() && may_see(of))
}

fn passing(of: &Subject, limits: &Limits, now_us: u64) -> impl Iterator<Item = LimitBody> + use<> {
    let left = limits.left(now_us);
    let rate = |measure, level: Option<Level>| {
        level.map(|level| LimitBody::rate(LimitWord::Limit, of, measure, level))
    };
    let places = left.places.map(|(most, free)| LimitBody {
        reserved: u64::from(most.saturating_sub(free)),
        ..LimitBody::bound(LimitWord::Limit, of, Measure::Concurrent, most)
    });
    [rate(Measure::Requests, left.requests), rate(Measure::Tokens, left.tokens), places].into_iter().flatten()
}

/// Keys that are held to fewer requests for a while.
fn held(snapshot: &Snapshot, now_ms: i64, now_us: u64) -> impl Iterator<Item = (Subject, LimitBody)> {
    let now = snapshot.throttles.iter().filter(move |(_, held)| now_ms < held.until_ms);
    now.map(move |(key, held)| {
        let of = Subject::Key(*key);
        let row = LimitBody::rate(LimitWord::Throttle, &of, Measure::Requests, held.requests.level(now_us));
        (of, LimitBody { ends_at: Some(held.until_ms.div_euclid(1000)), ..row })
    })
}
