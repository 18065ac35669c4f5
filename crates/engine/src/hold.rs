//! What a request holds of the quotas it falls under, from before it is sent until everything is booked.
//!
//! Whoever still has something to book shares the hold; when the last of them drops it, what was not used is
//! free again. So no way out of the pipeline, cancellation included, can keep a budget pinned.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nexus_core::{
    quota::{Amounts, Book, Exhausted, Level, Owner, Quota, Reservation, ReservationId},
    usage::{Bearer, UsageRecord},
};

use crate::port::Clock;

/// The levels of all quotas, shared by all workers. Held for moments only.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<Book>);

impl Quotas {
    /// Takes what a call needs from all of these quotas, or from none.
    pub fn hold<'a>(
        self: &Arc<Self>,
        quotas: impl Iterator<Item = &'a Quota> + Clone,
        need: Amounts,
        owner: Owner,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<Hold>, Exhausted> {
        let id = self.lock().reserve(quotas, need, owner, clock.unix_ms())?;
        Ok(Arc::new(Hold { quotas: Arc::clone(self), clock: Arc::clone(clock), id }))
    }

    /// What a quota's window has seen before this process began. Only the first time counts.
    pub fn seed(&self, quota: &Quota, used: u64, now_ms: i64) {
        let mut book = self.lock();
        if !book.knows(quota.id) {
            book.seed(quota, used, now_ms);
        }
    }

    pub fn knows(&self, quota: &Quota) -> bool {
        self.lock().knows(quota.id)
    }

    pub fn level(&self, quota: &Quota, now_ms: i64) -> Level {
        self.lock().level(quota, now_ms)
    }

    /// Who holds what of a quota.
    pub fn holders(&self, quota: &Quota) -> Vec<Reservation> {
        self.lock().holders(quota.id)
    }

    /// Releases what nobody released in time, forgets quotas there are no more, and says how much was late.
    pub fn sweep(&self, quotas: &[Quota], now_ms: i64) -> usize {
        let mut book = self.lock();
        book.keep(|id| quotas.iter().any(|quota| quota.id == id));
        book.sweep(now_ms)
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
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
            self.quotas.lock().settle(self.id, used, self.clock.unix_ms());
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.quotas.lock().release(self.id);
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hold").field(&self.id.0).finish()
    }
}
