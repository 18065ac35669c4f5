//! A place: what a request has taken of all the limits it falls under at once.
//!
//! All of it is taken or nothing is. Passes are given back when the place is dropped; tokens, which are taken
//! as an estimate, are put right once it is known what was used.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Limits, Scarce, Short, gate::Pass, line::Line};
use crate::limit::RateLimit;

/// What one request has taken of two sets of limits: a model's and its provider's, or a key's and its team's.
#[derive(Debug, Default)]
#[must_use = "what was taken is given back when this is dropped"]
pub struct Place {
    passes: [Option<Pass>; 2],
    taken: Option<Arc<Taken>>,
}

impl Place {
    /// Takes a place for a request of so many tokens, or says what there is not enough of and in which of the
    /// two. `line` is told when there is room again.
    pub fn take(
        limits: [&Limits; 2],
        line: Option<&Arc<Line>>,
        tokens: u64,
        now_us: u64,
    ) -> Result<Self, (usize, Short)> {
        if limits.iter().all(|limits| limits.are_open()) {
            return Ok(Self::default());
        }
        let tokens = tokens.max(1);
        take_rates(&limits, tokens, now_us)?;
        let passes = take_passes(&limits, line);
        let passes = passes.inspect_err(|_| give_back(&limits, tokens, RATES))?;
        let limited = limits.map(|limits| limits.tokens.clone());
        let taken = limited.iter().any(Option::is_some).then(|| {
            let line = line.cloned();
            Arc::new(Taken { limits: limited, estimate: tokens, is_settled: AtomicBool::new(false), line })
        });
        Ok(Self { passes, taken })
    }

    /// The tokens that were taken; they outlive the place where they are still to be counted.
    pub fn taken(&self) -> Option<Arc<Taken>> {
        self.taken.clone()
    }

    /// Whether nothing was taken, because nothing is bounded.
    pub fn is_nothing(&self) -> bool {
        self.taken.is_none() && self.passes.iter().all(Option::is_none)
    }
}

/// How many rates there are at most.
const RATES: usize = 4;

/// The rates in the order they are taken, each with what is taken of it.
fn rates<'a>(
    limits: &'a [&Limits; 2],
    tokens: u64,
) -> impl Iterator<Item = (usize, Scarce, Option<&'a Arc<RateLimit>>, u64)> {
    limits.iter().enumerate().flat_map(move |(at, limits)| {
        let requests = (at, Scarce::Requests, limits.requests.as_ref(), 1);
        [requests, (at, Scarce::Tokens, limits.tokens.as_ref(), tokens)]
    })
}

fn take_rates(limits: &[&Limits; 2], tokens: u64, now_us: u64) -> Result<(), (usize, Short)> {
    for (done, (at, scarce, limit, units)) in rates(limits, tokens).enumerate() {
        let Some(limit) = limit else { continue };
        if let Err(lack) = limit.take_many(units, now_us) {
            give_back(limits, tokens, done);
            return Err((at, Short::of_rate(scarce, limit.per_minute(), lack)));
        }
    }
    Ok(())
}

/// Gives back what was taken of the first so many rates.
fn give_back(limits: &[&Limits; 2], tokens: u64, count: usize) {
    for (_, _, limit, units) in rates(limits, tokens).take(count) {
        if let Some(limit) = limit {
            limit.give_back(units);
        }
    }
}

fn take_passes(limits: &[&Limits; 2], line: Option<&Arc<Line>>) -> Result<[Option<Pass>; 2], (usize, Short)> {
    let enter = |at: usize, limits: &Limits| {
        let Some(gate) = &limits.gate else { return Ok(None) };
        gate.enter().map(Some).ok_or((at, Short::of_gate(gate.most())))
    };
    let [inner, outer] = limits;
    let (first, second) = (enter(0, inner)?, enter(1, outer)?);
    Ok([first, second].map(|pass| pass.map(|pass| pass.telling(line.cloned()))))
}

/// Tokens that were taken before anybody knew how many are used.
#[derive(Debug)]
pub struct Taken {
    limits: [Option<Arc<RateLimit>>; 2],
    estimate: u64,
    is_settled: AtomicBool,
    line: Option<Arc<Line>>,
}

impl Taken {
    /// So many were used. The first time the estimate is put right; after that, more is taken.
    pub fn settle(&self, used: u64, now_us: u64) {
        let taken = if self.is_settled.swap(true, Ordering::AcqRel) { 0 } else { self.estimate };
        self.correct(taken, used, now_us);
    }

    fn correct(&self, taken: u64, used: u64, now_us: u64) {
        for limit in self.limits.iter().flatten() {
            limit.correct(taken, used, now_us);
        }
        if used < taken
            && let Some(line) = &self.line
        {
            line.stir();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !*self.is_settled.get_mut() {
            self.correct(self.estimate, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Bounds, Left};

    fn limits(requests: u32, tokens: u32, concurrent: u32) -> Limits {
        Limits::new(Bounds { requests: Some(requests), tokens: Some(tokens), concurrent: Some(concurrent) })
    }

    fn left(limits: &Limits) -> (u32, u32, u32) {
        let Left { requests, tokens, places } = limits.left(0);
        (requests.unwrap().remaining, tokens.unwrap().remaining, places.unwrap().1)
    }

    #[test]
    fn everything_is_taken_or_nothing_is() {
        for (outer, expected) in [
            (limits(1, 100, 1), None),
            (limits(1, 99, 1), None),
            (Limits::OPEN, None),
            (taken(limits(1, 100, 1), 1, 0, 0), Some(Scarce::Requests)),
            (taken(limits(2, 100, 1), 0, 1, 0), Some(Scarce::Tokens)),
            (taken(limits(2, 100, 1), 0, 0, 1), Some(Scarce::Concurrent)),
        ] {
            let inner = limits(10, 1000, 10);
            let place = Place::take([&inner, &outer], None, 100, 0);
            assert_eq!(place.as_ref().err().map(|(at, short)| (*at, short.scarce)), expected.map(|s| (1, s)));
            let held = if place.is_ok() { (9, 900, 9) } else { (10, 1000, 10) };
            assert_eq!(left(&inner), held, "{expected:?}");
            drop(place);
            let requests = if expected.is_none() { 9 } else { 10 };
            assert_eq!(left(&inner), (requests, 1000, 10), "a request that was made stays made");
        }
        assert!(Place::take([&Limits::OPEN, &Limits::OPEN], None, 1, 0).unwrap().is_nothing());
    }

    /// Limits of which so much is gone.
    fn taken(limits: Limits, requests: u64, tokens: u64, passes: usize) -> Limits {
        limits.requests.as_ref().unwrap().take_many(requests, 0).unwrap();
        limits.tokens.as_ref().unwrap().take_many(tokens, 0).unwrap();
        (0..passes).for_each(|_| std::mem::forget(limits.gate.as_ref().unwrap().enter()));
        limits
    }

    #[test]
    fn tokens_are_put_right_once_and_what_comes_after_is_taken_on_top() {
        let (key, team) = (limits(60, 1000, 9), limits(60, 2000, 9));
        let place = Place::take([&key, &team], None, 400, 0).unwrap();
        let tokens = || (left(&key).1, left(&team).1);
        assert_eq!(tokens(), (600, 1600));
        let taken = place.taken().unwrap();
        drop(place);
        assert_eq!(tokens(), (600, 1600), "they are still to be counted");
        taken.settle(50, 0);
        assert_eq!(tokens(), (950, 1950));
        taken.settle(100, 0);
        drop(taken);
        assert_eq!(tokens(), (850, 1850));
    }
}
