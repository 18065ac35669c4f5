//! What a request holds of the quotas it falls under, from before it is sent until everything is booked.
//!
//! Whoever still has something to book shares the hold; when the last of them drops it, what was not used is
//! free again. So no way out of the pipeline, cancellation included, can keep a budget pinned.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nexus_core::{
    id::{KeyId, Uuid},
    principal::Budget,
    quota::{
        Amounts, Book, Exhausted, Level, Measure, Mode, Owner, Quota, Reservation, ReservationId, Subject,
        Window,
    },
    usage::{Bearer, UsageRecord},
};

use crate::port::Clock;

/// Session keys with a budget of their own known at once; one more is refused rather than another forgotten.
const SESSIONS_MAX: usize = 100_000;

/// The levels of all quotas, shared by all workers. Held for moments only.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<Levels>);

#[derive(Debug, Default)]
struct Levels {
    book: Book,
    /// When session keys with a budget of their own end, Unix seconds, by the quota that is their budget.
    sessions: HashMap<Uuid, u64>,
    /// What session keys had cost when this process began.
    earlier: HashMap<KeyId, u64>,
}

impl Quotas {
    /// Takes what a call needs from all of these quotas, or from none. What it held before is let go either way.
    pub fn hold<'a>(
        self: &Arc<Self>,
        quotas: impl Iterator<Item = &'a Quota> + Clone,
        need: Amounts,
        owner: Owner,
        before: Option<&Hold>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<Hold>, Exhausted> {
        let book = &mut self.lock().book;
        before.into_iter().for_each(|before| book.release(before.id));
        let id = book.reserve(quotas, need, owner, clock.unix_ms())?;
        Ok(Arc::new(Hold { quotas: Arc::clone(self), clock: Arc::clone(clock), id }))
    }

    /// What a quota's window has seen before this process began. Only the first time counts.
    pub fn seed(&self, quota: &Quota, used: u64, now_ms: i64) {
        let book = &mut self.lock().book;
        if !book.knows(quota.id) {
            book.seed(quota, used, now_ms);
        }
    }

    pub fn knows(&self, quota: &Quota) -> bool {
        self.lock().book.knows(quota.id)
    }

    pub fn level(&self, quota: &Quota, now_ms: i64) -> Level {
        self.lock().book.level(quota, now_ms)
    }

    /// Who holds what of a quota.
    pub fn holders(&self, quota: &Quota) -> Vec<Reservation> {
        self.lock().book.holders(quota.id)
    }

    /// Releases what nobody released in time, forgets quotas there are no more, and says how much was late.
    pub fn sweep(&self, quotas: &[Quota], now_ms: i64) -> usize {
        let now_s = u64::try_from(now_ms.div_euclid(1000)).unwrap_or_default();
        let Levels { book, sessions, .. } = &mut *self.lock();
        sessions.retain(|_, until_s| *until_s > now_s);
        book.keep(|id| sessions.contains_key(&id) || quotas.iter().any(|quota| quota.id == id));
        book.sweep(now_ms)
    }

    /// What session keys have cost so far, by the ledger: what their budgets begin with.
    pub fn seed_sessions(&self, earlier: HashMap<KeyId, u64>) {
        self.lock().earlier = earlier;
    }

    /// The budget a session key bears, as a quota. `None` where too many are known.
    pub fn of_session(&self, key: KeyId, budget: Budget) -> Option<Quota> {
        let quota = Quota {
            id: key.0,
            name: "session key".into(),
            subject: Subject::Key(key),
            measure: Measure::CostNanoUsd,
            window: Window::Total,
            limit: budget.nano_usd,
            mode: Mode::Hard,
        };
        let Levels { book, sessions, earlier } = &mut *self.lock();
        if !sessions.contains_key(&key.0) {
            if sessions.len() >= SESSIONS_MAX {
                return None;
            }
            sessions.insert(key.0, budget.until_s);
            book.seed(&quota, earlier.remove(&key).unwrap_or_default(), 0);
        }
        Some(quota)
    }

    fn lock(&self) -> MutexGuard<'_, Levels> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one request holds.
pub struct Hold {
    quotas: Arc<Quotas>,
    clock: Arc<dyn Clock>,
    id: ReservationId,
}

impl Hold {
    /// An attempt has been booked: what the caller bears of it is used up.
    pub fn settle(&self, record: &UsageRecord) {
        if record.bearer() == Bearer::Team {
            let used = Amounts { tokens: record.usage.tokens(), cost_nano_usd: record.cost.nano_usd };
            self.quotas.lock().book.settle(self.id, used, self.clock.unix_ms());
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.quotas.lock().book.release(self.id);
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hold").field(&self.id.0).finish()
    }
}
