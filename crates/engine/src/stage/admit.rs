//! Stage 6, admit: a place at the target, which is given back when the attempt is over.

use nexus_core::{
    catalogue::Target,
    fault::{Class, Fault},
    health::Seat,
    select::Choice,
};

/// Takes the request's place in the target's limits and past its breaker, or says when there will be one.
pub fn admit(target: &Target, choice: Choice, is_stream: bool, now_us: u64) -> Result<Seat, Fault> {
    let seat = Seat::take(&target.health, is_stream, choice.entry, now_us)
        .ok_or_else(|| Fault::new(Class::Overloaded, "somebody else is seeing whether the provider is back"))?;
    for limit in [&target.rate_limit, &target.provider.rate_limit].into_iter().flatten() {
        limit.take(now_us).map_err(|wait_us| Fault {
            retry_after_ms: Some(wait_us.div_ceil(1000)),
            ..Fault::new(
                Class::RateLimited,
                format!("the limit of {} requests a minute is used up", limit.per_minute()),
            )
        })?;
    }
    Ok(seat)
}
