//! Rate limits by GCRA: one atomic word a limit, no window edges, no timer.
//!
//! The generic cell rate algorithm keeps the *theoretical arrival time* (TAT) of the next unit. What is taken
//! conforms while the TAT is at most one burst ahead of now; each unit moves it one interval on. Units are
//! requests, or tokens that are estimated before and corrected after.

use std::sync::atomic::{AtomicU64, Ordering};

/// At most so many units a minute, evenly replenished, with a full minute's worth as burst.
#[derive(Debug)]
pub struct RateLimit {
    per_minute: u32,
    interval_ns: u64,
    /// Theoretical arrival time of the next unit, nanoseconds on the caller's clock.
    tat_ns: AtomicU64,
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

const MINUTE_NS: u64 = 60_000_000_000;

impl RateLimit {
    /// A limit of `per_minute` units; 0 is treated as 1, "none at all" is not a rate.
    pub fn new(per_minute: u32) -> Self {
        let per_minute = per_minute.max(1);
        let interval_ns = MINUTE_NS.checked_div(u64::from(per_minute)).unwrap_or(MINUTE_NS);
        Self { per_minute, interval_ns, tat_ns: AtomicU64::new(0) }
    }

    /// Units a minute.
    pub fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Takes one unit, or says in how many microseconds one will be there.
    /// `now_us` is any clock that never runs backwards, in microseconds.
    pub fn take(&self, now_us: u64) -> Result<(), u64> {
        self.take_many(1, now_us)
    }

    /// Takes so many units, or says when so many will be there. More than a minute's worth passes where a
    /// whole minute's worth is there, and is paid for by those who come after.
    pub fn take_many(&self, units: u64, now_us: u64) -> Result<(), u64> {
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
    }

    /// How much is left.
    pub fn level(&self, now_us: u64) -> Level {
        let now_ns = now_us.saturating_mul(1000);
        let ahead_ns = self.tat_ns.load(Ordering::Relaxed).saturating_sub(now_ns);
        let used = ahead_ns.div_ceil(self.interval_ns.max(1));
        let remaining = u64::from(self.per_minute).saturating_sub(used);
        Level {
            limit: self.per_minute,
            remaining: u32::try_from(remaining).unwrap_or(self.per_minute),
            full_in_us: ahead_ns.div_ceil(1000),
        }
    }

    /// How far taking so many would go beyond the burst.
    fn excess_ns(&self, arrival_ns: u64, units: u64, now_ns: u64) -> u64 {
        let ahead_ns = arrival_ns.saturating_sub(now_ns);
        let counted = units.min(u64::from(self.per_minute));
        let room_ns = self.interval_ns.saturating_mul(u64::from(self.per_minute).saturating_sub(counted));
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
        let limit = RateLimit::new(60);
        for _ in 0..60 {
            assert_eq!((limit.wait_us(5), limit.take(5)), (None, Ok(())));
        }
        assert_eq!((limit.wait_us(5), limit.take(5)), (Some(1_000_000), Err(1_000_000)));
        assert_eq!(limit.take(1_000_005), Ok(()));
        assert_eq!(limit.take(1_000_005), Err(1_000_000));
    }

    #[test]
    fn tokens_are_taken_as_estimated_and_put_right_after() {
        let limit = RateLimit::new(6000);
        let remaining = |now_us| limit.level(now_us).remaining;
        assert_eq!(limit.take_many(4000, 0), Ok(()));
        assert_eq!(remaining(0), 2000);
        assert_eq!(limit.take_many(2500, 0), Err(5_000_000));
        limit.correct(4000, 1000, 0);
        assert_eq!(remaining(0), 5000);
        limit.correct(1000, 3000, 0);
        assert_eq!(limit.level(0), Level { limit: 6000, remaining: 3000, full_in_us: 30_000_000 });
        assert_eq!(remaining(MINUTE_US / 4), 4500);
    }

    #[test]
    fn what_is_larger_than_the_limit_passes_a_full_one_and_is_paid_for_after() {
        let limit = RateLimit::new(100);
        assert_eq!(limit.take_many(300, 0), Ok(()));
        assert_eq!(limit.take(0), Err(121_000_000 - 600_000 - 400_000 + 600_000));
        assert_eq!(limit.take_many(300, 3 * MINUTE_US - 1), Err(1));
        assert_eq!(limit.take_many(300, 3 * MINUTE_US), Ok(()));
    }

    proptest! {
        #[test]
        fn never_more_than_two_minutes_worth_in_any_one_minute(
            per_minute in 1u32..200,
            steps in prop::collection::vec(0u64..2_000_000, 1..400),
        ) {
            let limit = RateLimit::new(per_minute);
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
            let limit = RateLimit::new(per_minute);
            let _taken = limit.take_many(used, 0);
            if let Err(wait_us) = limit.take_many(units, 0) {
                prop_assert!(limit.take_many(units, wait_us - 1).is_err());
                prop_assert!(limit.take_many(units, wait_us).is_ok());
            }
        }
    }
}
