//! Stage 6, admit: a place at the target, which is given back when the attempt is over.

use std::sync::Arc;

use nexus_core::{
    catalogue::Target,
    fault::{Class, Fault, Said},
    flow::{Scarce, Short, place::Place},
    health::Seat,
    select::Choice,
};

use crate::shared::Shared;

/// Takes the request's place in the target's limits and past its breaker, or says when there will be one.
/// `given` is a place that was waited for in line; what other nodes may have is waited for a moment.
pub async fn admit(
    target: &Target,
    choice: Choice,
    given: Option<Place>,
    (is_stream, tokens): (bool, u64),
    shared: &Shared,
) -> Result<(Seat, Option<Arc<Place>>), Fault> {
    let now_us = shared.clock.monotonic_us();
    let seat = Seat::take(&target.health, is_stream, choice.entry, now_us)
        .ok_or_else(|| Fault::new(Class::Overloaded, "somebody else is seeing whether the provider is back"))?;
    let place = match given {
        Some(given) => given,
        None => shared
            .taken(|now_us| target.place(tokens, now_us))
            .await
            .map_err(|(_, Short { scarce, wait_us, .. })| no_room(scarce, wait_us))?,
    };
    Ok((seat, (!place.is_nothing()).then(|| Arc::new(place))))
}

/// A target has no room, in words for the client.
pub fn no_room(scarce: Scarce, wait_us: Option<u64>) -> Fault {
    let (message, kind) = match scarce {
        Scarce::Requests => ("the limit of requests to the model's providers is used up", scarce),
        Scarce::Tokens => ("the limit of tokens to the model's providers is used up", scarce),
        Scarce::Concurrent => {
            ("the model's providers have as many requests under way as they may", Scarce::Requests)
        }
    };
    let said = Said { message: message.to_owned(), kind: Some(kind.as_str().to_owned()), ..Said::default() };
    Fault {
        said: Some(Box::new(said)),
        retry_after_ms: Some(wait_us.map_or(BUSY_MS, |wait_us| wait_us.div_ceil(1000))),
        ..Fault::new(Class::RateLimited, message)
    }
}

/// After how long another try is worth while where nobody can say it, in milliseconds.
pub const BUSY_MS: u64 = 1_000;
