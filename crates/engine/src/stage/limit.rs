//! Between resolve and reserve: a place in the limits of the caller's key and team, held until the answer is over.
//!
//! Tokens are taken as a guess, from the length of the prompt and `max_tokens`, and put right by what is booked.

use std::sync::Arc;

use nexus_core::{
    flow::{Left, Limits, place::Place},
    principal::Principal,
    refusal::Refusal,
};

use crate::{
    stage::{resolve::Routed, select},
    world::World,
};

/// The limits a caller falls under, its key's and its team's; none where nothing is bounded.
#[derive(Debug, Default)]
pub struct Own(Option<Box<[Limits; 2]>>);

const WHOSE: [&str; 2] = ["key", "team"];

impl Own {
    pub fn of(caller: &Principal, world: &World) -> Self {
        let limits = world.snapshot.limits(caller);
        let is_bounded = limits.iter().any(|limits| !limits.are_open());
        Self(is_bounded.then(|| Box::new(limits.map(Clone::clone))))
    }

    /// How much is left of them, whichever are tighter; `None` where nothing is bounded.
    pub fn left(&self, now_us: u64) -> Option<Left> {
        let [key, team] = self.0.as_deref()?;
        Some(key.left(now_us).tighter(team.left(now_us)))
    }

    /// Takes the request's place in them.
    pub fn admit(&self, routed: &mut Routed, now_us: u64) -> Result<(), Refusal> {
        let Some([key, team]) = self.0.as_deref() else { return Ok(()) };
        let tokens = select::tokens(&routed.asked);
        let place = Place::take([key, team], None, tokens, now_us).map_err(|(at, short)| {
            Refusal::AtLimit { whose: WHOSE.get(at).copied().unwrap_or("key"), short, tokens }
        })?;
        routed.place = Some(Arc::new(place));
        Ok(())
    }
}
