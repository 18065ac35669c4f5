//! The signing keys of the hours, derived from the root and remembered.
//!
//! A key enters memory only after a signature under it held, so that invented hours displace nothing; and
//! each hour has one slot, so that there are never more than [`SLOTS`].

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::{
    crypto::Hs256,
    root::{CryptoFailed, DerivedKey, Purpose, RootSecret},
};

/// Keys held at most. Two hours this far apart (six weeks) share a slot and take turns.
const SLOTS: usize = 1024;

struct HourKey {
    hour: u64,
    key: Hs256,
}

pub(super) struct HourKeys {
    root: RootSecret,
    slots: Box<[ArcSwapOption<HourKey>]>,
}

impl HourKeys {
    pub(super) fn new(root: RootSecret) -> Self {
        Self { root, slots: (0..SLOTS).map(|_| ArcSwapOption::empty()).collect() }
    }

    /// The bytes of an hour's signing key.
    pub(super) fn derive(&self, hour: u64) -> Result<DerivedKey, CryptoFailed> {
        self.root.derive(Purpose::TokenSigning, format!("h{hour}").as_bytes())
    }

    /// Whether the signature is this hour's, compared in constant time. Deriving a key that is not
    /// remembered costs a microsecond.
    pub(super) fn is_signature(&self, hour: u64, message: &[u8], signature: &[u8]) -> bool {
        let slot = usize::try_from(hour).ok().and_then(|hour| self.slots.get(hour % SLOTS));
        if let Some(held) = slot.map(ArcSwapOption::load).as_deref().and_then(Option::as_ref)
            && held.hour == hour
        {
            return held.key.is_tag(message, signature);
        }
        let Ok(derived) = self.derive(hour) else { return false };
        let key = Hs256::new(&derived);
        let is_signature = key.is_tag(message, signature);
        if is_signature && let Some(slot) = slot {
            slot.store(Some(Arc::new(HourKey { hour, key })));
        }
        is_signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(keys: &HourKeys) -> Vec<u64> {
        keys.slots.iter().filter_map(|slot| slot.load().as_ref().map(|held| held.hour)).collect()
    }

    #[test]
    fn only_hours_whose_signature_held_are_remembered_and_never_too_many() {
        let keys = HourKeys::new(RootSecret::random().unwrap_or_else(|error| panic!("{error}")));
        let sign = |hour| Hs256::new(&keys.derive(hour).ok().unwrap()).tag(b"message");
        for hour in 0..100 {
            assert!(!keys.is_signature(hour, b"message", &[0; 32]));
        }
        assert_eq!(held(&keys), [0; 0]);
        for hour in 0..3 * SLOTS as u64 {
            assert!(keys.is_signature(hour, b"message", sign(hour).as_ref()));
            assert!(keys.is_signature(hour, b"message", sign(hour).as_ref()), "from memory");
            assert!(!keys.is_signature(hour, b"massage", sign(hour).as_ref()));
            assert!(!keys.is_signature(hour + SLOTS as u64, b"message", sign(hour).as_ref()));
        }
        assert_eq!(held(&keys).len(), SLOTS);
    }
}
