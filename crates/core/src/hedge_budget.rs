//! How many requests of a route may get a second attempt beside the first: a share of all, which each brings along.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one second attempt costs: a request brings as many as the route's rule has of a hundred.
const HEDGE: u64 = 100;
/// The most that is kept: after a quiet time there is no burst.
const KEPT_MAX: u64 = 10 * HEDGE;

/// The budget of a route, on one node. It begins empty.
#[derive(Debug, Default)]
pub struct HedgeBudget(AtomicU64);

impl HedgeBudget {
    /// A request has come, where so many of a hundred may be hedged.
    pub fn arrive(&self, percent: u8) {
        let add = |left: u64| Some(left.saturating_add(u64::from(percent)).min(KEPT_MAX));
        let _before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// One that was taken led to no second attempt.
    pub fn give_back(&self) {
        let add = |left: u64| Some(left.saturating_add(HEDGE).min(KEPT_MAX));
        let _before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Takes one; false where there is none.
    pub fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(HEDGE)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_requests_so_many_are_hedged_and_quiet_times_make_no_burst() {
        for percent in [1, 5, 50] {
            let budget = HedgeBudget::default();
            assert!(!budget.take());
            let hedged = (0..1000).filter(|_| {
                budget.arrive(percent);
                budget.take()
            });
            assert_eq!(hedged.count(), usize::from(percent) * 10);
            (0..100_000).for_each(|_| budget.arrive(percent));
            assert_eq!((0..1000).filter(|_| budget.take()).count(), 10);
        }
    }
}
