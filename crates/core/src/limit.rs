//! Rate limits by GCRA: one atomic word a limit, no window edges, no timer.
//!
//! The generic cell rate algorithm keeps the *theoretical arrival time* (TAT) of the next request. A
//! request conforms while the TAT is at most one burst ahead of now; each moves it one interval on.

use std::sync::atomic::{AtomicU64, Ordering};

/// At most so many requests a minute, evenly replenished, with a full minute's worth as burst.
#[derive(Debug)]
pub struct RateLimit {
    per_minute: u32,
    interval_us: u64,
    /// Theoretical arrival time of the next request, microseconds on the caller's clock.
    tat_us: AtomicU64,
}

const MINUTE_US: u64 = 60_000_000;

impl RateLimit {
    /// A limit of `per_minute` requests; 0 is treated as 1, "none at all" is not a rate.
    pub fn new(per_minute: u32) -> Self {
        let per_minute = per_minute.max(1);
        let interval_us = MINUTE_US.checked_div(u64::from(per_minute)).unwrap_or(MINUTE_US);
        Self { per_minute, interval_us, tat_us: AtomicU64::new(0) }
    }

    /// Requests a minute.
    pub fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Takes one request's worth, or says in how many microseconds one will be there.
    /// `now_us` is any clock that never runs backwards, in microseconds.
    pub fn take(&self, now_us: u64) -> Result<(), u64> {
        let burst_us = self.interval_us.saturating_mul(u64::from(self.per_minute.saturating_sub(1)));
        let mut tat = self.tat_us.load(Ordering::Relaxed);
        loop {
            let arrival = tat.max(now_us);
            let ahead = arrival.saturating_sub(now_us);
            if ahead > burst_us {
                return Err(ahead.saturating_sub(burst_us));
            }
            let next = arrival.saturating_add(self.interval_us);
            match self.tat_us.compare_exchange_weak(tat, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(seen) => tat = seen,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_of_one_minutes_worth_passes_and_the_next_waits_one_interval() {
        let limit = RateLimit::new(60);
        for _ in 0..60 {
            assert_eq!(limit.take(5), Ok(()));
        }
        assert_eq!(limit.take(5), Err(1_000_000));
        assert_eq!(limit.take(1_000_005), Ok(()));
        assert_eq!(limit.take(1_000_005), Err(1_000_000));
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
    }
}
