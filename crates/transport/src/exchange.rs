//! One request over one connection, up to the head of its answer.
//!
//! Reading begins before the request is through: an answer that comes early is heard, the rest of the request
//! goes nowhere, and the connection does not serve again.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use nexus_core::fault::Fault;
use nexus_engine::port::Inbound;
use tokio::{io::AsyncWrite, time::Instant};

use crate::{
    answer,
    body::{AnswerBody, Flow},
    connection::Connection,
    deadline::Limits,
    fault::Broken,
    framing::{Begun, Opening},
    peer::Peer,
    request::Request,
    space::Room,
};

/// Where the request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Writing,
    Flushing,
    Sent,
    /// The connection takes no more of it; what it has to say for itself is read.
    CutShort,
}

/// The head of an answer, or why it is no answer.
type Head = Result<Inbound<()>, Fault>;

/// Why no answer began.
pub(crate) enum Ended {
    Broken(Broken),
    /// The request's own body broke off.
    Cut(Fault),
}

/// One request over one connection.
pub(crate) struct Exchange {
    peer: Rc<Peer>,
    connection: Box<Connection>,
    limits: Limits,
    request: Request,
    stage: Stage,
    opening: Opening,
    /// When the latest byte of the request was taken, or the exchange began.
    sent_at: Instant,
}

impl Exchange {
    /// `whole_at` is when the whole exchange must be over, connecting and earlier tries included.
    pub(crate) fn new(
        peer: Rc<Peer>,
        mut connection: Box<Connection>,
        request: Request,
        limits: Limits,
        now: Instant,
        whole_at: Instant,
    ) -> Self {
        connection.alarm.begin(whole_at);
        Self {
            peer,
            connection,
            limits,
            request,
            stage: Stage::Writing,
            opening: Opening::default(),
            sent_at: now,
        }
    }

    /// Ready once the head of the answer is whole.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Begun<Head>, Ended>> {
        self.push(cx);
        if let Some(fault) = self.request.take_cut() {
            return Poll::Ready(Err(Ended::Cut(fault)));
        }
        loop {
            match self.peer.space.poll_read(&mut self.connection.socket, cx, Room::default()) {
                Poll::Ready(Ok(piece)) if !piece.is_empty() => {
                    if let Some(begun) = self.opening.feed(piece, answer::read).map_err(Ended::Broken)? {
                        return Poll::Ready(Ok(begun));
                    }
                }
                Poll::Ready(_) => {
                    let broken = self.opening.end(self.connection.has_served);
                    return Poll::Ready(Err(Ended::Broken(broken)));
                }
                Poll::Pending => {
                    let due = ready!(self.connection.alarm.poll(cx, self.sent_at + self.limits.first_byte));
                    return Poll::Ready(Err(Ended::Broken(self.limits.overdue_head(due))));
                }
            }
        }
    }

    /// Sends what the connection takes at this moment.
    fn push(&mut self, cx: &mut Context<'_>) {
        // a body that comes piece by piece is not written at once
        let mut is_first = self.stage == Stage::Writing && !self.request.has_tail();
        while self.stage == Stage::Writing {
            match self.request.poll_write(&mut self.connection.socket, cx) {
                Poll::Ready(Ok(1..)) => {
                    if !std::mem::take(&mut is_first) {
                        self.sent_at = Instant::now();
                    }
                    if self.request.is_sent() {
                        self.stage = Stage::Flushing;
                    }
                }
                Poll::Ready(_) => self.stage = Stage::CutShort,
                Poll::Pending => return,
            }
        }
        if self.stage == Stage::Flushing {
            match Pin::new(&mut self.connection.socket).poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.stage = Stage::Sent;
                    self.peer.space.give_back(self.request.take_buffer());
                }
                Poll::Ready(Err(_)) => self.stage = Stage::CutShort,
                Poll::Pending => {}
            }
        }
    }

    /// The answer whose head `begun` is. One that came whole has given its connection back already.
    pub(crate) fn answer(self, begun: Begun<Head>) -> Result<Inbound<AnswerBody>, Fault> {
        let Begun { head, mut extent, may_serve_again, rest } = begun;
        let head = head?;
        let taken = extent.take(rest)?;
        let mut flow = Flow::new(self.peer, self.connection, extent, self.limits);
        if !may_serve_again || self.stage != Stage::Sent {
            flow.close_at_end();
        }
        Ok(Inbound {
            status: head.status,
            content_type: head.content_type,
            retry_after_ms: head.retry_after_ms,
            error_type: head.error_type,
            disposition: head.disposition,
            learned: head.learned,
            provider_request_id: head.provider_request_id,
            body: AnswerBody::new(flow, taken),
        })
    }
}
