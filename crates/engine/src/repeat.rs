//! Answers that more than one request may be given: those under way, and those that are kept for a while.
//!
//! All of it is in memory, of this process alone, and bounded: what happens at each bound is said where it stands.
//! Nothing is found but under a [`Fingerprint`] of whose it is and of every byte that was asked.

pub mod flight;
pub mod promised;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
};

use bytes::Bytes;
use moka::{policy::EvictionPolicy, sync::Cache};
use nexus_core::{refusal::Refusal, usage::Repeat};
use nexus_keystore::fingerprint::Fingerprint;

use self::flight::{Flight, Listener};
use crate::reply::Decision;

/// Bytes of answers kept by the rules of routes; beyond it those that were not wanted for longest go.
const CACHED_BYTES_MAX: u64 = 64 << 20;
/// Bytes of answers kept for an `Idempotency-Key`; beyond it the answers go, and that they were given stays known.
const ANSWERS_BYTES_MAX: u64 = 64 << 20;
/// Idempotency keys that are known; beyond it those that were not wanted for longest are forgotten.
const PROMISES_MAX: u64 = 200_000;
/// Answers under way that can be shared at once; beyond it requests are served each by itself, and those with an
/// idempotency key, which cannot be, are told to come again.
const FLIGHTS_MAX: usize = 50_000;
/// How long an idempotency key is known.
pub const PROMISE_US: u64 = 24 * 3600 * 1_000_000;
/// What an answer takes beside its bytes, roughly.
const OVERHEAD_BYTES: usize = 256;

/// How a request may be given another's answer, or give its own.
#[derive(Clone, Debug)]
pub struct Wish {
    pub promise: Option<Promise>,
    pub same: Option<Same>,
}

/// What an `Idempotency-Key` asks for: one answer, whoever asks how often.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    pub place: Fingerprint,
    pub body: Fingerprint,
}

/// Where the answers to requests that are the same are found.
#[derive(Clone, Copy, Debug)]
pub struct Same {
    pub place: Fingerprint,
    /// How long an answer is kept; `None`: only who comes while it is under way shares it.
    pub ttl_us: Option<u64>,
    /// Only younger answers are taken, in microseconds.
    pub age_max_us: u64,
}

/// A whole answer that is kept.
#[derive(Debug)]
pub struct Kept {
    pub decision: Decision,
    /// Whether it is a stream's events.
    pub is_stream: bool,
    pub body: Bytes,
    since_us: u64,
    until_us: u64,
}

/// What a request with a wish comes to.
pub enum Entered {
    /// It is answered with what is there.
    Kept(Arc<Kept>, Repeat),
    /// It listens to what somebody else gets.
    Follows(Listener, Repeat),
    /// It is the first: what it gets, others listen to.
    Leads(Lead, Listener),
}

/// Everything that is shared and kept.
pub struct Repeats {
    flights: Mutex<HashMap<Fingerprint, Arc<Flight>>>,
    cached: Cache<Fingerprint, Arc<Kept>>,
    answers: Cache<Fingerprint, Arc<Kept>>,
    /// The bodies that were answered under a promise, and until when that is known.
    given: Cache<Fingerprint, (Fingerprint, u64)>,
    /// Bytes of all flights together.
    live_bytes: Arc<AtomicUsize>,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            flights: Mutex::default(),
            cached: bounded(CACHED_BYTES_MAX),
            answers: bounded(ANSWERS_BYTES_MAX),
            given: Cache::builder().eviction_policy(EvictionPolicy::lru()).max_capacity(PROMISES_MAX).build(),
            live_bytes: Arc::default(),
        }
    }
}

fn bounded(bytes_max: u64) -> Cache<Fingerprint, Arc<Kept>> {
    let weigh = |_: &Fingerprint, kept: &Arc<Kept>| {
        u32::try_from(kept.body.len().saturating_add(OVERHEAD_BYTES)).unwrap_or(u32::MAX)
    };
    Cache::builder().eviction_policy(EvictionPolicy::lru()).weigher(weigh).max_capacity(bytes_max).build()
}

impl Repeats {
    /// Finds what a request may be given, or makes it the one that others follow; `None` where there is no room.
    /// `failures`: how often somebody led before and failed.
    pub fn enter(
        self: &Arc<Self>,
        wish: &Wish,
        failures: u32,
        now_us: u64,
    ) -> Result<Option<Entered>, Refusal> {
        let (place, body, repeat) = match (&wish.promise, &wish.same) {
            (Some(promise), _) => (promise.place, promise.body, Repeat::Replayed),
            (None, Some(same)) => (same.place, same.place, Repeat::Coalesced),
            (None, None) => return Ok(None),
        };
        let mut flights = self.lock();
        if let Some(flight) = flights.get(&place) {
            match flight.listen(body) {
                Ok(Some(listener)) => return Ok(Some(Entered::Follows(listener, repeat))),
                Ok(None) if wish.promise.is_some() => return Err(Refusal::AnswerNotKept),
                Ok(None) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        if let Some(promise) = &wish.promise
            && let Some(kept) = self.promised(promise, now_us)?
        {
            return Ok(Some(Entered::Kept(kept, Repeat::Replayed)));
        }
        if let Some(kept) = wish.same.and_then(|same| self.cached(&same, now_us)) {
            if let Some(promise) = &wish.promise {
                self.give(promise, &kept, now_us);
            }
            return Ok(Some(Entered::Kept(kept, Repeat::Cached)));
        }
        if flights.len() >= FLIGHTS_MAX {
            return Ok(None);
        }
        let flight = Flight::open(body, wish.promise.is_some(), failures, Arc::clone(&self.live_bytes));
        let listener = flight.lead();
        flights.insert(place, Arc::clone(&flight));
        let lead = Lead { repeats: Arc::clone(self), flight, place, wish: wish.clone(), has_ended: false };
        Ok(Some(Entered::Leads(lead, listener)))
    }

    fn promised(&self, promise: &Promise, now_us: u64) -> Result<Option<Arc<Kept>>, Refusal> {
        match self.given.get(&promise.place) {
            Some((_, until_us)) if until_us <= now_us => {
                self.given.invalidate(&promise.place);
                self.answers.invalidate(&promise.place);
                Ok(None)
            }
            Some((body, _)) if body != promise.body => Err(Refusal::OtherBody),
            Some(_) => self.answers.get(&promise.place).map(Some).ok_or(Refusal::AnswerNotKept),
            None => Ok(None),
        }
    }

    fn cached(&self, same: &Same, now_us: u64) -> Option<Arc<Kept>> {
        same.ttl_us?;
        let kept = self.cached.get(&same.place)?;
        if kept.until_us <= now_us {
            self.cached.invalidate(&same.place);
            return None;
        }
        (now_us.saturating_sub(kept.since_us) < same.age_max_us).then_some(kept)
    }

    fn give(&self, promise: &Promise, kept: &Arc<Kept>, now_us: u64) {
        self.given.insert(promise.place, (promise.body, now_us.saturating_add(PROMISE_US)));
        self.answers.insert(promise.place, Arc::clone(kept));
    }

    /// Bytes that are kept, roughly.
    pub fn bytes(&self) -> u64 {
        self.cached.run_pending_tasks();
        self.answers.run_pending_tasks();
        self.cached.weighted_size().saturating_add(self.answers.weighted_size())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Arc<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one whose answer others listen to. Dropped before its end, they look for another.
pub struct Lead {
    repeats: Arc<Repeats>,
    pub flight: Arc<Flight>,
    place: Fingerprint,
    wish: Wish,
    has_ended: bool,
}

impl Lead {
    /// The answer is complete: it is kept where that was wished, and found without a gap.
    pub fn complete(mut self, now_us: u64) {
        let whole = self.flight.whole();
        if let Some((decision, is_stream, body)) = whole {
            let ttl_us = self.wish.same.and_then(|same| same.ttl_us);
            let keep = |ttl_us: u64| {
                let (decision, body) = (decision.clone(), body.clone());
                Arc::new(Kept {
                    decision,
                    is_stream,
                    body,
                    since_us: now_us,
                    until_us: now_us.saturating_add(ttl_us),
                })
            };
            if let (Some(same), Some(ttl_us)) = (&self.wish.same, ttl_us) {
                self.repeats.cached.insert(same.place, keep(ttl_us));
            }
            if let Some(promise) = &self.wish.promise {
                self.repeats.give(promise, &keep(PROMISE_US), now_us);
            }
        } else if let Some(promise) = &self.wish.promise {
            // too large to be kept; that it was given stays known
            let until_us = now_us.saturating_add(PROMISE_US);
            self.repeats.given.insert(promise.place, (promise.body, until_us));
        }
        self.retire();
        self.flight.complete();
    }

    /// There is no answer, or none to its end.
    pub fn fail(mut self, end: flight::End) {
        self.retire();
        self.flight.end(end);
    }

    /// Gives it up where nobody listens any more; whoever comes now leads anew.
    pub fn give_up_deserted(&mut self) -> bool {
        let repeats = Arc::clone(&self.repeats);
        let mut flights = repeats.lock();
        if !self.flight.is_deserted() {
            return false;
        }
        self.take_out(&mut flights);
        true
    }

    fn retire(&mut self) {
        let repeats = Arc::clone(&self.repeats);
        self.take_out(&mut repeats.lock());
    }

    fn take_out(&mut self, flights: &mut HashMap<Fingerprint, Arc<Flight>>) {
        self.has_ended = true;
        if flights.get(&self.place).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            flights.remove(&self.place);
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.has_ended {
            self.retire();
            self.flight.end(flight::End::Lost);
        }
    }
}
