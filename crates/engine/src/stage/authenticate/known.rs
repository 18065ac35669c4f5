//! Keys one worker has proven, by their whole text: the next request of the same key costs a look-up.
//!
//! What is remembered is what the text proves; expiry, revocation and scopes are looked at every time.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::IpAddr,
    rc::Rc,
};

use nexus_core::{principal::Principal, snapshot::Snapshot};

use super::proof::{Bad, Proof};
use crate::shared::Shared;

/// Keys remembered at most; one more begins anew.
const KNOWN_MAX: usize = 4096;
/// Addresses remembered a key; one more takes the oldest one's place.
const ADDRESSES_MAX: usize = 16;

/// The keys.
#[derive(Default)]
pub struct Known(RefCell<HashMap<Box<str>, Rc<Seen>>>);

/// One of them.
pub(super) struct Seen {
    pub(super) proof: Proof,
    /// The minute in which it was last noted that the key is in use.
    minute: Cell<i64>,
    addresses: RefCell<Vec<IpAddr>>,
}

impl Known {
    /// The key, if it has been proven and has not ended since.
    pub(super) fn find(&self, shown: &str, now_ms: i64) -> Option<Rc<Seen>> {
        self.0.borrow().get(shown).filter(|seen| !seen.proof.is_over(now_ms)).map(Rc::clone)
    }

    /// Proves a key, and remembers it if this world knows it: what is made up displaces nothing.
    pub(super) fn meet(
        &self,
        shown: &str,
        shared: &Shared,
        snapshot: &Snapshot,
        now_ms: i64,
    ) -> Result<(Principal, Rc<Seen>), Bad> {
        let proof = Proof::of(shown, &shared.keys, now_ms)?;
        let principal = proof.principal(snapshot, now_ms)?;
        let seen = Rc::new(Seen { proof, minute: Cell::new(i64::MIN), addresses: RefCell::default() });
        let mut known = self.0.borrow_mut();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(shown.into(), Rc::clone(&seen));
        Ok((principal, seen))
    }
}

impl Seen {
    pub(super) fn is_new_minute(&self, now_ms: i64) -> bool {
        let minute = now_ms.div_euclid(60_000);
        self.minute.replace(minute) != minute
    }

    pub(super) fn is_new_address(&self, address: IpAddr) -> bool {
        let mut addresses = self.addresses.borrow_mut();
        if addresses.contains(&address) {
            return false;
        }
        if addresses.len() >= ADDRESSES_MAX {
            addresses.remove(0);
        }
        addresses.push(address);
        true
    }
}
