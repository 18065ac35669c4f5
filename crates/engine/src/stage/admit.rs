//! Stage 6, admit: whether the target has room for one more request.

use nexus_core::{
    catalogue::Target,
    fault::{Class, Fault},
};

use crate::port::Clock;

/// Takes the request's place in the target's limits, or says when there will be one.
pub fn admit(target: &Target, clock: &dyn Clock) -> Result<(), Fault> {
    let now_us = clock.monotonic_us();
    for limit in [&target.rate_limit, &target.provider.rate_limit].into_iter().flatten() {
        limit.take(now_us).map_err(|wait_us| Fault {
            retry_after_ms: Some(wait_us.div_ceil(1000)),
            ..Fault::new(
                Class::RateLimited,
                format!("the limit of {} requests a minute is used up", limit.per_minute()),
            )
        })?;
    }
    Ok(())
}
