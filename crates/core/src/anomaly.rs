//! Finds what is unlike a key's or a team's usual use: how much, how large, how dear, how faulty, what and when.
//!
//! What is remembered of each is bounded, whatever it does, and so is what is told: of each kind once in
//! [`COOL_DOWN_MS`]. Nothing is told by comparison before there is something to compare with; until then only what is
//! beyond a bound nobody reaches by accident.

mod baseline;
mod habits;
mod memory;
pub mod throttle;

use std::collections::HashMap;

use crate::id::{KeyId, TeamId};

use self::{baseline::Baseline, habits::Habits};

/// Keys and teams watched at once; one more is not watched.
pub const WATCHED_MAX: usize = 20_000;
/// How long the same kind is not told again of a key or a team.
pub const COOL_DOWN_MS: i64 = 1_800_000;
/// How often what is usual of somebody is to be kept, at most.
const KEPT_EACH_MS: i64 = 600_000;
/// Who was not seen for so long is forgotten; after a day, who was hardly ever seen.
pub const FORGOTTEN_MS: i64 = 14 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// Requests a minute that are no matter, and those that are one before anything is known.
const RATE: Bounds = Bounds { least: 60.0, cap: 6_000.0 };
/// The same in nano-USD a minute: 20 cents, and 20 dollars.
const COST: Bounds = Bounds { least: 2e8, cap: 2e10 };
/// The same in tokens a request.
const SIZE: Bounds = Bounds { least: 2_000.0, cap: 500_000.0 };
/// Requests of a minute for a mean of their sizes to say something, and failed ones for their share to.
const REQUESTS_MIN: u32 = 5;
const FAILED_MIN: u32 = 10;
/// So much larger than usual must a share of failed requests be, and so large at all.
const SHARE_MORE: f64 = 0.3;
const SHARE_LEAST: f64 = 0.5;

struct Bounds {
    least: f64,
    cap: f64,
}

/// Whose use it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Watched {
    Key(KeyId, Option<TeamId>),
    Team(TeamId),
}

/// What is unlike the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Rate,
    Errors,
    Size,
    Cost,
    NewModel,
    OffHours,
}

impl Kind {
    pub const ALL: [Kind; 6] =
        [Kind::Rate, Kind::Errors, Kind::Size, Kind::Cost, Kind::NewModel, Kind::OffHours];

    /// The word in anomalies.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Rate => "usage_rate",
            Kind::Errors => "usage_errors",
            Kind::Size => "usage_size",
            Kind::Cost => "usage_cost",
            Kind::NewModel => "usage_new_model",
            Kind::OffHours => "usage_off_hours",
        }
    }

    /// What is counted, as evidence says it.
    pub fn measure(self) -> &'static str {
        match self {
            Kind::Rate => "requests a minute",
            Kind::Errors => "share of failed requests in a minute",
            Kind::Size => "tokens a request",
            Kind::Cost => "nano-USD a minute",
            Kind::NewModel => "models not used before",
            Kind::OffHours => "share of days with use at this hour",
        }
    }
}

/// One attempt, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub at_ms: i64,
    pub alias: &'a str,
    pub is_failed: bool,
    pub tokens: u64,
    pub cost_nano_usd: u64,
}

/// Something unlike the usual, and the evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    pub watched: Watched,
    pub kind: Kind,
    pub observed: f64,
    /// What is usual.
    pub expected: f64,
    /// What would just not have been told.
    pub bound: f64,
    /// Milliseconds that were looked at.
    pub window_ms: i64,
    pub at_ms: i64,
}

/// Everybody who is watched.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    each: HashMap<Watched, Usual>,
    /// When somebody was forgotten last.
    forgot_ms: i64,
}

impl Watch {
    /// Takes an attempt in, for its key and for its team, and says what is unlike the usual.
    pub fn see(&mut self, key: KeyId, team: Option<TeamId>, seen: Seen<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for watched in [Some(Watched::Key(key, team)), team.map(Watched::Team)].into_iter().flatten() {
            if self.each.len() >= WATCHED_MAX && !self.each.contains_key(&watched) {
                self.forget(seen.at_ms);
                if self.each.len() >= WATCHED_MAX {
                    continue;
                }
            }
            let usual = self.each.entry(watched).or_insert_with(|| Usual::since(seen.at_ms));
            usual.see(watched, seen, &mut found);
        }
        found
    }

    /// What was kept of somebody by an earlier process. What this one has seen goes before.
    pub fn recall(&mut self, watched: Watched, bytes: &[u8]) {
        if self.each.len() >= WATCHED_MAX {
            return;
        }
        if let Some(mut usual) = Usual::read(bytes) {
            usual.kept_ms = usual.minute_ms;
            self.each.entry(watched).or_insert(usual);
        }
    }

    /// What is to be kept of those of whom something was learnt since it was kept last: not sooner than after ten
    /// minutes, or at once where the process ends.
    pub fn keep(&mut self, is_end: bool) -> Vec<(Watched, i64, Vec<u8>)> {
        let least_ms = if is_end { 1 } else { KEPT_EACH_MS };
        let due = self
            .each
            .iter_mut()
            .filter(|(_, usual)| usual.minute_ms.saturating_sub(usual.kept_ms) >= least_ms);
        let mut kept = Vec::new();
        for (watched, usual) in due {
            usual.kept_ms = usual.minute_ms;
            kept.push((*watched, usual.minute_ms, usual.write()));
        }
        kept
    }

    /// Forgets who was not seen for long, and sooner of whom little is known. At most once a minute.
    fn forget(&mut self, now_ms: i64) {
        if now_ms.saturating_sub(self.forgot_ms) < MINUTE_MS {
            return;
        }
        self.forgot_ms = now_ms;
        self.each.retain(|_, usual| {
            let kept_ms = if usual.rate_usual.is_known() { FORGOTTEN_MS } else { DAY_MS };
            now_ms.saturating_sub(usual.minute_ms) < kept_ms
        });
    }
}

/// What is usual for one of them, and the minute under way.
#[derive(Clone, Debug)]
struct Usual {
    minute_ms: i64,
    /// The minute under way when it was kept last.
    kept_ms: i64,
    requests: u32,
    failed: u32,
    tokens: u64,
    cost: u64,
    rate_usual: Baseline,
    cost_usual: Baseline,
    size_usual: Baseline,
    share_usual: Baseline,
    habits: Habits,
    /// When each kind was told last.
    told_ms: [Option<i64>; Kind::ALL.len()],
}

impl Usual {
    fn since(at_ms: i64) -> Self {
        Self {
            minute_ms: minute(at_ms),
            kept_ms: minute(at_ms),
            requests: 0,
            failed: 0,
            tokens: 0,
            cost: 0,
            rate_usual: Baseline::default(),
            cost_usual: Baseline::default(),
            size_usual: Baseline::default(),
            share_usual: Baseline::default(),
            habits: Habits::since(at_ms),
            told_ms: [None; Kind::ALL.len()],
        }
    }

    fn see(&mut self, watched: Watched, seen: Seen<'_>, found: &mut Vec<Finding>) {
        self.turn(minute(seen.at_ms));
        self.requests = self.requests.saturating_add(1);
        self.failed = self.failed.saturating_add(u32::from(seen.is_failed));
        self.tokens = self.tokens.saturating_add(seen.tokens);
        self.cost = self.cost.saturating_add(seen.cost_nano_usd);
        let mut tell = |kind: Kind, observed: f64, expected: f64, bound: f64, window_ms: i64| {
            let place = Kind::ALL.iter().position(|one| *one == kind).unwrap_or_default();
            let Some(told_ms) = self.told_ms.get_mut(place) else { return };
            if told_ms.is_none_or(|at_ms| seen.at_ms.saturating_sub(at_ms) >= COOL_DOWN_MS) {
                *told_ms = Some(seen.at_ms);
                found.push(Finding {
                    watched,
                    kind,
                    observed,
                    expected,
                    bound,
                    window_ms,
                    at_ms: seen.at_ms,
                });
            }
        };
        let requests = f64::from(self.requests);
        for (kind, now, usual, bounds) in [
            (Kind::Rate, requests, &self.rate_usual, RATE),
            (Kind::Cost, number(self.cost), &self.cost_usual, COST),
        ] {
            let bound = usual.upper(bounds.least, bounds.cap);
            if now > bound {
                tell(kind, now, usual.mean(), bound, MINUTE_MS);
            }
        }
        let size = number(self.tokens) / requests;
        let bound = self.size_usual.upper(SIZE.least, SIZE.cap);
        if self.requests >= REQUESTS_MIN && size > bound {
            tell(Kind::Size, size, self.size_usual.mean(), bound, MINUTE_MS);
        }
        let share = f64::from(self.failed) / requests;
        let bound = self.share_usual.upper_share(SHARE_MORE, SHARE_LEAST);
        if self.failed >= FAILED_MIN && share > bound {
            tell(Kind::Errors, share, self.share_usual.mean(), bound, MINUTE_MS);
        }
        if self.habits.is_new_model(seen.alias, seen.at_ms) {
            tell(Kind::NewModel, 1.0, 0.0, 0.0, habits::LEARNING_MS);
        }
        if let Some(share) = self.habits.is_off_hours(seen.at_ms) {
            tell(Kind::OffHours, share, share, habits::RARE, habits::LEARNING_MS);
        }
    }

    /// The minute under way is over where another one is: what it came to is usual a little more.
    fn turn(&mut self, minute_ms: i64) {
        let passed = minute_ms.saturating_sub(self.minute_ms).div_euclid(MINUTE_MS);
        // what comes late belongs to the minute under way
        if passed <= 0 {
            return;
        }
        let idle = u32::try_from(passed.saturating_sub(1)).unwrap_or(u32::MAX);
        let hour = habits::hour(self.minute_ms);
        let next = habits::hour(minute_ms);
        self.rate_usual.learn(f64::from(self.requests), hour);
        self.rate_usual.rest(idle, next);
        self.cost_usual.learn(number(self.cost), hour);
        self.cost_usual.rest(idle, next);
        if self.requests >= REQUESTS_MIN {
            self.size_usual.learn(number(self.tokens) / f64::from(self.requests), hour);
            self.share_usual.learn(f64::from(self.failed) / f64::from(self.requests), hour);
        }
        self.size_usual.enter(next);
        self.share_usual.enter(next);
        (self.minute_ms, self.requests, self.failed, self.tokens, self.cost) = (minute_ms, 0, 0, 0, 0);
    }
}

fn minute(at_ms: i64) -> i64 {
    at_ms.saturating_sub(at_ms.rem_euclid(MINUTE_MS))
}

#[expect(clippy::cast_precision_loss, reason = "an anomaly is no matter of the 54th bit")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
