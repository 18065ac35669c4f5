//! One timer for all the deadlines of an exchange.
//!
//! The timer is never later than what is due, and may be earlier: it is moved when it fires, not when a byte
//! arrives, so that a stream of a thousand pieces costs no more timer work than one of two.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Duration, Instant, Sleep, sleep_until};

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The one that was asked for.
    Part,
    /// That of the whole exchange.
    Whole,
}

/// The timer of an exchange.
#[derive(Debug)]
pub(crate) struct Alarm {
    whole_at: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// A timer for an exchange that begins now; `first` is how long its first part may take.
    pub(crate) fn new(whole: Duration, first: Duration) -> Self {
        let now = Instant::now();
        let whole_at = now + whole;
        Self { whole_at, sleep: Box::pin(sleep_until(whole_at.min(now + first))) }
    }

    /// Makes sure that the timer fires no later than `at`.
    pub(crate) fn arm(&mut self, at: Instant) {
        if at < self.sleep.deadline() {
            self.sleep.as_mut().reset(at);
        }
    }

    /// Ready when `part_at` or the end of the whole has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, part_at: Instant) -> Poll<Due> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.whole_at {
                return Poll::Ready(Due::Whole);
            }
            if now >= part_at {
                return Poll::Ready(Due::Part);
            }
            self.sleep.as_mut().reset(part_at.min(self.whole_at));
        }
    }

    /// Whether the whole exchange has taken too long, timer or no timer.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.whole_at
    }
}
