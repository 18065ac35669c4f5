//! An answer as it comes off a connection, piece by piece: pure, so that every cut can be tried.
//!
//! The end of the connection inside an answer is a fault, interim heads are left out, and bytes behind the
//! answer are never read as the next one.

mod extent;
mod head;

use bytes::{Buf, BytesMut};
use httparse::Header;

pub(crate) use self::extent::{Extent, Taken};
use self::head::{HEAD_BYTES_MAX, Sight};
use crate::fault::Broken;

/// An answer of which no whole final head came.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    seen: BytesMut,
    /// Interim heads already dropped, in bytes.
    dropped: usize,
}

/// An answer whose head is whole.
#[derive(Debug)]
pub(crate) struct Begun<T> {
    /// What was read of the head.
    pub(crate) head: T,
    pub(crate) extent: Extent,
    /// Whether the connection may serve again once the body ended.
    pub(crate) may_serve_again: bool,
    /// What came behind the head.
    pub(crate) rest: BytesMut,
}

impl Opening {
    /// Takes the next piece of the connection. Once the final head is whole, has it `read`.
    pub(crate) fn feed<T>(
        &mut self,
        piece: BytesMut,
        mut read: impl FnMut(u16, &[Header<'_>]) -> T,
    ) -> Result<Option<Begun<T>>, Broken> {
        let mut bytes = if self.seen.is_empty() {
            piece
        } else {
            // a head ends in a line feed: without one a slow drip is not parsed again and again
            let may_be_whole = piece.contains(&b'\n');
            self.seen.extend_from_slice(&piece);
            if !may_be_whole {
                return self.bounded().map(|()| None);
            }
            std::mem::take(&mut self.seen)
        };
        loop {
            match head::look(&bytes, &mut read)? {
                Sight::Partial => {
                    self.seen = bytes;
                    return self.bounded().map(|()| None);
                }
                Sight::Interim(len) => {
                    bytes.advance(len);
                    self.dropped += len;
                    self.bounded()?;
                }
                Sight::Whole(seen, head) => {
                    bytes.advance(seen.len);
                    return Ok(Some(Begun {
                        head,
                        extent: seen.extent,
                        may_serve_again: seen.may_serve_again,
                        rest: bytes,
                    }));
                }
            }
        }
    }

    /// What it means that the connection ended here.
    pub(crate) fn end(&self, has_served: bool) -> Broken {
        if self.seen.is_empty() && self.dropped == 0 {
            Broken::reset(has_served)
        } else {
            Broken::truncated()
        }
    }

    fn bounded(&self) -> Result<(), Broken> {
        if self.dropped + self.seen.len() > HEAD_BYTES_MAX { Err(head::too_long()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
