//! Stage 2, authenticate: who is calling. No database is asked and nothing waits.
//!
//! Every key that is not accepted is the same refusal in the same words, so that an attacker learns nothing
//! from it. Only to a key that is good do we say what it lacks.

mod guess;
mod known;
mod proof;

use nexus_core::{
    principal::{Level, Principal},
    refusal::Refusal,
    role::{Permission, Reach},
};

pub use self::known::Known;
use self::{guess::Guess, proof::Bad};
use crate::{
    arrival::Line,
    port::{Denied, Noted},
    shared::Shared,
    stage::parse::Shown,
    world::World,
};

/// Verifies a key and checks that it is welcome in this world, from where it comes.
pub fn authenticate(
    shown: Shown<'_>,
    line: &Line<'_>,
    world: &World,
    shared: &Shared,
    known: &Known,
) -> Result<Principal, Refusal> {
    let now_ms = shared.clock.unix_ms();
    let who = match known.find(shown.0, now_ms) {
        Some(seen) => seen.proof.principal(&world.snapshot, now_ms).map(|principal| (principal, seen)),
        None => {
            let guess = Guess::of(shown.0, line, shared);
            guess.may_be_made()?;
            known.meet(shown.0, shared, &world.snapshot, now_ms).inspect_err(|_| guess.was_wrong())
        }
    };
    let (principal, seen) = match who {
        Ok(who) => who,
        Err(Bad(reason)) => {
            tracing::debug!(reason, "a key was refused");
            deny(shared, line, reason, None);
            return Err(Refusal::InvalidKey);
        }
    };
    if !world.snapshot.admits(&principal, now_ms) {
        deny(shared, line, "revoked", Some(&principal));
        return Err(Refusal::InvalidKey);
    }
    if !world.snapshot.rights(&principal).may_come_from(line.address) {
        deny(shared, line, "address", Some(&principal));
        return Err(Refusal::ForeignAddress);
    }
    if let Some(address) = line.address
        && seen.is_new_address(address)
    {
        // a session key comes and goes: where it is used from is its parent's record
        let (key, team) = (principal.parent.unwrap_or(principal.key), principal.team);
        shared.trail.note(Noted::CameFrom { key, team, address });
    }
    if seen.is_new_minute(now_ms) {
        shared.trail.note(Noted::Used { key: principal.key, at_ms: now_ms });
    }
    Ok(principal)
}

/// A caller who was known before, if its key is good still.
pub fn still(caller: Principal, world: &World, shared: &Shared) -> Result<Principal, Refusal> {
    if !world.snapshot.admits(&caller, shared.clock.unix_ms()) {
        return Err(Refusal::InvalidKey);
    }
    Ok(caller)
}

/// Lets only callers through that may call models, and takes the request from a session key's allowance.
pub fn may_call_models(principal: Principal, line: &Line<'_>, shared: &Shared) -> Result<Principal, Refusal> {
    if !principal.level.may_call_models() {
        deny(shared, line, "level", Some(&principal));
        return Err(Refusal::WrongLevel { needed: Level::App.as_str() });
    }
    if let Some(allowance) = principal.allowance {
        let now_s = u64::try_from(shared.clock.unix_ms().div_euclid(1000)).unwrap_or_default();
        if !shared.allowances.take(principal.key, allowance, now_s) {
            return Err(Refusal::AllowanceUsed { requests: allowance.requests });
        }
    }
    Ok(principal)
}

/// Lets only callers through that may change what providers there are, for all teams.
pub fn may_manage_providers(
    principal: Principal,
    line: &Line<'_>,
    world: &World,
    shared: &Shared,
) -> Result<Principal, Refusal> {
    let actor = world.snapshot.actor(&principal);
    match actor.and_then(|actor| actor.may(Permission::ProvidersWrite)) {
        Some(Reach::Platform) => Ok(principal),
        _ => {
            deny(shared, line, "level", Some(&principal));
            Err(Refusal::WrongLevel { needed: Level::Admin.as_str() })
        }
    }
}

/// Tells the trail that somebody was turned away.
pub fn deny(shared: &Shared, line: &Line<'_>, reason: &'static str, principal: Option<&Principal>) {
    shared.trail.note(Noted::Denied(Denied {
        reason,
        key: principal.map(|principal| principal.key),
        team: principal.and_then(|principal| principal.team),
        address: line.address,
    }));
}
