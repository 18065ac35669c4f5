//! How many tries beyond the first there may be, over all requests: one for every ten.
//!
//! An outage must not multiply the traffic it meets. Each request brings a tenth of a retry; one that comes
//! after a long silence brings more, up to a whole one, so that a quiet gateway can always fail over.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one try costs.
const TRY: u64 = 1000;
/// What one request brings.
const SHARE: u64 = TRY / 10;
/// What is there at the start, and the most that is kept.
const KEPT_MAX: u64 = 100 * TRY;
/// A silence of a second counts as one more request.
const SILENCE_US: u64 = 1_000_000;

/// The budget of a node.
#[derive(Debug)]
pub struct RetryBudget {
    left: AtomicU64,
    last_us: AtomicU64,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { left: AtomicU64::new(KEPT_MAX), last_us: AtomicU64::new(0) }
    }
}

impl RetryBudget {
    /// Tries that are kept at most, beyond what requests bring.
    pub const RESERVE: u64 = KEPT_MAX / TRY;

    /// A request has come.
    pub fn arrive(&self, now_us: u64) {
        let silence_us = now_us.saturating_sub(self.last_us.fetch_max(now_us, Ordering::Relaxed));
        let brought = SHARE.saturating_mul((silence_us / SILENCE_US).max(1)).min(TRY);
        let add = |left: u64| Some(left.saturating_add(brought).min(KEPT_MAX)).filter(|next| *next != left);
        let _full = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Takes one try beyond a request's first; false where there is none.
    pub fn take(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(TRY)).is_ok()
    }

    /// A try that was taken was not made.
    pub fn give_back(&self) {
        let add = |left: u64| Some(left.saturating_add(TRY).min(KEPT_MAX));
        let _before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// How many tries are left.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed) / TRY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_load_one_request_in_ten_is_tried_again_once_the_reserve_is_spent() {
        let budget = RetryBudget::default();
        let mut tries = 0u64;
        for request in 0..10_000u64 {
            budget.arrive(request * 1000);
            while budget.take() {
                tries += 1;
            }
        }
        assert_eq!(tries, 1000 + RetryBudget::RESERVE - 1, "the first request finds it full");
    }

    #[test]
    fn a_quiet_gateway_may_try_every_request_again() {
        let budget = RetryBudget::default();
        while budget.take() {}
        for minute in 1..100u64 {
            budget.arrive(minute * 60_000_000);
            assert!(budget.take() && !budget.take());
        }
    }
}
