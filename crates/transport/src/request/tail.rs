//! The rest of a request's body, which comes while the request is on its way.
//!
//! A piece is asked for only when the one before it was taken, so that no more than one is held. Whether the body
//! came to the length that was said is seen here, and one that did not never ends.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream as _;
use nexus_core::fault::{Class, Fault};
use nexus_engine::port::{Pieces, Rest};

/// What comes behind a request's head and the beginning of its body.
pub(super) struct Tail {
    pieces: Pieces,
    /// Bytes still to come; `None` where the body goes in chunks.
    left: Option<u64>,
    /// Whether a chunk stands before that has not got its last line break.
    is_open: bool,
    has_ended: bool,
}

/// The next part of a body: what frames a chunk, and data.
#[derive(Default)]
pub(super) struct Part {
    pub(super) head: Vec<u8>,
    pub(super) data: Bytes,
}

impl Tail {
    /// `is_begun`: some of the body went before.
    pub(super) fn new(rest: Rest, is_begun: bool) -> Self {
        Self { pieces: rest.pieces, left: rest.len, is_open: is_begun, has_ended: false }
    }

    /// Whether nothing more comes.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The next part of the body; an empty one of a said length is its end.
    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, Fault>> {
        loop {
            let Some(piece) = ready!(Pin::new(&mut self.pieces).poll_next(cx)).transpose()? else {
                self.has_ended = true;
                return Poll::Ready(match self.left {
                    Some(1..) => Err(cut("the request body ended early; send it whole")),
                    Some(0) => Ok(Part::default()),
                    None => Ok(Part { head: self.chunk_head(0, "\r\n"), data: Bytes::new() }),
                });
            };
            if piece.is_empty() {
                continue;
            }
            return Poll::Ready(self.framed(piece));
        }
    }

    fn framed(&mut self, piece: Bytes) -> Result<Part, Fault> {
        let Some(left) = &mut self.left else {
            return Ok(Part { head: self.chunk_head(piece.len(), ""), data: piece });
        };
        let more = || cut("the request body is longer than its `content-length`");
        *left = left.checked_sub(piece.len() as u64).ok_or_else(more)?;
        Ok(Part { head: Vec::new(), data: piece })
    }

    /// The line before a chunk, with the one behind the chunk before.
    fn chunk_head(&mut self, len: usize, end: &str) -> Vec<u8> {
        let before = if std::mem::replace(&mut self.is_open, true) { "\r\n" } else { "" };
        format!("{before}{len:x}\r\n{end}").into_bytes()
    }
}

fn cut(message: &str) -> Fault {
    Fault::new(Class::BadRequest, message.to_owned())
}
