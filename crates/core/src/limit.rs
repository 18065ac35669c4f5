//! Rate limits by GCRA: one atomic word a limit, no window edges, no timer.
//!
//! The generic cell rate algorithm keeps the *theoretical arrival time* (TAT) of the next unit. What is taken
//! conforms while the TAT is at most one burst ahead of now; each unit moves it one interval on. Units are
//! requests, or tokens that are estimated before and corrected after.
//!
//! Where several nodes share a limit ([`share`]) a unit must be this node's besides, and the TAT kept here only
//! follows the one they share: it says when asking is worth while, and never that something may pass.

pub mod share;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use self::share::{Rates, Share};
use crate::lease::rate;

/// At most so many units a minute, evenly replenished, with a full minute's worth as burst.
#[derive(Debug)]
pub struct RateLimit {
    per_minute: u32,
    interval_ns: u64,
    /// Theoretical arrival time of the next unit, nanoseconds on the caller's clock.
    tat_ns: AtomicU64,
    /// This node's part of it, where it is shared.
    share: OnceLock<Share>,
}

/// Why units cannot be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// They will be there in so many microseconds.
    For(u64),
    /// Other nodes may have them: trying again is worth while when the next round of asks is over.
    Asked,
}

impl Lack {
    /// When to try again, in microseconds from now, for whoever does not hear of rounds.
    pub fn wait_us(self) -> u64 {
        match self {
            Lack::For(wait_us) => wait_us,
            Lack::Asked => 10_000,
        }
    }
}

/// A limit as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Units a minute.
    pub limit: u32,
    /// Units that may be taken now.
    pub remaining: u32,
    /// When all of them may be taken again, in microseconds from now.
    pub full_in_us: u64,
}

impl RateLimit {
    /// A limit of `per_minute` units; 0 is treated as 1, "none at all" is not a rate.
    pub fn new(per_minute: u32) -> Self {
        let per_minute = per_minute.max(1);
        let interval_ns = rate::interval_ns(per_minute);
        Self { per_minute, interval_ns, tat_ns: AtomicU64::new(0), share: OnceLock::new() }
    }

    /// From now on what is taken is this node's part of a limit that goes by this name on all nodes.
    pub fn share_as(self: &Arc<Self>, rates: &Arc<Rates>, name: impl FnOnce() -> String) {
        self.share.get_or_init(|| Share::new(name(), Arc::clone(rates)));
    }

    /// Units a minute.
    pub fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Units that may pass at once.
    fn burst(&self) -> u64 {
        if self.share.get().is_some() { rate::burst(self.per_minute) } else { u64::from(self.per_minute) }
    }

    /// Takes one unit, or says in how many microseconds one will be there.
    /// `now_us` is any clock that never runs backwards, in microseconds.
    pub fn take(self: &Arc<Self>, now_us: u64) -> Result<(), u64> {
        self.take_many(1, now_us).map_err(Lack::wait_us)
    }

    /// Takes so many units, or says when so many will be there. More than a minute's worth passes where a
    /// whole minute's worth is there, and is paid for by those who come after.
    pub fn take_many(self: &Arc<Self>, units: u64, now_us: u64) -> Result<(), Lack> {
        self.advance(units, now_us).map_err(Lack::For)?;
        let Some(share) = self.share.get() else { return Ok(()) };
        let taken = share.take(self, units, now_us);
        taken.inspect_err(|_| self.draw_back(units))
    }

    /// Takes back what was taken a moment ago and led to nothing.
    pub fn give_back(&self, units: u64) {
        self.draw_back(units);
        if let Some(share) = self.share.get() {
            share.give_back(units);
        }
    }

    fn draw_back(&self, units: u64) {
        let cost_ns = self.interval_ns.saturating_mul(units);
        let back = |tat: u64| Some(tat.saturating_sub(cost_ns));
        let _before = self.tat_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, back);
    }

    fn advance(&self, units: u64, now_us: u64) -> Result<(), u64> {
        let now_ns = now_us.saturating_mul(1000);
        let cost_ns = self.interval_ns.saturating_mul(units);
        let mut tat = self.tat_ns.load(Ordering::Relaxed);
        loop {
            let arrival = tat.max(now_ns);
            let excess_ns = self.excess_ns(arrival, units, now_ns);
            if excess_ns > 0 {
                return Err(excess_ns.div_ceil(1000));
            }
            let next = arrival.saturating_add(cost_ns);
            match self.tat_ns.compare_exchange_weak(tat, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(seen) => tat = seen,
            }
        }
    }

    /// In how many microseconds a unit will be there; `None`: one is.
    pub fn wait_us(&self, now_us: u64) -> Option<u64> {
        self.wait_many_us(1, now_us)
    }

    /// The same of so many units.
    pub fn wait_many_us(&self, units: u64, now_us: u64) -> Option<u64> {
        let now_ns = now_us.saturating_mul(1000);
        let arrival = self.tat_ns.load(Ordering::Relaxed).max(now_ns);
        Some(self.excess_ns(arrival, units, now_ns).div_ceil(1000)).filter(|wait_us| *wait_us > 0)
    }

    /// Puts right what was taken as an estimate: more is taken, or what was too much given back.
    pub fn correct(&self, taken: u64, used: u64, now_us: u64) {
        let now_ns = now_us.saturating_mul(1000);
        let difference_ns = self.interval_ns.saturating_mul(taken.abs_diff(used));
        let correct = |tat: u64| {
            Some(match used >= taken {
                true => tat.max(now_ns).saturating_add(difference_ns),
                false => tat.saturating_sub(difference_ns),
            })
        };
        let _before = self.tat_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, correct);
        if let Some(share) = self.share.get() {
            share.correct(taken, used);
        }
    }

    /// All nodes together are so far ahead, but for units this node has and has not used.
    fn follow(&self, ahead_ns: u64, unused: u64, now_us: u64) {
        let ahead_ns = ahead_ns.saturating_sub(self.interval_ns.saturating_mul(unused));
        self.tat_ns.store(now_us.saturating_mul(1000).saturating_add(ahead_ns), Ordering::Relaxed);
    }

    /// How much is left.
    pub fn level(&self, now_us: u64) -> Level {
        let now_ns = now_us.saturating_mul(1000);
        let ahead_ns = self.tat_ns.load(Ordering::Relaxed).saturating_sub(now_ns);
        let used = ahead_ns.div_ceil(self.interval_ns.max(1));
        let remaining = self.burst().saturating_sub(used);
        Level {
            limit: self.per_minute,
            remaining: u32::try_from(remaining).unwrap_or(self.per_minute),
            full_in_us: ahead_ns.div_ceil(1000),
        }
    }

    /// How far taking so many would go beyond the burst.
    fn excess_ns(&self, arrival_ns: u64, units: u64, now_ns: u64) -> u64 {
        let (ahead_ns, burst) = (arrival_ns.saturating_sub(now_ns), self.burst());
        let room_ns = self.interval_ns.saturating_mul(burst.saturating_sub(units.min(burst)));
        ahead_ns.saturating_sub(room_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE_US: u64 = 60_000_000;

    #[test]
    fn a_burst_of_one_minutes_worth_passes_and_the_next_waits_one_interval() {
        let limit = Arc::new(RateLimit::new(60));
        for _ in 0..60 {
            assert_eq!((limit.wait_us(5), limit.take(5)), (None, Ok(())));
        }
        assert_eq!((limit.wait_us(5), limit.take(5)), (Some(1_000_000), Err(1_000_000)));
        assert_eq!(limit.take(1_000_005), Ok(()));
        assert_eq!(limit.take(1_000_005), Err(1_000_000));
    }

    #[test]
    fn tokens_are_taken_as_estimated_and_put_right_after() {
        let limit = Arc::new(RateLimit::new(6000));
        let remaining = |now_us| limit.level(now_us).remaining;
        assert_eq!(limit.take_many(4000, 0), Ok(()));
        assert_eq!(remaining(0), 2000);
        assert_eq!(limit.take_many(2500, 0), Err(Lack::For(5_000_000)));
        limit.correct(4000, 1000, 0);
        assert_eq!(remaining(0), 5000);
        limit.correct(1000, 3000, 0);
        assert_eq!(limit.level(0), Level { limit: 6000, remaining: 3000, full_in_us: 30_000_000 });
        assert_eq!(remaining(MINUTE_US / 4), 4500);
    }

    #[test]
    fn what_is_larger_than_the_limit_passes_a_full_one_and_is_paid_for_after() {
        let limit = Arc::new(RateLimit::new(100));
        assert_eq!(limit.take_many(300, 0), Ok(()));
        assert_eq!(limit.take(0), Err(121_000_000 - 600_000 - 400_000 + 600_000));
        assert_eq!(limit.take_many(300, 3 * MINUTE_US - 1), Err(Lack::For(1)));
        assert_eq!(limit.take_many(300, 3 * MINUTE_US), Ok(()));
    }

    proptest! {
        #[test]
        fn never_more_than_two_minutes_worth_in_any_one_minute(
            per_minute in 1u32..200,
            steps in prop::collection::vec(0u64..2_000_000, 1..400),
        ) {
            let limit = Arc::new(RateLimit::new(per_minute));
            let mut now = 0u64;
            let mut taken = Vec::new();
            for step in steps {
                now = now.saturating_add(step);
                if limit.take(now).is_ok() {
                    taken.push(now);
                }
            }
            for (at, first) in taken.iter().enumerate() {
                let within = taken[at..].iter().take_while(|t| t.saturating_sub(*first) < MINUTE_US).count();
                prop_assert!(within as u64 <= 2 * u64::from(per_minute));
            }
        }

        #[test]
        fn a_wait_is_exactly_as_long_as_said(per_minute in 1u32..100_000, units in 1u64..2000, used in 0u64..2000) {
            let limit = Arc::new(RateLimit::new(per_minute));
            let _taken = limit.take_many(used, 0);
            if let Err(Lack::For(wait_us)) = limit.take_many(units, 0) {
                prop_assert!(limit.take_many(units, wait_us - 1).is_err());
                prop_assert!(limit.take_many(units, wait_us).is_ok());
            }
        }
    }
}
