//! Between admit and send: which of the provider's credentials a request shows, and what its answer means for it.
//!
//! One that is refused is told of once, when it goes out, and once when it comes back.

use std::{borrow::Cow, sync::Arc};

use nexus_core::{
    catalogue::Target,
    fault::{Class, Fault},
    health::{Entry, Seat, learned::Learned},
    id::CredentialId,
};
use nexus_wire::mark::Mark;

use crate::{
    credentials::{Credential, Credentials, Drawn, Heard, Member, Tried, limited_as},
    port::{Dice, Noted},
    sealed,
    shared::Shared,
    stage::resolve::Routed,
    world::Backend,
};

/// A request that draws from the pool of its target's provider.
pub struct Drawing<'s, 'a> {
    shared: &'s Shared,
    target: &'a Target,
    pool: &'a Credentials,
    model: Cow<'a, str>,
    /// The one that what the request names was made with.
    only: Option<CredentialId>,
    /// The only one that may be drawn, where it sealed what the request brings back.
    sealed: Option<Mark>,
}

/// The only credential a request may show, unless it failed or is at its limit.
fn own_turn<'a>(own: &'a Member, tried: &Tried, now_us: u64) -> Result<Option<&'a Member>, Fault> {
    if tried.has(own) {
        return Err(Fault::new(
            Class::Credential,
            "the credential that what is named was made with was refused",
        ));
    }
    match own.rate_limit.as_ref().map_or(Ok(()), |limit| limit.take(now_us)) {
        Ok(()) => Ok(Some(own)),
        Err(wait_us) => Err(Fault {
            retry_after_ms: Some(wait_us.div_ceil(1000)),
            ..Fault::new(
                Class::RateLimited,
                "the credential that what is named was made with is at its limit",
            )
        }),
    }
}

impl<'s, 'a> Drawing<'s, 'a> {
    pub fn new(shared: &'s Shared, target: &'a Target, backend: &'a Backend, routed: &'a Routed) -> Self {
        let model = limited_as(target, target.model_for(&routed.to.name));
        let only = routed.home.and_then(|home| home.credential);
        let (pool, sealed) = (&backend.credentials, routed.asked.sealed());
        let sealed = sealed.filter(|sealed| sealed::is_held(pool, *sealed)).map(|sealed| sealed.mark);
        Self { shared, target, pool, model, only, sealed }
    }

    /// Draws one; none where the provider has none.
    pub fn draw(&self, tried: &Tried, dice: &dyn Dice) -> Result<Option<&'a Member>, Fault> {
        // where it is not there any more, another of the same account may do
        if let Some(own) = self.only.and_then(|id| self.pool.member(id)) {
            return own_turn(own, tried, self.shared.clock.monotonic_us());
        }
        match self.pool.draw(&self.model, (tried, self.sealed), self.shared.clock.monotonic_us(), dice) {
            Drawn::Nothing => Ok(None),
            Drawn::Member(member) => Ok(Some(member)),
            Drawn::Spent(fault) => Err(fault),
        }
    }

    /// A place at the target for the next exchange of an attempt that has one already.
    pub fn another_seat(&self, is_stream: bool) -> Result<Seat, Fault> {
        let now_us = self.shared.clock.monotonic_us();
        Seat::take(&self.target.health, is_stream, Entry::Forced, now_us)
            .ok_or_else(|| Fault::new(Class::Overloaded, "the provider is being left alone for a while"))
    }

    /// An answer has begun.
    pub fn answered(&self, member: Option<&Member>) {
        if let Some(member) = member {
            self.hear(member, Ok(()));
        }
    }

    /// The exchange failed. Whether another credential may fare better.
    pub fn failed(&self, member: Option<&Member>, fault: &Fault, tried: &mut Tried) -> bool {
        let Some(member) = member else { return false };
        match self.hear(member, Err(fault)) {
            Heard::Out | Heard::Elsewhere => {
                tried.push(member);
                true
            }
            Heard::Same | Heard::Back => false,
        }
    }

    /// The provider said what is left of its own limits: where nothing is, it is left alone until there is again, and
    /// of several credentials only the one that was shown.
    pub fn learned(&self, credential: Option<&Credential>, learned: Learned) {
        let now_us = self.shared.clock.monotonic_us();
        self.target.health.learn(learned, now_us);
        let Some(rest_us) = learned.rest_us() else { return };
        match self.pool.members() {
            [] | [_] => self.target.health.rest(rest_us, now_us),
            several => {
                let shown =
                    |member: &&Member| credential.is_some_and(|shown| shown.id == member.credential.id);
                if let Some(member) = several.iter().find(shown) {
                    member.trust.limited(&self.model, Some(rest_us), now_us);
                }
            }
        }
    }

    fn hear(&self, member: &Member, answer: Result<(), &Fault>) -> Heard {
        let now_us = self.shared.clock.monotonic_us();
        let heard = Credentials::heard(member, &self.model, answer, now_us);
        let provider = &self.target.provider;
        let (id, name, credential) = (provider.id, Arc::clone(&provider.name), member.credential.id);
        match (heard, answer) {
            (Heard::Out, Err(fault)) => {
                let reason = fault.class.as_str();
                tracing::error!(provider = %name, %credential, reason, status = fault.status,
                    "a provider refuses a credential; it is out until a probe is answered or it is changed");
                self.shared.trail.note(Noted::CredentialOut { provider: id, name, credential, reason });
            }
            (Heard::Back, _) => {
                tracing::info!(provider = %name, %credential, "a provider takes a credential again");
                self.shared.trail.note(Noted::CredentialBack { provider: id, name, credential });
            }
            _ => return heard,
        }
        self.shared.meters.credentials_out(&provider.name, self.pool.out(now_us));
        heard
    }
}
