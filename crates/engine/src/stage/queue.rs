//! Between select and adapt: a turn in the line of a target that has no room.
//!
//! The line is left on every way out: dropped, the ticket makes room for the next.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use nexus_core::{
    catalogue::Target,
    flow::{line::Turn, place::Place},
    id::TeamId,
};
use tokio::time::{Instant, sleep};

use crate::port::Clock;

/// Waits for room until then, in microseconds of the clock; `None` where none came, or the line is full.
pub async fn turn(
    target: &Arc<Target>,
    team: Option<TeamId>,
    tokens: u64,
    until_us: u64,
    clock: &dyn Clock,
) -> Option<Place> {
    let ticket = target.line()?.join(target, team, tokens)?;
    let mut timer = pin!(sleep(Duration::ZERO));
    poll_fn(|cx| {
        loop {
            let now_us = clock.monotonic_us();
            let look_us = match ticket.poll(now_us, cx.waker()) {
                Turn::Given(place) => return Poll::Ready(Some(place)),
                Turn::Lost => return Poll::Ready(None),
                Turn::Wait { until_us: look_us } => look_us.unwrap_or(until_us).min(until_us),
            };
            if now_us >= until_us {
                return Poll::Ready(None);
            }
            let wait = Duration::from_micros(look_us.saturating_sub(now_us).max(1));
            timer.as_mut().reset(Instant::now() + wait);
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}
