//! Stage 2, authenticate: who is calling. No database is asked and nothing waits.
//!
//! Every failure is the same refusal in the same words, so that an attacker learns nothing from it.

use std::{cell::RefCell, collections::HashMap};

use nexus_core::{
    id::{KeyId, TeamId},
    principal::{Level, Principal},
    refusal::Refusal,
};
use nexus_keystore::token::{self, Invalid, Tokens, Verified};

use crate::{shared::Shared, stage::parse::Shown, world::World};

/// Keys one worker has verified, by their whole text: the next request of the same key costs a look-up.
///
/// What is remembered is what the token says; its expiry and its welcome are checked every time.
#[derive(Default)]
pub struct Known(RefCell<HashMap<Box<str>, Verified>>);

/// Keys remembered at most; one more begins anew.
const KNOWN_MAX: usize = 4096;

impl Known {
    fn verify(&self, tokens: &Tokens, token: &str, now_s: u64) -> Result<Verified, Invalid> {
        if let Some(known) = self.0.borrow().get(token)
            && now_s < known.expires_at_s
        {
            return Ok(known.clone());
        }
        let verified = tokens.verify(token, now_s)?;
        let mut known = self.0.borrow_mut();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(token.into(), verified.clone());
        Ok(verified)
    }
}

/// Verifies a key and checks that it is still welcome in this world.
pub fn authenticate(
    shown: Shown<'_>,
    world: &World,
    shared: &Shared,
    known: &Known,
) -> Result<Principal, Refusal> {
    let now_ms = shared.clock.unix_ms();
    let now_s = u64::try_from(now_ms.div_euclid(1000)).unwrap_or_default();
    let verified = known.verify(&shared.tokens, shown.0, now_s).map_err(|invalid| {
        tracing::debug!(reason = invalid.reason(), "a key was refused");
        Refusal::InvalidKey
    })?;
    let level = match verified.level {
        token::Level::Admin => Level::Admin,
        token::Level::App => Level::App,
    };
    let principal = Principal {
        key: KeyId(verified.key),
        level,
        team: verified.team.map(TeamId),
        parent: None,
        scope: None,
    };
    if world.snapshot.admits(&principal, now_ms) { Ok(principal) } else { Err(Refusal::InvalidKey) }
}

/// Lets only callers through that may call models.
pub fn may_call_models(principal: Principal) -> Result<Principal, Refusal> {
    if principal.level.may_call_models() {
        Ok(principal)
    } else {
        Err(Refusal::WrongLevel { needed: Level::App.as_str() })
    }
}

#[cfg(test)]
mod tests {
    use nexus_keystore::{
        root::RootSecret,
        token::{Grant, Level},
    };

    use super::*;

    #[test]
    fn a_key_that_was_remembered_is_refused_once_it_has_expired() {
        let tokens = Tokens::new(RootSecret::random().ok().unwrap());
        let grant = Grant { key: nexus_core::id::Uuid::from_u128(1), level: Level::App, team: None, lifetime_s: 60 };
        let token = tokens.mint(&grant, 1_790_000_000).unwrap();
        let known = Known::default();
        for (now_s, is_good) in [(0, true), (59, true), (60, false), (61, false)] {
            let verified = known.verify(&tokens, token.expose(), 1_790_000_000 + now_s);
            assert_eq!(verified.is_ok(), is_good, "after {now_s} s");
        }
        assert!(known.verify(&tokens, &format!("{}x", token.expose()), 1_790_000_000).is_err());
    }
}
