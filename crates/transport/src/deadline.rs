//! The deadlines of an exchange, and one timer for all of them.
//!
//! The timer is never later than what is due, and may be earlier: it is moved when it fires, not when a byte
//! arrives or an exchange begins, so that a thousand pieces cost no more timer work than two.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use nexus_core::fault::Class;
use nexus_engine::port::Deadlines;
use tokio::time::{Duration, Instant, Sleep, sleep_until};

use crate::fault::Broken;

/// No deadline is later, so that no sum of them overflows.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the parts of an exchange may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) between: Duration,
    pub(crate) whole: Duration,
}

impl Limits {
    pub(crate) fn of(deadlines: Deadlines) -> Self {
        let bounded = |limit_ms| Duration::from_millis(limit_ms).min(NEVER);
        Self {
            connect: bounded(deadlines.connect_ms),
            first_byte: bounded(deadlines.first_byte_ms),
            between: bounded(deadlines.between_chunks_ms),
            whole: bounded(deadlines.whole_ms),
        }
    }

    /// No answer began.
    pub(crate) fn overdue_head(&self, due: Due) -> Broken {
        self.overdue(due, || {
            format!("no answer began within {} ms of the request", self.first_byte.as_millis())
        })
    }

    /// The answer's body did not go on.
    pub(crate) fn overdue_piece(&self, due: Due) -> Broken {
        self.overdue(due, || format!("no part of the answer came for {} ms", self.between.as_millis()))
    }

    fn overdue(&self, due: Due, part: impl FnOnce() -> String) -> Broken {
        Broken::new(
            Class::Timeout,
            match due {
                Due::Part => part(),
                Due::Whole => {
                    format!("the whole exchange took longer than {} ms", self.whole.as_millis())
                }
            },
        )
    }
}

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The one that was asked for.
    Part,
    /// That of the whole exchange.
    Whole,
}

/// The timer of a connection's exchanges.
#[derive(Debug)]
pub(crate) struct Alarm {
    whole_at: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    pub(crate) fn new(now: Instant) -> Self {
        let never = now + NEVER;
        Self { whole_at: never, sleep: Box::pin(sleep_until(never)) }
    }

    /// Begins an exchange that must be over at `whole_at`.
    pub(crate) fn begin(&mut self, whole_at: Instant) {
        self.whole_at = whole_at;
    }

    /// Ready when `part_at` or the end of the whole has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, part_at: Instant) -> Poll<Due> {
        let due_at = part_at.min(self.whole_at);
        if due_at < self.sleep.deadline() {
            self.sleep.as_mut().reset(due_at);
        }
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.whole_at {
                return Poll::Ready(Due::Whole);
            }
            if now >= part_at {
                return Poll::Ready(Due::Part);
            }
            self.sleep.as_mut().reset(due_at);
        }
    }

    /// Whether the whole exchange has taken too long, timer or no timer.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.whole_at
    }
}
