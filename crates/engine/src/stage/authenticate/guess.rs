//! A key nobody has shown here before: it may be a guess, and guessing is slow.
//!
//! Keys that have been proven are never held up, whoever shares their address.

use nexus_core::{
    brute::{FailureKey, Failures, WaitMs},
    refusal::Refusal,
};
use nexus_keystore::opaque;

use crate::{arrival::Line, shared::Shared};

/// Where in a token's claims, in base64url, the id of its key stands out: behind issuer and audience, the
/// random end of a UUID.
const CLAIMED_AT: std::ops::Range<usize> = 80..92;

/// A try to get in.
pub(super) struct Guess<'a> {
    failures: &'a Failures,
    /// For whom a failure counts: the address it comes from, the key it claims to be.
    counted_for: [Option<FailureKey>; 2],
    now_ms: u64,
}

impl<'a> Guess<'a> {
    pub(super) fn of(shown: &str, line: &Line<'_>, shared: &'a Shared) -> Self {
        Self {
            failures: &shared.failures,
            counted_for: [line.address.map(FailureKey::address), claimed(shown).map(FailureKey::prefix)],
            now_ms: shared.clock.monotonic_us() / 1000,
        }
    }

    /// Refuses where too many have failed.
    pub(super) fn may_be_made(&self) -> Result<(), Refusal> {
        for key in self.counted_for.into_iter().flatten() {
            let tried = self.failures.may_try(key, self.now_ms);
            tried.map_err(|WaitMs(wait_ms)| Refusal::TooManyFailures { wait_ms })?;
        }
        Ok(())
    }

    pub(super) fn was_wrong(&self) {
        for key in self.counted_for.into_iter().flatten() {
            self.failures.failed(key, self.now_ms);
        }
    }
}

/// What tells the claimed key from others; `None` where nothing is claimed.
fn claimed(shown: &str) -> Option<&[u8]> {
    if opaque::looks_like(shown) {
        return shown.as_bytes().get("nexus-".len()..);
    }
    let (_, claims) = shown.rsplit_once('.')?.0.split_once('.')?;
    claims.as_bytes().get(CLAIMED_AT)
}

#[cfg(test)]
mod tests {
    use nexus_core::id::Uuid;
    use nexus_keystore::{
        root::RootSecret,
        token::{Grant, Level, Tokens},
    };

    use super::*;

    #[test]
    fn two_keys_made_in_the_same_moment_claim_different_things() {
        let tokens = Tokens::new(RootSecret::random().ok().unwrap());
        let [one, other] = [1_u128, 2].map(|number| {
            let key = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | number << 20 | number);
            let grant =
                Grant { key, level: Level::App, team: None, parent: None, rights: None, is_bound: false, lifetime_s: 60 };
            tokens.mint(&grant, 1_790_000_000).ok().unwrap().expose().to_owned()
        });
        assert!(claimed(&one).is_some_and(|claim| claim.len() == 12));
        assert_ne!(claimed(&one), claimed(&other));
        assert_eq!(claimed("nonsense"), None);
        assert_eq!(claimed("nexus-abc"), Some("abc".as_bytes()));
    }
}
