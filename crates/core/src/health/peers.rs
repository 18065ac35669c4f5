//! Who among equals is not as the others: more errors than they have, or much slower answers.
//!
//! A breaker sees faults in a row; this sees one failure in three, which no breaker would. It compares each
//! target of a route with all others together, so it says nothing where all are equally bad.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Health, State, window::Tally};

/// How often a route's targets are compared.
const PERIOD_US: u64 = 1_000_000;
/// What they are compared by, in seconds.
const SPAN_S: u64 = 30;
/// Fewer attempts than these say nothing.
const ATTEMPTS_MIN: u64 = 20;
/// How much more of its attempts may fail than of its peers', in thousandths.
const EXCESS_PER_MILLE: u64 = 250;
/// How many times its peers' mean latency its own may be.
const SLOWNESS: u64 = 4;
/// Differences below this are nobody's business, in microseconds.
const LATENCY_FLOOR_US: u64 = 1_000_000;

/// When the targets of a route were compared last.
#[derive(Debug, Default)]
pub struct Compared(AtomicU64);

impl Compared {
    /// Compares nothing, ever: for what must change nothing.
    pub fn never() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }

    /// Opens the breakers of outliers; at most once a second, by whoever comes first. Costs one short lock a
    /// target then, and one atomic read in between.
    pub fn compare<'a>(&self, targets: impl Iterator<Item = &'a Arc<Health>> + Clone, now_us: u64) {
        let due_us = self.0.load(Ordering::Relaxed);
        let next_us = now_us.saturating_add(PERIOD_US);
        let is_mine = now_us >= due_us
            && self.0.compare_exchange(due_us, next_us, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if !is_mine {
            return;
        }
        let tally = |health: &Arc<Health>| health.tally(SPAN_S, now_us);
        let all = targets.clone().map(tally).fold(Tally::default(), plus);
        for health in targets {
            if is_outlier(tally(health), all) && health.state(now_us) == State::Closed {
                health.breaker().open(now_us);
            }
        }
    }
}

fn plus(a: Tally, b: Tally) -> Tally {
    Tally {
        answered: a.answered.saturating_add(b.answered),
        failed: a.failed.saturating_add(b.failed),
        latency_us: a.latency_us.saturating_add(b.latency_us),
    }
}

fn minus(a: Tally, b: Tally) -> Tally {
    Tally {
        answered: a.answered.saturating_sub(b.answered),
        failed: a.failed.saturating_sub(b.failed),
        latency_us: a.latency_us.saturating_sub(b.latency_us),
    }
}

fn attempts(tally: Tally) -> u64 {
    tally.answered.saturating_add(tally.failed)
}

fn failed_per_mille(tally: Tally) -> u64 {
    tally.failed.saturating_mul(1000).checked_div(attempts(tally)).unwrap_or_default()
}

fn latency_us(tally: Tally) -> u64 {
    tally.latency_us.checked_div(tally.answered).unwrap_or_default()
}

/// Whether one of `all` is not as the rest.
fn is_outlier(own: Tally, all: Tally) -> bool {
    let peers = minus(all, own);
    if attempts(own) < ATTEMPTS_MIN || attempts(peers) < ATTEMPTS_MIN {
        return false;
    }
    let fails_more = failed_per_mille(own) > failed_per_mille(peers).saturating_add(EXCESS_PER_MILLE);
    let is_slower = own.answered >= ATTEMPTS_MIN
        && peers.answered >= ATTEMPTS_MIN
        && latency_us(own) > latency_us(peers).saturating_mul(SLOWNESS).saturating_add(LATENCY_FLOOR_US);
    fails_more || is_slower
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fault::{Class, Fault},
        health::{Entry, Seat, breaker::State},
    };

    #[test]
    fn who_fails_or_dawdles_beside_good_peers_is_an_outlier() {
        let tally = |answered, failed, each_ms: u64| Tally {
            answered,
            failed,
            latency_us: answered * each_ms * 1000,
        };
        let good = tally(100, 0, 500);
        for (own, peers, expected) in [
            (tally(70, 30, 500), good, true),
            (tally(80, 20, 500), good, false),
            (tally(7, 3, 500), good, false),
            (tally(70, 30, 500), tally(70, 30, 500), false),
            (tally(0, 100, 0), tally(70, 30, 500), true),
            (tally(100, 0, 2_900), good, false),
            (tally(100, 0, 3_100), good, true),
            (tally(100, 0, 3_100), tally(5, 0, 500), false),
            (tally(100, 0, 900), tally(100, 0, 1), false),
        ] {
            assert_eq!(is_outlier(own, plus(own, peers)), expected, "{own:?} {peers:?}");
        }
    }

    #[test]
    fn an_outlier_is_taken_out_and_what_it_did_before_it_came_back_is_forgiven() {
        let healths: Vec<_> = (0..3).map(|_| Arc::new(Health::default())).collect();
        for at in (1..=60u64).map(|tenth| tenth * 100_000) {
            for (number, health) in healths.iter().enumerate() {
                let mut seat = Seat::take(health, true, Entry::Forced, at).unwrap();
                match number == 0 && (at / 100_000) % 3 == 0 {
                    true => seat.failed(&Fault::new(Class::Internal, "no"), at),
                    false => seat.answered(1, at),
                }
            }
        }
        let compared = Compared::default();
        compared.compare(healths.iter(), 6_100_000);
        let states: Vec<_> = healths.iter().map(|health| health.state(6_100_000) == State::Closed).collect();
        assert_eq!(states, [false, true, true]);
        healths[0].breaker().close(6_200_000);
        compared.compare(healths.iter(), 7_100_000);
        assert_eq!(healths[0].state(7_100_000), State::Closed, "what was before it closed is forgiven");
    }
}
