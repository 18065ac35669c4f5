//! Counts the requests of keys that are good for a limited number of them.
//!
//! Memory is bounded: a key is forgotten once it has ended, and where too many live keys are counted a new
//! one is refused rather than an old one forgotten.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{id::KeyId, principal::Allowance};

/// Keys counted at once.
const KEYS_MAX: usize = 100_000;

#[derive(Clone, Copy, Debug)]
struct Used {
    requests: u64,
    until_s: u64,
}

/// The counts, shared by all workers of a node.
#[derive(Debug, Default)]
pub struct Allowances(Mutex<HashMap<KeyId, Used>>);

impl Allowances {
    /// Takes one request from the key's allowance; false where there is none left. `now_s` is Unix seconds.
    pub fn take(&self, key: KeyId, allowance: Allowance, now_s: u64) -> bool {
        let mut counts = self.lock();
        if counts.len() >= KEYS_MAX && !counts.contains_key(&key) {
            counts.retain(|_, used| used.until_s > now_s);
            if counts.len() >= KEYS_MAX {
                return false;
            }
        }
        let used = counts.entry(key).or_insert(Used { requests: 0, until_s: allowance.until_s });
        if used.requests >= allowance.requests {
            return false;
        }
        used.requests = used.requests.saturating_add(1);
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, Used>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Uuid;

    fn key(number: usize) -> KeyId {
        KeyId(Uuid::from_u128(number as u128))
    }

    #[test]
    fn exactly_as_many_requests_pass_as_were_allowed_however_many_come_at_once() {
        let allowances = Allowances::default();
        let allowance = Allowance { requests: 10, until_s: 100 };
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..50).filter(|_| allowances.take(key(1), allowance, 0)).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 10);
        assert!(allowances.take(key(2), allowance, 0), "another key has its own");
    }

    #[test]
    fn ended_keys_make_room_and_live_ones_are_never_forgotten() {
        let allowances = Allowances::default();
        let allowance = |until_s| Allowance { requests: 1, until_s };
        for number in 0..KEYS_MAX {
            assert!(allowances.take(key(number), allowance(100), 50));
        }
        assert!(!allowances.take(key(KEYS_MAX), allowance(100), 99));
        assert!(!allowances.take(key(0), allowance(100), 99));
        assert!(allowances.take(key(KEYS_MAX), allowance(200), 100));
        assert_eq!(allowances.lock().len(), 1);
    }
}
