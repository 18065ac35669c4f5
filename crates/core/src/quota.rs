//! Quotas: reserve before, settle after, so that calls side by side never spend more than there is.
//!
//! After every step, of every hard quota: what is settled in its window and what is reserved together are at
//! most its limit, as long as no call uses more than was reserved for it. All quotas of a call are reserved
//! at once or none is.

pub mod alarm;
mod cell;
mod names;
mod window;
mod zone;

use std::collections::HashMap;

use crate::{
    id::{KeyId, ProviderId, RequestId, TeamId, Uuid},
    scope::Pattern,
};

use self::cell::Cell;
pub use self::{
    cell::Level,
    names::{Counted, NAMES_MAX, Names},
    window::{Span, Window},
    zone::Zone,
};

/// The most reservations open at once; beyond it a call is refused rather than an old one forgotten.
pub const RESERVATIONS_MAX: usize = 200_000;

/// What a quota is for. Whatever fits takes from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Everything.
    Platform,
    Team(TeamId),
    /// A key, and the session keys made from it.
    Key(KeyId),
    /// Every model whose alias fits.
    Model(Pattern),
    /// What goes to this provider, as far as that is known beforehand: where all targets are its own.
    Provider(ProviderId),
    /// Each user of each team that fits, as its requests name them, with a counter of its own.
    User(Pattern),
    /// Each tag of each team that fits, likewise.
    Tag(Pattern),
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    Requests,
    Tokens,
    /// Requests under way.
    Concurrent,
    CostNanoUsd,
}

impl Measure {
    pub const ALL: [Measure; 4] =
        [Measure::Requests, Measure::Tokens, Measure::Concurrent, Measure::CostNanoUsd];

    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Requests => "requests",
            Measure::Tokens => "tokens",
            Measure::Concurrent => "concurrent",
            Measure::CostNanoUsd => "cost_nano_usd",
        }
    }

    /// The inverse of [`Measure::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == word)
    }
}

/// What happens at the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The call is refused.
    Hard,
    /// The call is served, and somebody is told.
    Soft,
    /// The call is served; it is only counted.
    Shadow,
    /// The call is refused; a stream is held for piece by piece, and ended where there is no more room.
    Cut,
}

impl Mode {
    pub const ALL: [Mode; 4] = [Mode::Hard, Mode::Soft, Mode::Shadow, Mode::Cut];

    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Hard => "hard",
            Mode::Soft => "soft",
            Mode::Shadow => "shadow",
            Mode::Cut => "cut",
        }
    }

    /// Whether a call there is no room for is refused.
    pub fn refuses(self) -> bool {
        matches!(self, Mode::Hard | Mode::Cut)
    }

    /// The inverse of [`Mode::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word)
    }
}

/// One quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    pub id: Uuid,
    pub name: Box<str>,
    pub subject: Subject,
    pub measure: Measure,
    pub window: Window,
    pub limit: u64,
    pub mode: Mode,
}

/// Who calls what, as far as quotas ask.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub key: KeyId,
    pub parent: Option<KeyId>,
    pub team: Option<TeamId>,
    pub alias: &'a str,
    /// Where all that may serve the call is one provider.
    pub provider: Option<ProviderId>,
    /// Whom the request says it is for.
    pub user: Option<&'a str>,
    pub tags: &'a [Box<str>],
}

impl Quota {
    pub fn is_for(&self, caller: &Caller<'_>) -> bool {
        match &self.subject {
            Subject::Platform => true,
            Subject::Team(team) => caller.team == Some(*team),
            Subject::Key(key) => caller.key == *key || caller.parent == Some(*key),
            Subject::Model(pattern) => pattern.matches(caller.alias),
            Subject::Provider(provider) => caller.provider == Some(*provider),
            Subject::User(_) | Subject::Tag(_) => self.names(caller).next().is_some(),
        }
    }

    /// The names this quota counts apart: the caller's user or tags that fit; none where it is for something
    /// else.
    pub fn names<'a>(&'a self, caller: &Caller<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
        let none: &[Box<str>] = &[];
        let (pattern, user, tags) = match &self.subject {
            Subject::User(pattern) => (Some(pattern), caller.user, none),
            Subject::Tag(pattern) => (Some(pattern), None, caller.tags),
            _ => (None, None, none),
        };
        let names = user.into_iter().chain(tags.iter().map(|tag| &**tag));
        names.filter(move |name| pattern.is_some_and(|pattern| pattern.matches(name)))
    }

    /// Whether it has a counter for each name instead of one.
    pub fn is_by_name(&self) -> bool {
        matches!(self.subject, Subject::User(_) | Subject::Tag(_))
    }
}

/// How much of everything a call needs at most, or used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    pub tokens: u64,
    pub cost_nano_usd: u64,
}

impl Amounts {
    /// Of a measure, at a call's begin.
    fn needed(self, measure: Measure) -> u64 {
        match measure {
            Measure::Requests | Measure::Concurrent => 1,
            Measure::Tokens => self.tokens,
            Measure::CostNanoUsd => self.cost_nano_usd,
        }
    }

    /// Of a measure, for what was used.
    fn used(self, measure: Measure) -> u64 {
        match measure {
            Measure::Requests | Measure::Concurrent => 0,
            Measure::Tokens => self.tokens,
            Measure::CostNanoUsd => self.cost_nano_usd,
        }
    }
}

/// What a call needs: at most, and to begin with where it may be ended early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub most: Amounts,
    pub first: Amounts,
}

impl Needs {
    /// Of a quota.
    pub fn of(self, quota: &Quota) -> u64 {
        let amounts = if quota.mode == Mode::Cut { self.first } else { self.most };
        amounts.needed(quota.measure)
    }
}

impl From<Amounts> for Needs {
    fn from(most: Amounts) -> Self {
        Self { most, first: most }
    }
}

/// The quota that has no room for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhausted {
    pub quota: Uuid,
    pub name: Box<str>,
    pub measure: Measure,
    pub limit: u64,
    /// Whether another call's end makes room again.
    pub is_held: bool,
}

/// A number a reservation is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReservationId(pub u64);

/// What is held for a call that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    pub request: RequestId,
    pub key: KeyId,
    pub since_ms: i64,
    /// When it is swept if nobody has released it.
    pub until_ms: i64,
    held: Vec<Held>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    quota: Uuid,
    measure: Measure,
    amount: u64,
    /// The name and the limit of a quota for which more can be held later.
    grows: Option<(Box<str>, u64)>,
}

/// For whom something is reserved, and how long at most.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    pub request: RequestId,
    pub key: KeyId,
    pub until_ms: i64,
}

/// Every quota's level and every reservation. One at a time has it.
#[derive(Debug, Default)]
pub struct Book {
    cells: HashMap<Uuid, Cell>,
    open: HashMap<ReservationId, Reservation>,
    last: u64,
}

impl Book {
    /// Takes what a call needs from all of these quotas, or from none. Soft and shadow quotas are counted and
    /// never refuse.
    pub fn reserve<'a>(
        &mut self,
        quotas: impl Iterator<Item = &'a Quota> + Clone,
        needs: impl Into<Needs>,
        owner: Owner,
        now_ms: i64,
    ) -> Result<ReservationId, Exhausted> {
        let need = needs.into();
        self.look(quotas.clone(), need, now_ms)?;
        if self.open.len() >= RESERVATIONS_MAX
            && let Some(quota) = quotas.clone().next()
        {
            return Err(exhausted(quota, true));
        }
        let held = self.take(quotas, need, now_ms);
        self.last = self.last.wrapping_add(1);
        let id = ReservationId(self.last);
        let Owner { request, key, until_ms } = owner;
        self.open.insert(id, Reservation { request, key, since_ms: now_ms, until_ms, held });
        Ok(id)
    }

    /// Whether there is room in every quota that refuses.
    fn look<'a>(
        &mut self,
        quotas: impl Iterator<Item = &'a Quota>,
        need: Needs,
        now_ms: i64,
    ) -> Result<(), Exhausted> {
        for quota in quotas.filter(|quota| quota.mode.refuses()) {
            let level = self.cell(quota).level(now_ms);
            let needed = need.of(quota);
            if level.used.saturating_add(level.reserved).saturating_add(needed) > quota.limit {
                let is_held = level.used.saturating_add(needed) <= quota.limit;
                return Err(exhausted(quota, is_held));
            }
        }
        Ok(())
    }

    fn take<'a>(&mut self, quotas: impl Iterator<Item = &'a Quota>, need: Needs, now_ms: i64) -> Vec<Held> {
        let mut held = Vec::new();
        for quota in quotas {
            let amount = need.of(quota);
            let cell = self.cell(quota);
            if quota.measure == Measure::Requests {
                // a request is used up by being made
                cell.use_up(amount, now_ms);
                continue;
            }
            cell.hold(amount);
            let grows = (quota.mode == Mode::Cut).then(|| (quota.name.clone(), quota.limit));
            held.push(Held { quota: quota.id, measure: quota.measure, amount, grows });
        }
        held
    }

    /// A call that goes on needs so much in all: it is held of every quota of the mode `cut`, or of none; then the
    /// name of one without room is given back.
    pub fn grow(&mut self, id: ReservationId, to: Amounts, now_ms: i64) -> Result<(), Box<str>> {
        let Some(reservation) = self.open.get_mut(&id) else { return Ok(()) };
        let more = |held: &Held| to.needed(held.measure).saturating_sub(held.amount);
        for held in &reservation.held {
            let (Some((name, limit)), Some(cell)) = (&held.grows, self.cells.get_mut(&held.quota)) else {
                continue;
            };
            let level = cell.level(now_ms);
            if level.used.saturating_add(level.reserved).saturating_add(more(held)) > *limit {
                return Err(name.clone());
            }
        }
        for held in reservation.held.iter_mut().filter(|held| held.grows.is_some()) {
            let more = to.needed(held.measure).saturating_sub(held.amount);
            if let Some(cell) = self.cells.get_mut(&held.quota) {
                cell.hold(more);
                held.amount = held.amount.saturating_add(more);
            }
        }
        Ok(())
    }

    /// Something of what was reserved has been used. What is used beyond it counts all the same.
    pub fn settle(&mut self, id: ReservationId, used: Amounts, now_ms: i64) {
        let Some(reservation) = self.open.get_mut(&id) else { return };
        for held in &mut reservation.held {
            let amount = used.used(held.measure);
            let Some(cell) = self.cells.get_mut(&held.quota) else { continue };
            let freed = amount.min(held.amount);
            cell.let_go(freed);
            held.amount = held.amount.saturating_sub(freed);
            cell.use_up(amount, now_ms);
        }
    }

    /// The call is over: what is still held for it is free again. A second time changes nothing.
    pub fn release(&mut self, id: ReservationId) {
        let Some(reservation) = self.open.remove(&id) else { return };
        for held in reservation.held {
            if let Some(cell) = self.cells.get_mut(&held.quota) {
                cell.let_go(held.amount);
            }
        }
    }

    /// Releases what nobody released in time, and says how many that were.
    pub fn sweep(&mut self, now_ms: i64) -> usize {
        let late: Vec<ReservationId> =
            self.open.iter().filter(|(_, one)| one.until_ms <= now_ms).map(|(id, _)| *id).collect();
        late.iter().for_each(|id| self.release(*id));
        late.len()
    }

    /// What a quota's window has seen before this book was opened.
    pub fn seed(&mut self, quota: &Quota, used: u64, now_ms: i64) {
        self.cell(quota).use_up(used, now_ms);
    }

    /// Whether a quota has been looked at; one that has not may have to be seeded.
    pub fn knows(&self, quota: Uuid) -> bool {
        self.cells.contains_key(&quota)
    }

    pub fn level(&mut self, quota: &Quota, now_ms: i64) -> Level {
        self.cell(quota).level(now_ms)
    }

    /// Who holds something of these quotas, and how much, the oldest first.
    pub fn holders(&self, is_of: impl Fn(Uuid) -> bool) -> Vec<(Reservation, u64)> {
        let amount = |one: &Reservation| {
            let held = one.held.iter().filter(|held| held.amount > 0 && is_of(held.quota));
            held.map(|held| held.amount).reduce(u64::saturating_add)
        };
        let mut holders: Vec<_> =
            self.open.values().filter_map(|one| Some((one.clone(), amount(one)?))).collect();
        holders.sort_by_key(|(one, _)| (one.since_ms, one.request.0));
        holders
    }

    /// Whether nothing is used in the present window and nothing held.
    pub fn is_idle(&mut self, quota: Uuid, now_ms: i64) -> bool {
        self.cells.get_mut(&quota).is_none_or(|cell| cell.level(now_ms) == Level::default())
    }

    /// Forgets the levels of quotas there are no more.
    pub fn keep(&mut self, is_wanted: impl Fn(Uuid) -> bool) {
        self.cells.retain(|id, _| is_wanted(*id));
    }

    fn cell(&mut self, quota: &Quota) -> &mut Cell {
        let cell = self.cells.entry(quota.id).or_insert_with(|| Cell::new(quota.window.clone()));
        cell.follow(&quota.window);
        cell
    }
}

fn exhausted(quota: &Quota, is_held: bool) -> Exhausted {
    Exhausted {
        quota: quota.id,
        name: quota.name.clone(),
        measure: quota.measure,
        limit: quota.limit,
        is_held,
    }
}

#[cfg(test)]
mod tests;
