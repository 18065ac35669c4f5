//! The body of an answer: pieces as they arrive, at most one fault, and it is last.
//!
//! Dropping it before its end closes the connection, and with it the provider's work. Reading it to its end
//! (`None`) gives the connection back to the pool.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_http::Payload;
use bytes::Bytes;
use futures_core::Stream;
use nexus_core::fault::Fault;
use tokio::time::{Duration, Instant};

use crate::{
    deadline::{Alarm, Due},
    fault,
};

/// The body of an answer.
pub struct AwcBody {
    /// `None` once the body has ended, well or ill.
    payload: Option<Payload>,
    alarm: Alarm,
    between: Duration,
    whole: Duration,
    /// Since when the next piece is being waited for.
    waiting_since: Option<Instant>,
}

impl AwcBody {
    pub(crate) fn new(payload: Payload, alarm: Alarm, between: Duration, whole: Duration) -> Self {
        Self { payload: Some(payload), alarm, between, whole, waiting_since: None }
    }

    fn end(&mut self, fault: Fault) -> Poll<Option<Result<Bytes, Fault>>> {
        self.payload = None;
        Poll::Ready(Some(Err(fault)))
    }

    fn overdue(&self, due: Due) -> Fault {
        fault::timed_out(match due {
            Due::Part => format!("no part of the answer came for {} ms", self.between.as_millis()),
            Due::Whole => whole_overdue(self.whole),
        })
    }
}

/// What is said when the whole exchange took too long.
pub(crate) fn whole_overdue(whole: Duration) -> String {
    format!("the whole exchange took longer than {} ms", whole.as_millis())
}

impl Stream for AwcBody {
    type Item = Result<Bytes, Fault>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(payload) = &mut this.payload else { return Poll::Ready(None) };
        match Pin::new(payload).poll_next(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                this.waiting_since = None;
                // an answer without end is always ready, so its timer would never be asked
                if this.alarm.is_over(Instant::now()) {
                    return this.end(this.overdue(Due::Whole));
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Poll::Ready(Some(Err(error))) => this.end(fault::of_payload(&error)),
            Poll::Ready(None) => {
                this.payload = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                let since = *this.waiting_since.get_or_insert_with(Instant::now);
                this.alarm.arm(since + this.between);
                let due = ready!(this.alarm.poll(cx, since + this.between));
                this.end(this.overdue(due))
            }
        }
    }
}

impl fmt::Debug for AwcBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwcBody(..)")
    }
}
