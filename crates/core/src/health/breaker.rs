//! A circuit breaker: closed, open, and half-open with exactly one probe.
//!
//! Closed, faults add their weight and good answers take some off; at [`TRIP_WEIGHT`] it opens. When its time
//! has passed one attempt may probe: what that one finds closes it, or opens it for twice as long. Only
//! attempts that began after it opened, or closed, are evidence; stragglers of the time before are not. No lock is
//! taken.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::fault::TRIP_WEIGHT;

/// How long it stays open the first time.
pub const OPEN_US: u64 = 5_000_000;
/// The longest it stays open before the next probe.
pub const OPEN_MAX_US: u64 = 60_000_000;
/// How long a probe may take before another is let through.
const PROBE_US: u64 = 120_000_000;
/// What a good answer takes off.
const RELIEF: u32 = 20;

/// A breaker as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Closed,
    /// Until this moment, in microseconds.
    Open {
        until_us: u64,
    },
    /// Whether the one probe may still be taken.
    HalfOpen {
        is_probe_free: bool,
    },
}

impl State {
    /// The word in metrics and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half_open",
        }
    }
}

/// One breaker. All times are microseconds of a clock that never runs backwards.
#[derive(Debug, Default)]
pub struct Breaker {
    weight: AtomicU32,
    /// 0: closed. Else when the next probe may go.
    open_until_us: AtomicU64,
    opened_at_us: AtomicU64,
    /// When the probe under way counts as lost; 0: none is.
    probe_until_us: AtomicU64,
    /// How often it opened without closing.
    openings: AtomicU32,
    closed_at_us: AtomicU64,
}

impl Breaker {
    pub fn state(&self, now_us: u64) -> State {
        match self.open_until_us.load(Ordering::Acquire) {
            0 => State::Closed,
            until_us if now_us < until_us => State::Open { until_us },
            _ => State::HalfOpen { is_probe_free: self.probe_until_us.load(Ordering::Relaxed) <= now_us },
        }
    }

    /// Whether an attempt may go there; of a half-open one only the one that gets the probe.
    pub fn enter(&self, now_us: u64) -> bool {
        match self.state(now_us) {
            State::Closed => true,
            State::Open { .. } => false,
            State::HalfOpen { .. } => {
                let taken = self.probe_until_us.load(Ordering::Relaxed);
                let until = now_us.saturating_add(PROBE_US);
                taken <= now_us
                    && self
                        .probe_until_us
                        .compare_exchange(taken, until, Ordering::AcqRel, Ordering::Relaxed)
                        .is_ok()
            }
        }
    }

    /// An attempt that may have been the probe ended without telling anything.
    pub fn leave(&self, began_us: u64) {
        if self.is_evidence(began_us) {
            self.probe_until_us.store(0, Ordering::Release);
        }
    }

    /// An attempt that began then was answered.
    pub fn answered(&self, began_us: u64, now_us: u64) {
        if self.open_until_us.load(Ordering::Acquire) != 0 {
            if self.is_evidence(began_us) {
                self.close(now_us);
            }
            return;
        }
        if self.weight.load(Ordering::Relaxed) > 0 {
            let relieve = |weight: u32| Some(weight.saturating_sub(RELIEF));
            let _before = self.weight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, relieve);
        }
    }

    /// An attempt that began then failed with this weight.
    pub fn failed(&self, weight: u32, began_us: u64, now_us: u64) {
        if weight == 0 {
            return self.leave(began_us);
        }
        match self.state(now_us) {
            // what began before it closed is forgiven with the rest
            State::Closed if began_us < self.closed_at_us() => {}
            State::Closed => {
                let before = self.weight.fetch_add(weight, Ordering::Relaxed);
                if before.saturating_add(weight) >= TRIP_WEIGHT {
                    self.open(now_us);
                }
            }
            State::HalfOpen { .. } if self.is_evidence(began_us) => self.open(now_us),
            State::HalfOpen { .. } | State::Open { .. } => {}
        }
    }

    /// Opens it, longer each time until it closes again.
    pub fn open(&self, now_us: u64) {
        let openings = self.openings.fetch_add(1, Ordering::Relaxed).min(16);
        let span_us = OPEN_US.saturating_mul(1u64.checked_shl(openings).unwrap_or(u64::MAX)).min(OPEN_MAX_US);
        self.weight.store(0, Ordering::Relaxed);
        self.probe_until_us.store(0, Ordering::Relaxed);
        self.opened_at_us.store(now_us, Ordering::Relaxed);
        self.open_until_us.store(now_us.saturating_add(span_us).max(1), Ordering::Release);
    }

    /// Closes it, by what a probe found or by hand.
    pub fn close(&self, now_us: u64) {
        self.closed_at_us.store(now_us, Ordering::Relaxed);
        self.weight.store(0, Ordering::Relaxed);
        self.openings.store(0, Ordering::Relaxed);
        self.probe_until_us.store(0, Ordering::Relaxed);
        self.open_until_us.store(0, Ordering::Release);
    }

    /// When it closed last; what happened before is forgiven.
    pub fn closed_at_us(&self) -> u64 {
        self.closed_at_us.load(Ordering::Relaxed)
    }

    fn is_evidence(&self, began_us: u64) -> bool {
        began_us > self.opened_at_us.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fault::Class;

    const S: u64 = 1_000_000;

    fn opened() -> Breaker {
        let breaker = Breaker::default();
        breaker.failed(TRIP_WEIGHT, 0, S);
        breaker
    }

    #[test]
    fn how_many_faults_in_a_row_open_it_is_by_their_class() {
        for (class, faults) in [
            (Class::Internal, Some(5)),
            (Class::BadAnswer, Some(5)),
            (Class::Timeout, Some(3)),
            (Class::Connect, Some(3)),
            (Class::Credential, Some(1)),
            (Class::RateLimited, None),
            (Class::BadRequest, None),
            (Class::ContextLength, None),
        ] {
            let breaker = Breaker::default();
            let opens = (1..100).find(|_| {
                breaker.failed(class.weight(), S, S);
                breaker.state(S) != State::Closed
            });
            assert_eq!(opens, faults, "{class:?}");
        }
    }

    #[test]
    fn a_target_that_mostly_answers_stays_closed() {
        let breaker = Breaker::default();
        for at in 1..1000u64 {
            match at % 3 {
                0 => breaker.failed(Class::Internal.weight(), at, at),
                _ => breaker.answered(at, at),
            }
            assert_eq!(breaker.state(at), State::Closed);
        }
    }

    #[test]
    fn one_probe_passes_and_decides() {
        let breaker = opened();
        assert_eq!(breaker.state(2 * S), State::Open { until_us: 6 * S });
        assert!(!breaker.enter(2 * S));
        assert!(breaker.enter(6 * S) && !breaker.enter(6 * S) && !breaker.enter(7 * S));
        breaker.failed(10, 6 * S, 7 * S);
        assert_eq!(breaker.state(8 * S), State::Open { until_us: 17 * S });
        assert!(breaker.enter(17 * S));
        breaker.answered(17 * S, 18 * S);
        assert_eq!(breaker.state(18 * S), State::Closed);
        breaker.failed(TRIP_WEIGHT, 18 * S, 18 * S);
        assert_eq!(breaker.state(18 * S), State::Open { until_us: 23 * S }, "it begins anew");
    }

    #[test]
    fn a_probe_that_told_nothing_or_was_lost_makes_room_for_another() {
        let breaker = opened();
        assert!(breaker.enter(6 * S));
        breaker.leave(6 * S);
        assert!(breaker.enter(7 * S));
        breaker.failed(Class::RateLimited.weight(), 7 * S, 8 * S);
        assert!(breaker.enter(9 * S));
        assert!(!breaker.enter(9 * S + PROBE_US - 1) && breaker.enter(9 * S + PROBE_US));
    }

    #[test]
    fn stragglers_of_the_time_before_it_opened_decide_nothing() {
        let breaker = opened();
        breaker.answered(S / 2, 7 * S);
        breaker.failed(50, S / 2, 7 * S);
        breaker.leave(S / 2);
        assert_eq!(breaker.state(7 * S), State::HalfOpen { is_probe_free: true });
    }

    #[test]
    fn stragglers_of_the_time_before_it_closed_do_not_open_it_again() {
        let breaker = opened();
        breaker.close(2 * S);
        breaker.failed(TRIP_WEIGHT, S, 3 * S);
        assert_eq!(breaker.state(3 * S), State::Closed);
        breaker.failed(TRIP_WEIGHT, 2 * S, 3 * S);
        assert_eq!(breaker.state(3 * S), State::Open { until_us: 8 * S });
    }

    proptest! {
        #[test]
        fn it_is_never_open_longer_than_the_longest_time(steps in prop::collection::vec((0u64..90, 0u8..3), 1..200)) {
            let breaker = Breaker::default();
            let mut now = 1;
            for (step, what) in steps {
                now += step * S;
                match what {
                    0 => breaker.failed(20, now, now),
                    1 => breaker.answered(now, now),
                    _ => { breaker.enter(now); }
                }
                if let State::Open { until_us } = breaker.state(now) {
                    prop_assert!(until_us <= now + OPEN_MAX_US);
                }
            }
        }
    }
}
