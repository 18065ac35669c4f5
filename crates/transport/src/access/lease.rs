//! What credentials were exchanged for, each until shortly before it expires.
//!
//! One worker thread asks once for the same thing, however many requests wait for it; a refusal is remembered
//! for a moment, so that a crowd of requests does not become a crowd of errands. At most [`HELD_MAX`] are held.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

use nexus_core::{
    fault::Fault,
    id::{CredentialId, Uuid},
};
use nexus_engine::{port::Clock, world::Credential};
use tokio::sync::Mutex;

/// How many leases a worker thread holds.
const HELD_MAX: usize = 256;
/// How long before its end a lease is renewed, behind the back of requests, but never before half its life is over.
const RENEWED_BEFORE_MS: i64 = 5 * 60_000;
/// How long before its end a lease is no longer used, but never before nine tenths of its life are over.
const UNUSED_BEFORE_MS: i64 = 30_000;
/// How long nobody asks again after a refusal.
const PAUSE_MS: i64 = 1_000;

/// What a lease is of: a credential as it was entered, and what it is exchanged for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    credential: CredentialId,
    generation: i64,
    purpose: Cow<'static, str>,
}

impl Key {
    /// `purpose` is everything beside the credential that the exchange depends on.
    pub(super) fn new(credential: &Credential, purpose: impl Into<Cow<'static, str>>) -> Self {
        Self { credential: credential.id, generation: credential.generation, purpose: purpose.into() }
    }

    /// Of what the host itself has, by no credential.
    pub(super) fn of_host(purpose: impl Into<Cow<'static, str>>) -> Self {
        Self { credential: CredentialId(Uuid::nil()), generation: 0, purpose: purpose.into() }
    }
}

/// What an exchange brought.
pub(super) struct Granted<T> {
    pub(super) value: T,
    /// Counted from when it was asked for.
    pub(super) lifetime_ms: i64,
}

/// Something that may be used for a while.
pub(super) struct Lease<T> {
    pub(super) value: T,
    pub(super) standing: Rc<Standing>,
    renew_at_ms: Cell<i64>,
    ends_at_ms: i64,
}

/// How something leased has fared.
#[derive(Default)]
pub(super) struct Standing {
    has_served: Cell<bool>,
    is_void: Cell<bool>,
}

impl Standing {
    pub(super) fn served(&self) {
        self.has_served.set(true);
    }

    /// A refusal ends what has served before; one that never has is refused for its credential's sake, and
    /// another exchange would not help. Whether it is ended.
    pub(super) fn refused(&self) -> bool {
        if self.has_served.get() {
            self.is_void.set(true);
        }
        self.is_void.get()
    }
}

impl<T> Lease<T> {
    fn begin(granted: Granted<T>, asked_at_ms: i64) -> Self {
        let life = granted.lifetime_ms.max(0);
        Self {
            value: granted.value,
            standing: Rc::default(),
            renew_at_ms: Cell::new(asked_at_ms.saturating_add(life - RENEWED_BEFORE_MS.min(life / 2))),
            ends_at_ms: asked_at_ms.saturating_add(life - UNUSED_BEFORE_MS.min(life / 10)),
        }
    }
}

/// What one key has come to.
enum State<T> {
    Unknown,
    Leased(Rc<Lease<T>>),
    Refused(Fault, i64),
}

struct Slot<T> {
    state: RefCell<State<T>>,
    /// Held by whoever asks.
    flight: Mutex<()>,
}

/// What can be said without asking anybody.
enum Known<T> {
    Good(Rc<Lease<T>>),
    /// Good, and to be renewed.
    Aging(Rc<Lease<T>>),
    Refused(Fault),
    Nothing,
}

impl<T> Slot<T> {
    fn new() -> Self {
        Self { state: RefCell::new(State::Unknown), flight: Mutex::new(()) }
    }

    fn known(&self, now_ms: i64) -> Known<T> {
        match &*self.state.borrow() {
            State::Leased(lease) if lease.standing.is_void.get() || now_ms >= lease.ends_at_ms => {
                Known::Nothing
            }
            State::Leased(lease) if now_ms >= lease.renew_at_ms.get() => Known::Aging(Rc::clone(lease)),
            State::Leased(lease) => Known::Good(Rc::clone(lease)),
            State::Refused(fault, until_ms) if now_ms < *until_ms => Known::Refused(fault.clone()),
            State::Refused(..) | State::Unknown => Known::Nothing,
        }
    }

    /// When what stands here is of no use any more; what is empty never was.
    fn ends_at_ms(&self) -> i64 {
        match &*self.state.borrow() {
            State::Leased(lease) => lease.ends_at_ms,
            State::Refused(_, until_ms) => *until_ms,
            State::Unknown => i64::MIN,
        }
    }

    /// Waits for whoever asks already, or asks.
    async fn ask<F>(&self, clock: &dyn Clock, fetch: impl FnOnce() -> F) -> Result<Rc<Lease<T>>, Fault>
    where
        F: Future<Output = Result<Granted<T>, Fault>>,
    {
        let _flight = self.flight.lock().await;
        let asked_at_ms = clock.unix_ms();
        match self.known(asked_at_ms) {
            Known::Good(lease) | Known::Aging(lease) => return Ok(lease),
            Known::Refused(fault) => return Err(fault),
            Known::Nothing => {}
        }
        match fetch().await {
            Ok(granted) => {
                let lease = Rc::new(Lease::begin(granted, asked_at_ms));
                self.state.replace(State::Leased(Rc::clone(&lease)));
                Ok(lease)
            }
            Err(fault) => {
                let until_ms = clock.unix_ms().saturating_add(PAUSE_MS);
                self.state.replace(State::Refused(fault.clone(), until_ms));
                Err(fault)
            }
        }
    }

    /// Asks for what shall follow an aging lease. A refusal leaves the lease as it is, for a moment.
    async fn renew<F>(&self, aging: &Lease<T>, clock: &dyn Clock, fetching: F)
    where
        F: Future<Output = Result<Granted<T>, Fault>>,
    {
        let _flight = self.flight.lock().await;
        let asked_at_ms = clock.unix_ms();
        match fetching.await {
            Ok(granted) => {
                self.state.replace(State::Leased(Rc::new(Lease::begin(granted, asked_at_ms))));
            }
            Err(fault) => {
                tracing::warn!(class = fault.class.as_str(), message = %fault.message,
                    "a provider's token could not be renewed; the one at hand is used until it expires");
                aging.renew_at_ms.set(clock.unix_ms().saturating_add(PAUSE_MS));
            }
        }
    }
}

/// The leases of a worker thread.
pub(super) struct Leases<T> {
    slots: RefCell<HashMap<Key, Rc<Slot<T>>>>,
}

impl<T> Default for Leases<T> {
    fn default() -> Self {
        Self { slots: RefCell::default() }
    }
}

impl<T: 'static> Leases<T> {
    /// The lease of this key, or a new one of what `fetch` brings.
    pub(super) async fn lease<F>(
        &self,
        key: Key,
        clock: &Arc<dyn Clock>,
        fetch: impl FnOnce() -> F,
    ) -> Result<Rc<Lease<T>>, Fault>
    where
        F: Future<Output = Result<Granted<T>, Fault>> + 'static,
    {
        let slot = self.slot(key);
        match slot.known(clock.unix_ms()) {
            Known::Good(lease) => Ok(lease),
            Known::Aging(lease) => {
                if slot.flight.try_lock().is_ok() {
                    // of those who come until the new one is there, none asks again
                    lease.renew_at_ms.set(i64::MAX);
                    let (aging, clock, fetching) = (Rc::clone(&lease), Arc::clone(clock), fetch());
                    actix_rt::spawn(async move { slot.renew(&aging, &*clock, fetching).await });
                }
                Ok(lease)
            }
            Known::Refused(fault) => Err(fault),
            Known::Nothing => slot.ask(&**clock, fetch).await,
        }
    }

    fn slot(&self, key: Key) -> Rc<Slot<T>> {
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = slots.get(&key) {
            return Rc::clone(slot);
        }
        if slots.len() >= HELD_MAX {
            // what somebody waits for stays; of the rest goes what ends first
            let idle = slots.iter().filter(|(_, slot)| Rc::strong_count(slot) == 1);
            let first = idle.min_by_key(|(_, slot)| slot.ends_at_ms()).map(|(key, _)| key.clone());
            first.and_then(|key| slots.remove(&key));
        }
        let slot = Rc::new(Slot::new());
        slots.insert(key, Rc::clone(&slot));
        slot
    }
}

#[cfg(test)]
mod tests;
