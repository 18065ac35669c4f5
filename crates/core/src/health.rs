//! How a target is: its breaker, its pace, what is under way, what happened lately.
//!
//! Choosing reads a few atomic words a target; only an attempt's end takes the window's lock, for as long as
//! counting takes. A [`Seat`] is an attempt's place: dropped, the attempt is over, told or not.

pub mod breaker;
pub mod check;
pub mod histogram;
pub mod learned;
pub mod pace;
pub mod peers;
pub mod usual;
pub mod window;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use self::{
    breaker::{Breaker, State},
    check::{Check, Says},
    learned::Learned,
    pace::Pace,
    usual::Usual,
    window::{Sample, Span, Summary, Tally, Window},
};
use crate::fault::{Class, Fault};

/// The longest a target is left alone because its provider asked for it; what is longer is believed when
/// it is said again.
pub const REST_MAX_US: u64 = 60_000_000;
/// How long a target is left alone that refused for being asked too often and did not say how long.
const REST_US: u64 = 1_000_000;

/// The health of one target, shared by all workers and by every alias it stands behind.
#[derive(Debug, Default)]
pub struct Health {
    breaker: Breaker,
    /// To the first token of streams, and to the end of whole answers.
    streams: Pace,
    wholes: Pace,
    in_flight: AtomicU32,
    rests_until_us: AtomicU64,
    /// What the provider said last of its own limits, and when.
    learned: Mutex<Option<(u64, Learned)>>,
    window: Mutex<Window>,
    usual: Usual,
    check: Mutex<Option<Check>>,
}

impl Health {
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How long an answer takes to begin, in microseconds, as of now; 0 where nothing is known.
    pub fn pace_us(&self, is_stream: bool, now_us: u64) -> u64 {
        if is_stream { self.streams.at(now_us) } else { self.wholes.at(now_us) }
    }

    /// What 95 of 100 answers took to begin at most, lately; `None` where too few are known.
    pub fn usual_us(&self, is_stream: bool, now_us: u64) -> Option<u64> {
        self.usual.at(is_stream, now_us, || self.summary(Span::Seconds(usual::SPAN_S), now_us))
    }

    /// Until when the provider asked to be left alone, where that is still to come.
    pub fn rests_until(&self, now_us: u64) -> Option<u64> {
        Some(self.rests_until_us.load(Ordering::Relaxed)).filter(|until_us| *until_us > now_us)
    }

    /// Leaves the target alone for a while.
    pub fn rest(&self, wait_us: u64, now_us: u64) {
        self.rests_until_us.fetch_max(now_us.saturating_add(wait_us.min(REST_MAX_US)), Ordering::Relaxed);
    }

    /// The provider said what is left of its own limits.
    pub fn learn(&self, learned: Learned, now_us: u64) {
        *self.learned.lock().unwrap_or_else(PoisonError::into_inner) = Some((now_us, learned));
    }

    /// What it said last, as of now.
    pub fn learned(&self, now_us: u64) -> Option<Learned> {
        let (at_us, learned) = (*self.learned.lock().unwrap_or_else(PoisonError::into_inner))?;
        learned.after(now_us.saturating_sub(at_us))
    }

    /// Takes everything back that keeps requests away; by hand. What happened stays known, and is forgiven.
    pub fn reset(&self, now_us: u64) {
        self.breaker.close(now_us);
        self.rests_until_us.store(0, Ordering::Relaxed);
        self.streams.forget();
        self.wholes.forget();
        *self.learned.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What happened in the span that ends now.
    pub fn summary(&self, span: Span, now_us: u64) -> Summary {
        self.window().summary(span, now_us)
    }

    /// The same in the few numbers targets are compared by, as far as the breaker has not forgiven it.
    pub fn tally(&self, seconds: u64, now_us: u64) -> Tally {
        let since_us = now_us.saturating_sub(self.breaker.closed_at_us());
        self.window().tally(seconds.min(since_us / 1_000_000), now_us)
    }

    /// Takes note of a look at the provider. Where the breaker waits for a probe, it is one.
    pub fn checked(&self, check: Check) {
        let now_us = check.ended_us;
        *self.check.lock().unwrap_or_else(PoisonError::into_inner) = Some(check);
        if self.state(now_us) == (State::HalfOpen { is_probe_free: true }) {
            match check.says() {
                Says::Well => self.breaker.answered(check.began_us, now_us),
                Says::Ill { weight } => self.breaker.failed(weight, check.began_us, now_us),
                Says::Nothing => {}
            }
        }
    }

    /// The latest look at the provider, where there are any.
    pub fn check(&self) -> Option<Check> {
        *self.check.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt's place at a target.
#[derive(Debug)]
#[must_use = "the attempt counts as over when this is dropped"]
pub struct Seat {
    health: Arc<Health>,
    began_us: u64,
    is_stream: bool,
    /// How long the answer took to begin, where it has.
    first_token_us: Option<u64>,
    has_told: bool,
}

impl Seat {
    /// Takes a place; `None` where the breaker lets nobody through. `is_forced` goes in whatever it says: no
    /// other target is left.
    pub fn take(health: &Arc<Health>, is_stream: bool, entry: Entry, now_us: u64) -> Option<Self> {
        if !health.breaker.enter(now_us) && entry == Entry::Asked {
            return None;
        }
        health.in_flight.fetch_add(1, Ordering::Relaxed);
        let health = Arc::clone(health);
        Some(Self { health, began_us: now_us, is_stream, first_token_us: None, has_told: false })
    }

    /// The first content of a stream came.
    pub fn first_token(&mut self, now_us: u64) {
        if self.first_token_us.is_none() && self.is_stream {
            let took_us = now_us.saturating_sub(self.began_us);
            self.first_token_us = Some(took_us);
            self.health.streams.record(took_us, now_us);
        }
    }

    /// The whole answer came.
    pub fn answered(&mut self, output_tokens: u64, now_us: u64) {
        if std::mem::replace(&mut self.has_told, true) {
            return;
        }
        let latency_us = now_us.saturating_sub(self.began_us);
        if !self.is_stream {
            self.health.wholes.record(latency_us, now_us);
        }
        self.health.breaker.answered(self.began_us, now_us);
        let sample = Sample::Answered { latency_us, first_token_us: self.first_token_us, output_tokens };
        self.health.window().record(sample, now_us);
    }

    /// Another attempt of the same request was faster: it takes at least as long as it was waited for.
    pub fn outrun(&mut self, now_us: u64) {
        if std::mem::replace(&mut self.has_told, true) {
            return;
        }
        let waited_us = now_us.saturating_sub(self.began_us);
        if self.first_token_us.is_none() {
            if self.is_stream { &self.health.streams } else { &self.health.wholes }.record(waited_us, now_us);
        }
        self.health.breaker.leave(self.began_us);
    }

    /// The attempt failed.
    pub fn failed(&mut self, fault: &Fault, now_us: u64) {
        if std::mem::replace(&mut self.has_told, true) {
            return;
        }
        self.health.breaker.failed(fault.class.weight(), self.began_us, now_us);
        let asked_us = fault.retry_after_ms.map(|wait_ms| wait_ms.saturating_mul(1000));
        match (fault.class, asked_us) {
            (Class::RateLimited, None) => self.health.rest(REST_US, now_us),
            (Class::RateLimited | Class::Overloaded, Some(wait_us)) => self.health.rest(wait_us, now_us),
            _ => {}
        }
        if fault.class == Class::Timeout {
            let waited_us = now_us.saturating_sub(self.began_us);
            if self.is_stream { &self.health.streams } else { &self.health.wholes }.record(waited_us, now_us);
        }
        self.health.window().record(Sample::Failed(fault.class), now_us);
    }
}

/// How an attempt comes to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// If the breaker lets it.
    Asked,
    /// Whatever the breaker says: the last target of a route is never taken out.
    Forced,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.health.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !self.has_told {
            self.health.breaker.leave(self.began_us);
        }
    }
}

impl Health {
    /// The breaker as it stands.
    pub fn state(&self, now_us: u64) -> State {
        self.breaker.state(now_us)
    }
}

#[cfg(test)]
mod tests {
    use super::{learned::Told, *};

    const S: u64 = 1_000_000;

    fn seat(health: &Arc<Health>, now_us: u64) -> Seat {
        Seat::take(health, true, Entry::Asked, now_us).unwrap()
    }

    #[test]
    fn a_seat_counts_while_it_is_held_and_an_attempt_is_told_once() {
        let health = Arc::new(Health::default());
        let (mut one, two) = (seat(&health, S), seat(&health, S));
        assert_eq!(health.in_flight(), 2);
        one.first_token(2 * S);
        one.first_token(9 * S);
        one.answered(10, 3 * S);
        one.failed(&Fault::new(Class::Credential, "late"), 3 * S);
        drop((one, two));
        assert_eq!((health.in_flight(), health.state(3 * S)), (0, State::Closed));
        let summary = health.summary(Span::Seconds(10), 3 * S);
        assert_eq!((summary.requests(), summary.output_tokens), (1, 10), "the abandoned one says nothing");
        assert_eq!(health.pace_us(true, 2 * S), S);
        assert_eq!(health.pace_us(false, 2 * S), 0);
    }

    #[test]
    fn a_busy_provider_is_left_alone_as_long_as_it_asks_but_not_for_ever() {
        for (class, retry_after_ms, rests_us) in [
            (Class::RateLimited, None, Some(S)),
            (Class::RateLimited, Some(7_000), Some(7 * S)),
            (Class::RateLimited, Some(10_000_000), Some(REST_MAX_US)),
            (Class::Overloaded, Some(2_000), Some(2 * S)),
            (Class::Overloaded, None, None),
            (Class::BadRequest, Some(2_000), None),
        ] {
            let health = Arc::new(Health::default());
            seat(&health, 0).failed(&Fault { retry_after_ms, ..Fault::new(class, "no") }, 0);
            assert_eq!(health.rests_until(0), rests_us, "{class:?} {retry_after_ms:?}");
            assert_eq!(health.state(0), State::Closed);
            health.reset(0);
            assert_eq!(health.rests_until(0), None);
        }
    }

    #[test]
    fn a_target_put_back_by_hand_bears_nothing_of_what_was_before() {
        let health = Arc::new(Health::default());
        let mut before = seat(&health, S);
        let mut slow = seat(&health, S);
        slow.first_token(9 * S);
        seat(&health, S).failed(&Fault::new(Class::Credential, "no"), 9 * S);
        health.rest(60 * S, 9 * S);
        health.learn(
            Learned { requests: Told { remaining: Some(0), ..Told::default() }, ..Learned::default() },
            9 * S,
        );
        health.reset(10 * S);
        before.failed(&Fault::new(Class::Credential, "no"), 11 * S);
        let now_us = 11 * S;
        assert_eq!((health.state(now_us), health.rests_until(now_us)), (State::Closed, None));
        assert_eq!((health.pace_us(true, now_us), health.learned(now_us)), (0, None));
        assert_eq!(health.summary(Span::Seconds(10), now_us).requests(), 2, "what happened stays known");
        drop(slow);
    }

    #[test]
    fn an_open_breaker_lets_nobody_in_unless_there_is_nobody_else() {
        let health = Arc::new(Health::default());
        seat(&health, S).failed(&Fault::new(Class::Credential, "no"), S);
        assert!(Seat::take(&health, true, Entry::Asked, 2 * S).is_none());
        let mut forced = Seat::take(&health, true, Entry::Forced, 2 * S).unwrap();
        forced.answered(1, 3 * S);
        assert_eq!(health.state(3 * S), State::Closed, "what was tried all the same shows that it is back");
    }

    #[test]
    fn a_probe_whose_client_went_away_leaves_the_place_to_another() {
        let health = Arc::new(Health::default());
        seat(&health, S).failed(&Fault::new(Class::Credential, "no"), S);
        let probe = seat(&health, 7 * S);
        assert!(Seat::take(&health, true, Entry::Asked, 8 * S).is_none());
        drop(probe);
        assert!(Seat::take(&health, true, Entry::Asked, 8 * S).is_some());
    }
}
