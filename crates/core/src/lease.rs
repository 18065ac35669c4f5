//! A limit that several nodes share: each has a part of it, and the parts together are never more than the limit.
//!
//! A node's part is leased. It may use that much and no more, until the lease ends by its own clock; it asks for
//! more before it needs it and gives back what it does not need. What is written down of a limit is
//! [`Leases`], the same wherever they are kept. What a node had when it was last heard of counts as used for as
//! long as the window lasts, for nobody can know that it was not; only what is held by calls under way is free
//! again when a node is gone, for its calls are gone with it.

use std::fmt;

pub mod pace;
pub mod promise;
pub mod rate;
mod text;

pub use self::text::Unreadable;

/// How long a lease is good for, by the clock of whoever keeps them.
pub const LEASE_MS: i64 = 90_000;
/// The same where what is leased is held by calls under way, so that a dead node's are soon free again.
pub const HELD_LEASE_MS: i64 = 10_000;
/// How much sooner a node takes its lease to be over than the keeper does.
pub const MARGIN_MS: i64 = 1_000;
/// What is written of a part of time is forgotten so long after it is out of every window.
const GRACE_MS: i64 = 60_000;
/// Beyond so many nodes those whose leases are over are no longer listed; what they had stays taken.
const LISTED_MAX: usize = 256;
/// Parts of time at once; the oldest beyond it is forgotten.
const PARTS_MAX: usize = 256;

/// A node, from its start to its end: what one leased, its successor does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a node asks of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub node: NodeId,
    /// The begin of the window, or of the part of a rolling one, that it is for.
    pub part_ms: i64,
    /// The first part that counts.
    pub since_ms: i64,
    /// When the part is out of every window.
    pub gone_ms: i64,
    pub limit: u64,
    /// What the node has, as it knows.
    pub has: u64,
    /// What all have together in this part, as far as the node knows.
    pub knows: u64,
    /// Whether that is to be learnt from it; else only where something was lost, for others may have given back since.
    pub tells: bool,
    /// What it has used or holds: that much is taken, whatever the limit.
    pub used: u64,
    /// What it would have; less than it has gives back.
    pub want: u64,
    /// Whether what is leased is held by calls under way, and free when the node is gone.
    pub is_held: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the node has now.
    pub has: u64,
    /// What all have together in this part.
    pub taken: u64,
    /// And in all parts that count.
    pub taken_in_all: u64,
    /// Nodes that have some of it.
    pub nodes: u64,
    /// Nobody is given more for a while: what was known before was lost, and may not all have been told again.
    pub is_closed: bool,
}

/// Who has how much of one limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leases {
    /// Raised by every change, so that no state is ever mistaken for an earlier one.
    version: u64,
    /// Until then nobody gets more: what was known before may not all have been told again.
    closed_until_ms: i64,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    begin_ms: i64,
    gone_ms: i64,
    /// By all nodes, also by those that are no longer listed.
    taken: u64,
    shares: Vec<Share>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    node: NodeId,
    amount: u64,
    until_ms: i64,
}

impl Leases {
    /// In the place of what was lost: nobody gets more until then.
    pub fn closed_until(until_ms: i64) -> Self {
        Self { closed_until_ms: until_ms, ..Self::default() }
    }

    /// What a node has of it, in all parts.
    pub fn amount_of(&self, node: NodeId) -> u64 {
        let shares = self.parts.iter().flat_map(|part| &part.shares).filter(|share| share.node == node);
        shares.fold(0, |sum, share| sum.saturating_add(share.amount))
    }

    /// When all of it is out of every window.
    pub fn gone_ms(&self) -> i64 {
        self.parts.iter().map(|part| part.gone_ms).max().unwrap_or_default().saturating_add(GRACE_MS)
    }

    /// Gives what there is room for. `now_ms` is the keeper's clock.
    pub fn ask(&mut self, ask: &Ask, now_ms: i64) -> Answer {
        self.version = self.version.wrapping_add(1);
        self.forget(now_ms);
        if ask.is_held {
            self.parts.iter_mut().for_each(|part| part.free(now_ms));
        }
        let mut part = self.take(ask);
        let counts = self.parts.iter().filter(|part| part.begin_ms >= ask.since_ms);
        let beside = counts.fold(0_u64, |sum, part| sum.saturating_add(part.taken));
        let is_closed = now_ms < self.closed_until_ms;
        let had = part.enter(ask, if ask.tells || is_closed { ask.knows } else { 0 });
        let others = part.taken.saturating_sub(had);
        let room = ask.limit.saturating_sub(others).saturating_sub(beside);
        let most = if is_closed { had } else { room };
        // nothing is taken away that the node may be using this moment
        let has = ask.want.min(most).max(ask.want.min(ask.has)).max(ask.used);
        part.taken = others.saturating_add(has);
        let lease_ms = if ask.is_held { HELD_LEASE_MS } else { LEASE_MS };
        part.put(Share { node: ask.node, amount: has, until_ms: now_ms.saturating_add(lease_ms) }, now_ms);
        let (taken, nodes) = (part.taken, u64::try_from(part.shares.len()).unwrap_or(u64::MAX));
        self.parts.push(part);
        Answer { has, taken, taken_in_all: beside.saturating_add(taken), nodes, is_closed }
    }

    /// Drops parts that are out of every window by the keeper's clock, whatever a node's own says.
    fn forget(&mut self, now_ms: i64) {
        self.parts.retain(|part| now_ms < part.gone_ms.saturating_add(GRACE_MS));
        while self.parts.len() >= PARTS_MAX {
            let oldest = self.parts.iter().enumerate().min_by_key(|(_, part)| part.begin_ms);
            let Some((at, _)) = oldest else { break };
            self.parts.swap_remove(at);
        }
    }

    /// Takes the part out, or begins it.
    fn take(&mut self, ask: &Ask) -> Part {
        match self.parts.iter().position(|part| part.begin_ms == ask.part_ms) {
            Some(at) => self.parts.swap_remove(at),
            None => Part { begin_ms: ask.part_ms, gone_ms: ask.gone_ms, taken: 0, shares: Vec::new() },
        }
    }
}

impl Part {
    /// What the node has. One that is not listed has what it says, and knows what all had: after a loss the last
    /// of them to have looked knows best.
    fn enter(&mut self, ask: &Ask, knows: u64) -> u64 {
        if let Some(share) = self.shares.iter().find(|share| share.node == ask.node) {
            return share.amount;
        }
        let listed = self.shares.iter().fold(ask.has, |sum, share| sum.saturating_add(share.amount));
        self.taken = self.taken.max(knows).max(listed);
        ask.has
    }

    fn put(&mut self, share: Share, now_ms: i64) {
        self.shares.retain(|other| other.node != share.node);
        if self.shares.len() >= LISTED_MAX {
            self.shares.retain(|share| share.until_ms > now_ms);
        }
        if share.amount > 0 {
            self.shares.push(share);
        }
    }

    /// What nodes that are gone held is free.
    fn free(&mut self, now_ms: i64) {
        let (here, gone): (Vec<_>, Vec<_>) = self.shares.iter().partition(|share| share.until_ms > now_ms);
        self.shares = here;
        for share in gone {
            self.taken = self.taken.saturating_sub(share.amount);
        }
    }
}

#[cfg(test)]
mod tests;
