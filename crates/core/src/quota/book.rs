//! The book of all quotas: reserve before, settle after, so that calls side by side never spend more than there is.
//!
//! After every step, of every hard quota: what is settled in its window and what is reserved together are at
//! most its limit, as long as no call uses more than was reserved for it. All quotas of a call are reserved
//! at once or none is.

use std::collections::HashMap;

use super::{
    Amounts, Exhausted, Measure, Mode, Needs, Quota,
    cell::{Cell, Level},
    share::{Asked, Counts, Room, Shares, Spent},
};
use crate::{
    id::{KeyId, RequestId, Uuid},
    lease::{Answer, NodeId},
};

/// The most reservations open at once; beyond it a call is refused rather than an old one forgotten.
pub const RESERVATIONS_MAX: usize = 200_000;

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
    /// What was held is free again although the call is not over; what it still settles counts.
    is_late: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    quota: Uuid,
    measure: Measure,
    amount: u64,
    /// The part of time it is charged to.
    part_ms: i64,
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
    /// What of the quotas is this node's, where it is not alone.
    shares: Option<Shares>,
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
        self.look_at_shares(quotas.clone(), need, now_ms)?;
        if self.open.len() >= RESERVATIONS_MAX
            && let Some(quota) = quotas.clone().next()
        {
            return Err(exhausted(quota, true));
        }
        let held = self.take(quotas, need, now_ms);
        self.last = self.last.wrapping_add(1);
        let id = ReservationId(self.last);
        let Owner { request, key, until_ms } = owner;
        let reservation = Reservation { request, key, since_ms: now_ms, until_ms, held, is_late: false };
        self.open.insert(id, reservation);
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

    /// Whether what this node has of the quotas is enough; where it is not, the call is one that waits for more.
    fn look_at_shares<'a>(
        &mut self,
        quotas: impl Iterator<Item = &'a Quota>,
        need: Needs,
        now_ms: i64,
    ) -> Result<(), Exhausted> {
        let Some(shares) = &mut self.shares else { return Ok(()) };
        let mut short = Vec::new();
        for quota in quotas.filter(|quota| quota.mode.refuses()) {
            match shares.room(quota, need.of(quota), now_ms) {
                Room::Enough => {}
                Room::Short => short.push(quota),
                Room::Full => return Err(exhausted(quota, quota.measure == Measure::Concurrent)),
            }
        }
        short.iter().for_each(|quota| shares.wait_for(quota, need.of(quota), now_ms));
        match short.first() {
            Some(quota) => Err(Exhausted { round: Some(shares.next_round()), ..exhausted(quota, false) }),
            None => Ok(()),
        }
    }

    fn take<'a>(&mut self, quotas: impl Iterator<Item = &'a Quota>, need: Needs, now_ms: i64) -> Vec<Held> {
        let mut held = Vec::new();
        for quota in quotas {
            let amount = need.of(quota);
            // a request is used up by being made
            let is_used = quota.measure == Measure::Requests;
            let part_ms = match &mut self.shares {
                Some(shares) => shares.draw(quota, amount, is_used, now_ms),
                None => 0,
            };
            let cell = self.cell(quota);
            if is_used {
                cell.use_up(amount, now_ms);
                continue;
            }
            cell.hold(amount);
            let grows = (quota.mode == Mode::Cut).then(|| (quota.name.clone(), quota.limit));
            held.push(Held { quota: quota.id, measure: quota.measure, amount, part_ms, grows });
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
            // a stream cannot wait: it is ended only where there is known to be no more
            if let Some(shares) = &mut self.shares
                && shares.is_full(held.quota, held.part_ms, more(held))
            {
                return Err(name.clone());
            }
        }
        for held in reservation.held.iter_mut().filter(|held| held.grows.is_some()) {
            let more = to.needed(held.measure).saturating_sub(held.amount);
            if let Some(cell) = self.cells.get_mut(&held.quota) {
                cell.hold(more);
                held.amount = held.amount.saturating_add(more);
                if let Some(shares) = &mut self.shares {
                    shares.hold_more(held.quota, held.part_ms, more);
                }
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
            if let Some(shares) = &mut self.shares {
                shares.let_go(held.quota, held.part_ms, freed);
                shares.use_up(held.quota, held.part_ms, amount);
            }
        }
    }

    /// The call is over: what is still held for it is free again. A second time changes nothing.
    pub fn release(&mut self, id: ReservationId) {
        self.free(id);
        self.open.remove(&id);
    }

    /// What is held is free again, but the call may still settle what it used.
    pub fn free(&mut self, id: ReservationId) {
        let Some(reservation) = self.open.get_mut(&id) else { return };
        for held in &mut reservation.held {
            if let Some(cell) = self.cells.get_mut(&held.quota) {
                let amount = std::mem::take(&mut held.amount);
                cell.let_go(amount);
                if let Some(shares) = &mut self.shares {
                    shares.let_go(held.quota, held.part_ms, amount);
                }
            }
        }
    }

    /// Frees what nobody released in time, and says how many that were. A call that is late settles all the same; it
    /// is forgotten after as long again.
    pub fn sweep(&mut self, now_ms: i64) -> usize {
        let late: Vec<(ReservationId, bool)> = self
            .open
            .iter()
            .filter(|(_, one)| one.until_ms <= now_ms)
            .map(|(id, one)| (*id, one.is_late))
            .collect();
        let mut freed: usize = 0;
        for (id, is_late) in late {
            if is_late {
                self.release(id);
                continue;
            }
            self.free(id);
            freed = freed.saturating_add(1);
            if let Some(one) = self.open.get_mut(&id) {
                let lease_ms = one.until_ms.saturating_sub(one.since_ms);
                (one.until_ms, one.is_late) = (now_ms.saturating_add(lease_ms), true);
            }
        }
        freed
    }

    /// From now on quotas are shared with other nodes; `allows_alone` is what becomes of a call for which there is
    /// too little while nobody can be asked.
    pub fn share_as(&mut self, node: NodeId, allows_alone: bool) {
        self.shares.get_or_insert_with(|| Shares::new(node, allows_alone));
    }

    /// How late it is, in microseconds of a clock that never runs backwards: leases end by it.
    pub fn tick(&mut self, now_us: u64) {
        self.shares.iter_mut().for_each(|shares| shares.tick(now_us));
    }

    /// Whether nobody can be asked for more.
    pub fn stand_alone(&mut self, is_alone: bool) {
        self.shares.iter_mut().for_each(|shares| shares.is_alone = is_alone);
    }

    pub fn is_alone(&self) -> bool {
        self.shares.as_ref().is_some_and(|shares| shares.is_alone)
    }

    /// What is not needed is given back with the next round, and nothing more is leased ahead.
    pub fn leave(&mut self) {
        self.shares.iter_mut().for_each(|shares| shares.is_leaving = true);
    }

    /// The next round of asks: its number, and what is to be asked of where shares are kept, one answer each.
    pub fn asks(&mut self, now_ms: i64) -> (u64, Vec<Asked>) {
        self.shares.as_mut().map(|shares| shares.asks(now_ms)).unwrap_or_default()
    }

    /// The round in which is asked what is found short now.
    pub fn next_round(&self) -> u64 {
        self.shares.as_ref().map(Shares::next_round).unwrap_or_default()
    }

    /// Where shares are kept nothing is known any more: all is to be told again.
    pub fn tell_again(&mut self) {
        self.shares.iter_mut().for_each(Shares::tell_again);
    }

    /// An ask was answered that was sent at `sent_us`.
    pub fn answered(&mut self, asked: &Asked, answer: Answer, sent_us: u64) {
        self.shares.iter_mut().for_each(|shares| shares.answered(asked, answer, sent_us));
    }

    /// From now on somebody looks at what is spent of shared quotas, after each step.
    pub fn note_spent(&mut self) {
        self.shares.iter_mut().for_each(|shares| shares.touched = Some(Vec::new()));
    }

    /// What was spent of since the last look, as it stands.
    pub fn take_spent(&mut self) -> Vec<Spent> {
        self.shares.as_mut().map(Shares::take_spent).unwrap_or_default()
    }

    pub fn counts(&self) -> Counts {
        self.shares.as_ref().map(Shares::counts).unwrap_or_default()
    }

    /// So much was used of a quota before this book was opened.
    pub fn seed(&mut self, quota: &Quota, amount: u64, at_ms: i64, now_ms: i64) {
        self.correct(quota, i64::try_from(amount).unwrap_or(i64::MAX), at_ms, now_ms);
        if let Some(shares) = &mut self.shares {
            shares.was_used(quota, amount, at_ms);
        }
    }

    /// What was used of a quota cost more than was settled, or less. What does not lie in the present window changes
    /// nothing.
    pub fn correct(&mut self, quota: &Quota, delta: i64, at_ms: i64, now_ms: i64) {
        self.cell(quota).correct(delta, at_ms, now_ms);
    }

    /// Whether a quota has been looked at; one that has not may have to be seeded.
    pub fn knows(&self, quota: Uuid) -> bool {
        self.cells.contains_key(&quota)
    }

    /// What is settled in the present window, by this node alone but for what it was seeded with.
    pub fn used(&mut self, quota: &Quota, now_ms: i64) -> u64 {
        self.cell(quota).level(now_ms).used
    }

    /// Where quotas are shared, what other nodes have leased counts as used.
    pub fn level(&mut self, quota: &Quota, now_ms: i64) -> Level {
        let mut level = self.cell(quota).level(now_ms);
        let shared = self.shares.as_ref().and_then(|shares| shares.taken(quota.id, now_ms));
        level.used = level.used.max(shared.unwrap_or_default());
        level
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
        self.shares.iter_mut().for_each(|shares| shares.keep(&is_wanted));
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
        round: None,
    }
}
