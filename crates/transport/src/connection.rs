//! An open connection with the timer of its exchanges.
//!
//! The timer stays with the connection because a timer that is only polled costs a fraction of a new one.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::Instant,
};

use crate::{deadline::Alarm, socket::Socket};

/// An open connection.
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    pub(crate) alarm: Alarm,
    pub(crate) opened_at: Instant,
    /// Whether a whole answer came over it before.
    pub(crate) has_served: bool,
}

impl Connection {
    pub(crate) fn new(socket: Socket, now: Instant) -> Box<Self> {
        Box::new(Self { socket, alarm: Alarm::new(now), opened_at: now, has_served: false })
    }

    /// Whether it lives: between two answers only silence means yes. It costs no system call if nothing came.
    pub(crate) fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        matches!(Pin::new(&mut self.socket).poll_read(cx, &mut ReadBuf::new(&mut byte)), Poll::Pending)
    }
}
