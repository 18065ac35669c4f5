//! What this node has of the quotas it shares with others, and what it asks of them.
//!
//! A call takes from what is leased already. Where that is too little the node asks for more, and the call can be
//! tried again when it is answered. What is used is charged to the part of time in which the call began, so what
//! other nodes are told of a past part only ever becomes less.

use std::collections::{BTreeMap, HashMap};

use super::{Measure, Quota, window::Part};
use crate::{
    id::Uuid,
    lease::{Answer, Ask, HELD_LEASE_MS, LEASE_MS, MARGIN_MS, NodeId, pace::Pace},
};

/// So many times as much is leased ahead: what is used in a minute.
const AHEAD: u64 = 60;
/// Of what is left, one node leases at most one part of so many ahead, for each node there is.
const SHARE: u64 = 4;
/// Where that would be less than so many calls, nothing is leased ahead: each call asks.
const CALLS_MIN: u64 = 8;
/// How long it is believed that there is no more, in microseconds.
const FULL_US: u64 = 50_000;

/// Whether there is room in what is leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    /// There may be more where it is kept.
    Short,
    /// There is no more.
    Full,
}

/// An ask on its way, and which quota it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub quota: Uuid,
    pub ask: Ask,
}

/// How much of a quota is spent in a part of time, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    pub quota: Uuid,
    /// The part's begin, and when it is out of every window.
    pub part_ms: i64,
    pub gone_ms: i64,
    pub amount: u64,
}

/// What has happened to shares since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Quotas of which something is leased now.
    pub leased: u64,
    /// Calls for which what was leased was too little.
    pub short: u64,
    /// Calls refused because nobody could be asked.
    pub refused_alone: u64,
    /// Calls let through although nobody could be asked.
    pub allowed_alone: u64,
}

/// All shares of this node.
#[derive(Debug)]
pub(super) struct Shares {
    node: NodeId,
    allows_alone: bool,
    now_us: u64,
    /// Rounds of asks that were begun.
    rounds: u64,
    /// Nobody can be asked for more.
    pub(super) is_alone: bool,
    /// Nothing is leased ahead any more.
    pub(super) is_leaving: bool,
    pub(super) counts: Counts,
    quotas: HashMap<Uuid, Share>,
    /// The parts of which more was spent since somebody looked, where somebody does.
    pub(super) touched: Option<Vec<(Uuid, i64)>>,
}

#[derive(Debug)]
struct Share {
    limit: u64,
    refuses: bool,
    is_held: bool,
    /// By the begin of their part.
    slices: BTreeMap<i64, Slice>,
}

/// What there is of one quota in one part of time.
#[derive(Debug)]
struct Slice {
    part: Part,
    has: u64,
    used: u64,
    held: u64,
    /// What all nodes have together, in this part and in all that count.
    taken: u64,
    taken_in_all: u64,
    nodes: u64,
    /// Needed by calls that wait for it.
    waiting: u64,
    need: u64,
    pace: Pace,
    until_us: u64,
    full_until_us: u64,
    was_asked: bool,
    /// Nobody is given more, because what nodes share was lost.
    is_closed: bool,
}

impl Slice {
    fn new(part: Part) -> Self {
        Self {
            part,
            has: 0,
            used: 0,
            held: 0,
            taken: 0,
            taken_in_all: 0,
            nodes: 1,
            waiting: 0,
            need: 0,
            pace: Pace::default(),
            until_us: 0,
            full_until_us: 0,
            was_asked: false,
            is_closed: false,
        }
    }

    fn committed(&self) -> u64 {
        self.used.saturating_add(self.held)
    }

    /// How much is to be had beyond what calls need now; `None` where each call asks.
    fn ahead(&mut self, limit: u64, now_us: u64) -> Option<u64> {
        let others = self.taken_in_all.saturating_sub(self.has);
        let left = limit.saturating_sub(others).saturating_sub(self.committed());
        let share = left.checked_div(SHARE.saturating_mul(self.nodes.max(2))).unwrap_or_default();
        let is_enough = share >= self.need.saturating_mul(CALLS_MIN);
        is_enough.then(|| self.pace.get(now_us).saturating_mul(AHEAD).min(share))
    }

    /// What it would have, where it is worth asking. `ahead` is nothing where nothing is leased ahead.
    fn want(&mut self, ahead: Option<u64>, lease_us: u64, now_us: u64) -> Option<u64> {
        let is_strict = ahead.is_none();
        let ahead = ahead.unwrap_or_default();
        let (committed, waiting) = (self.committed(), std::mem::take(&mut self.waiting));
        let free = self.has.saturating_sub(committed);
        let is_due = self.has > 0 && self.until_us < now_us.saturating_add(lease_us / 2);
        let least = committed.saturating_add(waiting).saturating_add(ahead);
        // what is not used just now is kept until it has not been for a while
        let want = if is_strict || is_due { least } else { least.max(self.has) };
        let is_low =
            free < waiting.saturating_add(ahead / 2) && (waiting > 0 || self.full_until_us <= now_us);
        let is_much = is_strict && free > waiting;
        let is_untold = !self.was_asked && self.taken > 0;
        (committed > self.has || is_low || is_much || is_due || is_untold).then_some(want)
    }
}

impl Shares {
    pub(super) fn new(node: NodeId, allows_alone: bool) -> Self {
        let (quotas, counts) = (HashMap::new(), Counts::default());
        let (is_alone, is_leaving) = (false, false);
        let touched = None;
        Self { node, allows_alone, now_us: 0, rounds: 0, is_alone, is_leaving, counts, quotas, touched }
    }

    pub(super) fn tick(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
    }

    fn share(&mut self, quota: &Quota) -> &mut Share {
        let is_held = quota.measure == Measure::Concurrent;
        let share = self.quotas.entry(quota.id).or_insert_with(|| Share {
            limit: 0,
            refuses: true,
            is_held,
            slices: BTreeMap::new(),
        });
        // what only counts is told to the others and never bounded by them
        share.refuses = quota.mode.refuses();
        share.limit = if share.refuses { quota.limit } else { u64::MAX };
        share
    }

    fn slice(&mut self, quota: &Quota, at_ms: i64) -> &mut Slice {
        let share = self.share(quota);
        // the calendar is looked at once a window, not once a request
        let known = share.slices.values().rev().find(|slice| slice.part.contains(at_ms));
        let part = match known {
            Some(slice) => slice.part,
            None if share.is_held => Part::ALL,
            None => quota.window.part(at_ms),
        };
        share.slices.entry(part.begin_ms).or_insert_with(|| Slice::new(part))
    }

    /// Whether a call's need is there.
    pub(super) fn room(&mut self, quota: &Quota, need: u64, now_ms: i64) -> Room {
        let (now_us, is_alone) = (self.now_us, self.is_alone);
        let allows_alone = quota.when_alone.allows(self.allows_alone);
        let slice = self.slice(quota, now_ms);
        // who is let through where nobody can be asked is so where nobody is given anything
        let is_alone = is_alone || (slice.is_closed && allows_alone);
        let has = if now_us < slice.until_us { slice.has } else { 0 };
        if slice.committed().saturating_add(need) <= has {
            return Room::Enough;
        }
        let is_full = now_us < slice.full_until_us;
        match (is_alone, allows_alone) {
            (false, _) if is_full => Room::Full,
            (false, _) => Room::Short,
            (true, true) => {
                self.counts.allowed_alone = self.counts.allowed_alone.saturating_add(1);
                Room::Enough
            }
            (true, false) => {
                self.counts.refused_alone = self.counts.refused_alone.saturating_add(1);
                Room::Full
            }
        }
    }

    /// A call waits until so much is there.
    pub(super) fn wait_for(&mut self, quota: &Quota, need: u64, now_ms: i64) {
        let slice = self.slice(quota, now_ms);
        slice.waiting = slice.waiting.saturating_add(need);
        slice.need = need;
        self.counts.short = self.counts.short.saturating_add(1);
    }

    /// A call holds so much, or has used it up by being made; the part of time it is charged to.
    pub(super) fn draw(&mut self, quota: &Quota, amount: u64, is_used: bool, now_ms: i64) -> i64 {
        let now_us = self.now_us;
        let slice = self.slice(quota, now_ms);
        let sum = if is_used { &mut slice.used } else { &mut slice.held };
        *sum = sum.saturating_add(amount);
        slice.pace.add(amount, now_us);
        slice.need = amount;
        let part_ms = slice.part.begin_ms;
        self.touch(quota.id, part_ms);
        part_ms
    }

    fn touch(&mut self, quota: Uuid, part_ms: i64) {
        if let Some(touched) = &mut self.touched {
            touched.push((quota, part_ms));
        }
    }

    /// What was spent of since the last look. What calls under way hold is free when its node is gone, so it is not
    /// among that.
    pub(super) fn take_spent(&mut self) -> Vec<Spent> {
        let touched = self.touched.as_mut().map(std::mem::take).unwrap_or_default();
        let spent = |(quota, part_ms): (Uuid, i64)| {
            let share = self.quotas.get(&quota).filter(|share| !share.is_held)?;
            let slice = share.slices.get(&part_ms)?;
            Some(Spent { quota, part_ms, gone_ms: slice.part.gone_ms, amount: slice.committed() })
        };
        touched.into_iter().filter_map(spent).collect()
    }

    fn charged(&mut self, quota: Uuid, part_ms: i64) -> Option<&mut Slice> {
        self.quotas.get_mut(&quota)?.slices.get_mut(&part_ms)
    }

    pub(super) fn hold_more(&mut self, quota: Uuid, part_ms: i64, amount: u64) {
        let now_us = self.now_us;
        if let Some(slice) = self.charged(quota, part_ms) {
            slice.held = slice.held.saturating_add(amount);
            slice.pace.add(amount, now_us);
        }
        self.touch(quota, part_ms);
    }

    /// Whether there is known to be no more for a call that holds already.
    pub(super) fn is_full(&mut self, quota: Uuid, part_ms: i64, more: u64) -> bool {
        let now_us = self.now_us;
        self.charged(quota, part_ms).is_some_and(|slice| {
            slice.committed().saturating_add(more) > slice.has && now_us < slice.full_until_us
        })
    }

    pub(super) fn let_go(&mut self, quota: Uuid, part_ms: i64, amount: u64) {
        if let Some(slice) = self.charged(quota, part_ms) {
            slice.held = slice.held.saturating_sub(amount);
        }
    }

    pub(super) fn use_up(&mut self, quota: Uuid, part_ms: i64, amount: u64) {
        if let Some(slice) = self.charged(quota, part_ms) {
            slice.used = slice.used.saturating_add(amount);
        }
        self.touch(quota, part_ms);
    }

    /// The ledger says that so much was used, by anybody.
    pub(super) fn was_used(&mut self, quota: &Quota, amount: u64, at_ms: i64) {
        let slice = self.slice(quota, at_ms);
        if !slice.was_asked {
            slice.taken = slice.taken.saturating_add(amount);
            slice.taken_in_all = slice.taken;
        }
    }

    /// What is used or leased of a quota, by this node only what it used.
    pub(super) fn taken(&self, quota: Uuid, now_ms: i64) -> Option<u64> {
        let share = self.quotas.get(&quota)?;
        let slice = share.slices.values().find(|slice| slice.part.contains(now_ms) && slice.was_asked)?;
        Some(slice.taken_in_all.saturating_sub(slice.has).saturating_add(slice.used))
    }

    pub(super) fn keep(&mut self, is_wanted: impl Fn(Uuid) -> bool) {
        self.quotas.retain(|id, share| is_wanted(*id) || share.slices.values().any(|slice| slice.has > 0));
    }

    /// What is worth asking now. What is given back is not used any more from here on, whether or not the answer
    /// comes.
    pub(super) fn asks(&mut self, now_ms: i64) -> (u64, Vec<Asked>) {
        self.rounds = self.next_round();
        let (node, now_us, is_leaving) = (self.node, self.now_us, self.is_leaving);
        let mut asks = Vec::new();
        if self.is_alone {
            return (self.rounds, asks);
        }
        for (quota, share) in &mut self.quotas {
            let Share { limit, refuses, is_held, .. } = *share;
            share.slices.retain(|_, slice| !slice.is_over(now_ms));
            for slice in share.slices.values_mut() {
                let is_present = slice.part.contains(now_ms) && !is_leaving;
                let lease_us = lease_us(is_held);
                let is_lapsed = is_held && slice.until_us <= now_us;
                let ahead = if is_present && refuses { slice.ahead(limit, now_us) } else { None };
                let Some(want) = slice.want(ahead, lease_us, now_us) else { continue };
                slice.has = if is_lapsed { 0 } else { slice.has.min(want) };
                // of what is held those who hold it tell
                let knows = if is_held { 0 } else { slice.taken };
                let Part { begin_ms: part_ms, gone_ms, .. } = slice.part;
                let since_ms = slice.part.since_ms(now_ms);
                let (has, used) = (slice.has, slice.committed());
                let tells = !slice.was_asked;
                let ask =
                    Ask { node, part_ms, since_ms, gone_ms, limit, has, knows, tells, used, want, is_held };
                asks.push(Asked { quota: *quota, ask });
            }
        }
        (self.rounds, asks)
    }

    /// The round in which is asked what is found short now.
    pub(super) fn next_round(&self) -> u64 {
        self.rounds.wrapping_add(1)
    }

    pub(super) fn tell_again(&mut self) {
        let slices = self.quotas.values_mut().flat_map(|share| share.slices.values_mut());
        slices.for_each(|slice| slice.was_asked = false);
    }

    /// An ask was answered. `sent_us` is when it was sent, for the lease runs from then.
    pub(super) fn answered(&mut self, asked: &Asked, answer: Answer, sent_us: u64) {
        let now_us = self.now_us;
        let Some(slice) = self.charged(asked.quota, asked.ask.part_ms) else { return };
        (slice.was_asked, slice.is_closed) = (true, answer.is_closed);
        slice.has = answer.has;
        (slice.taken, slice.taken_in_all, slice.nodes) = (answer.taken, answer.taken_in_all, answer.nodes);
        slice.until_us = sent_us.saturating_add(lease_us(asked.ask.is_held));
        slice.full_until_us = if answer.has < asked.ask.want { now_us.saturating_add(FULL_US) } else { 0 };
    }

    /// What was leased, as of now.
    pub(super) fn counts(&self) -> Counts {
        let leased = self.quotas.values().filter(|share| share.slices.values().any(|slice| slice.has > 0));
        Counts { leased: u64::try_from(leased.count()).unwrap_or(u64::MAX), ..self.counts }
    }
}

impl Slice {
    /// Whether nothing more is to be told of it.
    fn is_over(&self, now_ms: i64) -> bool {
        let is_told = self.has == self.used && (self.was_asked || self.taken == 0);
        now_ms >= self.part.gone_ms || (now_ms >= self.part.end_ms && self.held == 0 && is_told)
    }
}

fn lease_us(is_held: bool) -> u64 {
    let lease_ms = if is_held { HELD_LEASE_MS } else { LEASE_MS };
    u64::try_from(lease_ms.saturating_sub(MARGIN_MS)).unwrap_or_default().saturating_mul(1000)
}
