//! Between resolve and reserve: a place in the limits of the caller's key and team, held until the answer is over.
//!
//! Tokens are taken as a guess, from the length of the prompt and `max_tokens`, and put right by what is booked.

use std::sync::Arc;

use nexus_core::{
    flow::{Left, Limits, Scarce, Short, place::Place},
    limit::RateLimit,
    principal::Principal,
    refusal::Refusal,
};

use crate::{
    shared::Shared,
    stage::{parse::Asked, select},
    world::World,
};

/// The limits a caller falls under: its key's and its team's, and what its key is held to for a while. None where
/// nothing is bounded.
#[derive(Debug, Default)]
pub struct Own {
    limits: Option<Box<[Limits; 2]>>,
    throttle: Option<Arc<RateLimit>>,
}

const WHOSE: [&str; 2] = ["key", "team"];

impl Own {
    pub fn of(caller: &Principal, world: &World, now_ms: i64) -> Self {
        let limits = world.snapshot.limits(caller);
        let is_bounded = limits.iter().any(|limits| !limits.are_open());
        Self {
            limits: is_bounded.then(|| Box::new(limits.map(Clone::clone))),
            throttle: world.snapshot.throttle(caller, now_ms).map(|held| Arc::clone(&held.requests)),
        }
    }

    /// How much is left of them, whichever are tighter; `None` where nothing is bounded.
    pub fn left(&self, now_us: u64) -> Option<Left> {
        let limits = self.limits.as_deref().map(|[key, team]| key.left(now_us).tighter(team.left(now_us)));
        let held = self.throttle.as_ref();
        let held = held.map(|held| Left { requests: Some(held.level(now_us)), ..Left::default() });
        limits.into_iter().chain(held).reduce(Left::tighter)
    }

    /// Takes the request's place in them; `None` where nothing bounds how much there may be at once. What other nodes may
    /// have is waited for a moment.
    pub async fn admit(&self, asked: &Asked, shared: &Shared) -> Result<Option<Arc<Place>>, Refusal> {
        if let Some(held) = &self.throttle {
            let take = |now_us| {
                let lack = held.take_many(1, now_us);
                lack.map_err(|lack| (0, Short::of_rate(Scarce::Requests, held.per_minute(), lack)))
            };
            shared.taken(take).await.map_err(|(_, short)| Refusal::Throttled { short })?;
        }
        let Some([key, team]) = self.limits.as_deref() else { return Ok(None) };
        let tokens = select::tokens(asked);
        let place = shared.taken(|now_us| Place::take([key, team], None, tokens, now_us)).await;
        let place = place.map_err(|(at, short)| Refusal::AtLimit {
            whose: WHOSE.get(at).copied().unwrap_or("key"),
            short,
            tokens,
        })?;
        Ok(Some(Arc::new(place)))
    }
}
