//! Answers to those who go on guessing keys, given at a pace.
//!
//! However fast somebody past the limit asks, a worker tells them so no more than so many times a second: a client
//! that waits for its answers then asks no faster, and the worker's time stays with those who show good keys. It is
//! the worker's pace and not an address's, so it holds whoever guesses, from wherever, and needs no memory.

use std::{cell::Cell, time::Duration};

/// Between two answers.
const PACE_US: u64 = 10_000;
/// Answers that are given at once, after a time without.
const AT_ONCE: u64 = 100;
/// No answer waits longer: whoever opens connection after connection is bounded by how many there may be.
const WAIT_MAX_US: u64 = 1_000_000;

/// One worker's pace.
#[derive(Default)]
pub struct Tarpit {
    /// When the answers promised until now would have been given one by one.
    promised_us: Cell<u64>,
}

impl Tarpit {
    /// Waits until the next answer may be given. `now_us` is any clock that never runs backwards.
    pub async fn hold(&self, now_us: u64) {
        let wait_us = self.wait_us(now_us);
        if wait_us > 0 {
            actix_web::rt::time::sleep(Duration::from_micros(wait_us)).await;
        }
    }

    fn wait_us(&self, now_us: u64) -> u64 {
        let at_once_us = AT_ONCE.saturating_mul(PACE_US);
        let latest_us = now_us.saturating_add(at_once_us).saturating_add(WAIT_MAX_US);
        let promised_us = self.promised_us.get().max(now_us).saturating_add(PACE_US).min(latest_us);
        self.promised_us.set(promised_us);
        promised_us.saturating_sub(at_once_us).saturating_sub(now_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_answered_at_once_and_the_rest_at_a_pace_but_never_after_long() {
        let tarpit = Tarpit::default();
        for number in 0..10_000 {
            let expected = (number + 1_u64).saturating_sub(AT_ONCE) * PACE_US;
            assert_eq!(tarpit.wait_us(5), expected.min(WAIT_MAX_US), "{number}");
        }
        // a second later the pace has caught up with that second
        assert_eq!(tarpit.wait_us(5 + WAIT_MAX_US), PACE_US);
        assert_eq!(tarpit.wait_us(5 + 10 * WAIT_MAX_US), 0);
    }

    #[test]
    fn whoever_waits_for_each_answer_is_answered_a_hundred_times_a_second() {
        let tarpit = Tarpit::default();
        let (mut now_us, mut answers) = (0, 0_u64);
        while now_us < 10_000_000 {
            now_us += tarpit.wait_us(now_us) + 50;
            answers += 1;
        }
        assert!((1_000..=1_200).contains(&answers), "{answers}");
    }
}
