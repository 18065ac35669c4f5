//! What this node has of the rates it shares with others, and what it asks of them.
//!
//! A unit is taken from what was given to this node lately. Where that is too little the call's need is written
//! down, asked with the next round, and the call tries again. Nothing that was given is used after its time: it is
//! given back, less what has been replenished since.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{Lack, Level, RateLimit};
use crate::lease::{
    pace::Pace,
    rate::{self, CALL_MS, RateAnswer, RateAsk, SLICE_MS},
};

/// At most one part of so many of what is left is leased ahead.
const SHARE: u64 = 8;
/// Where that would be less than so many calls, nothing is leased ahead: each call asks.
const CALLS_MIN: u64 = 8;
/// How long what is known of the others' is believed while little is left, in microseconds: they may give back.
const FRESH_US: u64 = 500_000;
/// When to try again where nobody can be asked, in microseconds.
const ALONE_US: u64 = 1_000_000;

/// All rates of a node that it shares.
#[derive(Debug, Default)]
pub struct Rates {
    is_on: AtomicBool,
    allows_alone: AtomicBool,
    is_alone: AtomicBool,
    is_leaving: AtomicBool,
    refused: AtomicU64,
    allowed: AtomicU64,
    /// Those of which something is had, or wanted.
    listed: Mutex<Vec<Arc<RateLimit>>>,
}

/// An ask on its way, and which limit it is for.
#[derive(Clone, Debug)]
pub struct RateAsked {
    pub limit: Arc<RateLimit>,
    pub ask: RateAsk,
}

impl RateAsked {
    /// What the limit is called on every node.
    pub fn name(&self) -> String {
        self.limit.share.get().map(|share| share.name.to_string()).unwrap_or_default()
    }
}

impl Rates {
    /// From now on limits are shared that are told so; `allows_alone` is what becomes of a call for which there is
    /// too little while nobody can be asked.
    pub fn begin(&self, allows_alone: bool) {
        self.allows_alone.store(allows_alone, Ordering::Relaxed);
        self.is_on.store(true, Ordering::Relaxed);
    }

    pub fn are_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Whether nobody can be asked for more.
    pub fn stand_alone(&self, is_alone: bool) {
        self.is_alone.store(is_alone, Ordering::Relaxed);
    }

    /// All that is not used is given back with the next round.
    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    /// Calls for which too little was there and nobody to be asked: refused, and let through.
    pub fn alone(&self) -> (u64, u64) {
        (self.refused.load(Ordering::Relaxed), self.allowed.load(Ordering::Relaxed))
    }

    /// What is worth asking now. What is given back is not used any more from here on, whether or not the answer
    /// comes.
    pub fn asks(&self, now_us: u64) -> Vec<RateAsked> {
        if self.is_alone.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let is_leaving = self.is_leaving.load(Ordering::Relaxed);
        let (mut asks, mut kept) = (Vec::new(), Vec::new());
        for limit in std::mem::take(&mut *self.listed()) {
            let Some(share) = limit.share.get() else { continue };
            let level = limit.level(now_us);
            let ask = share.ask(level, is_leaving, now_us);
            asks.extend(ask.map(|ask| RateAsked { limit: Arc::clone(&limit), ask }));
            if share.lock().is_listed {
                kept.push(limit);
            }
        }
        self.listed().append(&mut kept);
        asks
    }

    /// An ask was answered that was sent at `sent_us`; the time of what was given runs from then.
    pub fn answered(
        asked: &RateAsked,
        RateAnswer { given, ahead_ns }: RateAnswer,
        sent_us: u64,
        now_us: u64,
    ) {
        if let Some(share) = asked.limit.share.get() {
            let unused = share.given(given, sent_us, now_us);
            asked.limit.follow(ahead_ns, unused, now_us);
        }
    }

    /// Nobody can say what became of an ask. What was used is told again, lest it be told nobody.
    pub fn unanswered(asked: &RateAsked) {
        if let Some(share) = asked.limit.share.get() {
            let mut state = share.lock();
            state.back = state.back.saturating_add(asked.ask.back.min(0));
        }
    }

    fn listed(&self) -> MutexGuard<'_, Vec<Arc<RateLimit>>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This node's part of one limit.
#[derive(Debug)]
pub(super) struct Share {
    name: Box<str>,
    rates: Arc<Rates>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    slices: VecDeque<Slice>,
    /// Needed by calls that wait for it, and by the least of them.
    waiting: u64,
    least: u64,
    /// Needed by the latest call.
    need: u64,
    /// Not used, or used beyond what was had; to be told.
    back: i64,
    pace: Pace,
    /// When what all have was heard of last.
    heard_us: u64,
    is_listed: bool,
}

/// Units that were given together.
#[derive(Debug)]
struct Slice {
    units: u64,
    since_us: u64,
}

impl Share {
    pub(super) fn new(name: String, rates: Arc<Rates>) -> Self {
        Self { name: name.into(), rates, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes from what this node has of `limit`, whose share this is.
    pub(super) fn take(&self, limit: &Arc<RateLimit>, units: u64, now_us: u64) -> Result<(), Lack> {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.is_listed, true) {
            self.rates.listed().push(Arc::clone(limit));
        }
        state.expire(limit.per_minute, now_us);
        if state.spend(units) {
            state.need = units;
            state.pace.add(units, now_us);
            return Ok(());
        }
        if !self.rates.is_alone.load(Ordering::Relaxed) {
            state.least = if state.waiting == 0 { units } else { state.least.min(units) };
            state.waiting = state.waiting.saturating_add(units);
            return Err(Lack::Asked);
        }
        if self.rates.allows_alone.load(Ordering::Relaxed) {
            self.rates.allowed.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.rates.refused.fetch_add(1, Ordering::Relaxed);
        Err(Lack::For(ALONE_US))
    }

    /// Units that were taken a moment ago and led to nothing may be taken by another call.
    pub(super) fn give_back(&self, units: u64) {
        let mut state = self.lock();
        match state.slices.front_mut() {
            // they are no older than these
            Some(slice) => slice.units = slice.units.saturating_add(units),
            None => state.back = state.back.saturating_add(signed(units)),
        }
    }

    /// What was taken as an estimate was too much, or too little.
    pub(super) fn correct(&self, taken: u64, used: u64) {
        let mut state = self.lock();
        state.back = state.back.saturating_add(signed(taken)).saturating_sub(signed(used));
    }

    /// What is worth asking with this round. Where nothing is had, wanted or used the limit is not looked at any more
    /// until it is taken from again.
    fn ask(&self, level: Level, is_leaving: bool, now_us: u64) -> Option<RateAsk> {
        let Level { limit: per_minute, remaining, full_in_us } = level;
        let mut state = self.lock();
        state.expire(per_minute, now_us);
        if is_leaving {
            let unused = state.slices.drain(..).map(|slice| slice.units).fold(0, u64::saturating_add);
            state.back = state.back.saturating_add(signed(unused));
        }
        let (waiting, least) = (std::mem::take(&mut state.waiting), std::mem::take(&mut state.least));
        let part = u64::from(remaining).checked_div(SHARE).unwrap_or_default();
        let is_ahead =
            rate::is_leased(per_minute) && !is_leaving && part >= state.need.saturating_mul(CALLS_MIN);
        let ahead = if is_ahead { state.pace.get(now_us).min(part) } else { 0 };
        let (free, wanted) = (state.free(), waiting.saturating_add(ahead));
        let is_low = free < waiting.saturating_add(ahead / 2);
        let want = if is_low { wanted.saturating_sub(free) } else { 0 };
        let back = std::mem::take(&mut state.back);
        let is_stale =
            remaining < per_minute / 2 && state.heard_us.saturating_add(FRESH_US) <= now_us && !is_leaving;
        let is_worth = want > 0 || back != 0 || is_stale;
        state.is_listed = is_worth || full_in_us > 0 || !state.slices.is_empty();
        // what is still missing to the least of needs is of use by itself
        is_worth.then(|| RateAsk { per_minute, want, least: least.min(want).max(1), back })
    }

    /// Units were given; how many are not used.
    fn given(&self, units: u64, since_us: u64, now_us: u64) -> u64 {
        let mut state = self.lock();
        state.heard_us = now_us;
        if units > 0 {
            state.slices.retain(|slice| slice.units > 0);
            state.slices.push_back(Slice { units, since_us });
        }
        state.free()
    }
}

impl State {
    fn free(&self) -> u64 {
        self.slices.iter().fold(0, |sum, slice| sum.saturating_add(slice.units))
    }

    fn spend(&mut self, units: u64) -> bool {
        if self.free() < units {
            return false;
        }
        let mut open = units;
        for slice in &mut self.slices {
            let spent = slice.units.min(open);
            slice.units = slice.units.saturating_sub(spent);
            open = open.saturating_sub(spent);
        }
        true
    }

    /// What is over is given back, less what has been replenished since.
    fn expire(&mut self, per_minute: u32, now_us: u64) {
        let life_ms = if rate::is_leased(per_minute) { SLICE_MS } else { CALL_MS };
        let age_us = |slice: &Slice| now_us.saturating_sub(slice.since_us);
        while let Some(slice) = self.slices.front() {
            if age_us(slice) < life_ms.saturating_mul(1000) {
                break;
            }
            let age_ns = age_us(slice).saturating_mul(1000);
            let replenished = age_ns.checked_div(rate::interval_ns(per_minute)).unwrap_or_default();
            self.back = self.back.saturating_add(signed(slice.units.saturating_sub(replenished)));
            self.slices.pop_front();
        }
    }
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
