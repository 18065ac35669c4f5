//! How fast a target answers at present: an average that believes bad news at once and forgets it slowly.
//!
//! A *peak* exponentially weighted moving average: a slower answer than the average takes its place, a
//! faster one draws it down over [`MEMORY_US`]. A target that is not used is forgotten towards zero, so
//! that one that was slow is tried again.

use std::sync::atomic::{AtomicU64, Ordering};

/// The time after which a third of the old news is left.
const MEMORY_US: f64 = 10_000_000.0;

/// A peak average, shared without a lock. A race loses one sample at most.
#[derive(Debug, Default)]
pub struct Pace {
    average_us: AtomicU64,
    at_us: AtomicU64,
}

impl Pace {
    pub fn record(&self, us: u64, now_us: u64) {
        let average = self.at(now_us);
        let next = if us >= average {
            us
        } else {
            let kept = kept(now_us.saturating_sub(self.at_us.load(Ordering::Relaxed)));
            // how much of the old is left decides how much of the new is taken
            (us as f64).mul_add(1.0 - kept, self.average_us.load(Ordering::Relaxed) as f64 * kept) as u64
        };
        self.average_us.store(next.max(1), Ordering::Relaxed);
        self.at_us.store(now_us, Ordering::Relaxed);
    }

    /// Nothing is known any more.
    pub fn forget(&self) {
        self.average_us.store(0, Ordering::Relaxed);
    }

    /// The average as of now, in microseconds; 0 where nothing is known.
    pub fn at(&self, now_us: u64) -> u64 {
        let average = self.average_us.load(Ordering::Relaxed);
        if average == 0 {
            return 0;
        }
        let age = now_us.saturating_sub(self.at_us.load(Ordering::Relaxed));
        (average as f64 * kept(age)) as u64
    }
}

fn kept(age_us: u64) -> f64 {
    (-(age_us as f64) / MEMORY_US).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_counts_at_once_and_fast_ones_bring_it_down_slowly() {
        let pace = Pace::default();
        assert_eq!(pace.at(0), 0);
        pace.record(100_000, 1_000_000);
        pace.record(2_000_000, 1_000_000);
        assert_eq!(pace.at(1_000_000), 2_000_000);
        for tenth in 1..=100u64 {
            pace.record(100_000, 1_000_000 + tenth * 100_000);
        }
        let after = pace.at(11_000_000);
        assert!((600_000..1_000_000).contains(&after), "a third of the peak is left: {after}");
    }

    #[test]
    fn a_target_that_is_not_used_is_forgotten() {
        let pace = Pace::default();
        pace.record(2_000_000, 0);
        assert!(pace.at(30_000_000) < 100_000);
    }
}
