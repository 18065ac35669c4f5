//! The body of an answer: pieces as they arrive, at most one fault, and it is last.
//!
//! Dropping it before its end closes the connection, and with it the provider's work. The connection goes back
//! to the pool with the last piece.

use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use nexus_core::fault::Fault;
use tokio::time::Instant;

use crate::{
    connection::Connection,
    deadline::{Due, Limits},
    fault::Broken,
    framing::{Extent, Taken},
    peer::Peer,
    space::Room,
};

/// The body of an answer.
pub struct AnswerBody {
    /// What arrived together with the head.
    first: Option<Bytes>,
    /// `None` once the body has ended, well or ill.
    flow: Option<Flow>,
}

impl AnswerBody {
    /// The body that `flow` goes on with behind what is `taken` of it.
    pub(crate) fn new(flow: Flow, taken: Taken) -> Self {
        let flow = if taken.is_end {
            flow.end(taken.is_extra);
            None
        } else {
            Some(flow)
        };
        Self { first: Some(taken.data).filter(|data| !data.is_empty()), flow }
    }
}

impl Stream for AnswerBody {
    type Item = Result<Bytes, Fault>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let Some(flow) = &mut this.flow else { return Poll::Ready(None) };
        match ready!(flow.poll_taken(cx)) {
            Ok(taken) => {
                if taken.is_end
                    && let Some(flow) = this.flow.take()
                {
                    flow.end(taken.is_extra);
                }
                Poll::Ready(Some(taken.data).filter(|data| !data.is_empty()).map(Ok))
            }
            Err(broken) => {
                this.flow = None;
                Poll::Ready(Some(Err(broken.into())))
            }
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerBody(..)")
    }
}

/// The part of a body that is still to come.
pub(crate) struct Flow {
    peer: Rc<Peer>,
    connection: Box<Connection>,
    extent: Extent,
    may_serve_again: bool,
    room: Room,
    limits: Limits,
    /// Since when the next piece is being waited for.
    waiting_since: Option<Instant>,
}

impl Flow {
    pub(crate) fn new(peer: Rc<Peer>, connection: Box<Connection>, extent: Extent, limits: Limits) -> Self {
        Self {
            peer,
            connection,
            extent,
            may_serve_again: true,
            room: Room::default(),
            limits,
            waiting_since: None,
        }
    }

    /// The connection is not to serve again.
    pub(crate) fn close_at_end(&mut self) {
        self.may_serve_again = false;
    }

    /// Data, or the end, or both.
    fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<Result<Taken, Broken>> {
        loop {
            match self.peer.space.poll_read(&mut self.connection.socket, cx, self.room) {
                Poll::Ready(Ok(piece)) if !piece.is_empty() => {
                    // who has waited has asked the timer; an answer without end is always ready and never does
                    if self.waiting_since.is_none() && self.connection.alarm.is_over(Instant::now()) {
                        return Poll::Ready(Err(self.limits.overdue_piece(Due::Whole)));
                    }
                    self.room = self.room.after(piece.len());
                    let taken = self.extent.take(piece)?;
                    if taken.is_end || !taken.data.is_empty() {
                        self.waiting_since = None;
                        return Poll::Ready(Ok(taken));
                    }
                }
                Poll::Ready(Ok(_)) => return Poll::Ready(self.extent.end()),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Broken::truncated())),
                Poll::Pending => {
                    let since = *self.waiting_since.get_or_insert_with(Instant::now);
                    let due = ready!(self.connection.alarm.poll(cx, since + self.limits.between));
                    return Poll::Ready(Err(self.limits.overdue_piece(due)));
                }
            }
        }
    }

    /// The body has ended; what is extra behind it is nobody's.
    fn end(self, is_extra: bool) {
        if self.may_serve_again && !is_extra {
            self.peer.keep(self.connection, Instant::now());
        }
    }
}
