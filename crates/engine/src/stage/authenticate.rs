//! Stage 2, authenticate: who is calling. No database is asked and nothing waits.
//!
//! Every failure is the same refusal in the same words, so that an attacker learns nothing from it.

use nexus_core::{
    id::{KeyId, TeamId},
    principal::{Level, Principal},
    refusal::Refusal,
};
use nexus_keystore::token;

use crate::{shared::Shared, stage::parse::Shown, world::World};

/// Verifies a key and checks that it is still welcome in this world.
pub fn authenticate(shown: Shown<'_>, world: &World, shared: &Shared) -> Result<Principal, Refusal> {
    let now_s = u64::try_from(shared.clock.unix_ms().div_euclid(1000)).unwrap_or_default();
    let verified = shared.tokens.verify(shown.0, now_s).map_err(|invalid| {
        tracing::debug!(reason = invalid.reason(), "a key was refused");
        Refusal::InvalidKey
    })?;
    let level = match verified.level {
        token::Level::Admin => Level::Admin,
        token::Level::App => Level::App,
    };
    let principal = Principal { key: KeyId(verified.key), level, team: verified.team.map(TeamId) };
    if world.snapshot.admits(&principal) { Ok(principal) } else { Err(Refusal::InvalidKey) }
}

/// Lets only callers through that may call models.
pub fn may_call_models(principal: Principal) -> Result<Principal, Refusal> {
    if principal.level.may_call_models() {
        Ok(principal)
    } else {
        Err(Refusal::WrongLevel { needed: Level::App.as_str() })
    }
}
