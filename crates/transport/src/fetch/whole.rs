//! The stream between a socket and awc: awc reads an answer only once all of it is here.
//!
//! awc takes an answer that breaks off for one that ended. What it gets to read is therefore written anew: one
//! status, one type, one length, and the body that was read by the same `framing` as every other answer.

use std::{
    fmt,
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_rt::net::{ActixStream, Ready};
use bytes::{Buf, BytesMut};
use nexus_core::fault::{Class, Fault};
use nexus_engine::port::Inbound;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Why;
use crate::{
    answer,
    framing::{Extent, Opening, Taken},
    space::{Room, Space},
};

/// A connection as awc sees it. It serves once.
pub(crate) struct Whole<Io> {
    io: Io,
    limit_bytes: usize,
    why: Why,
    space: Space,
    stage: Stage,
    body: BytesMut,
}

enum Stage {
    Opening(Opening),
    Body(Inbound<()>, Extent),
    /// What awc has yet to read.
    Shown(BytesMut),
}

impl<Io: AsyncRead + Unpin> Whole<Io> {
    pub(super) fn new(io: Io, limit_bytes: usize, why: Why) -> Self {
        Self {
            io,
            limit_bytes,
            why,
            space: Space::default(),
            stage: Stage::Opening(Opening::default()),
            body: BytesMut::new(),
        }
    }

    /// Takes the next piece of the connection; nothing is its end.
    fn feed(&mut self, piece: BytesMut) -> Result<(), Fault> {
        match &mut self.stage {
            Stage::Opening(opening) if piece.is_empty() => Err(opening.end(false).into()),
            Stage::Opening(opening) => {
                if let Some(begun) = opening.feed(piece, answer::read)? {
                    let mut extent = begun.extent;
                    let taken = extent.take(begun.rest)?;
                    self.stage = Stage::Body(begun.head?, extent);
                    self.add(&taken)?;
                }
                Ok(())
            }
            Stage::Body(_, extent) => {
                let taken = if piece.is_empty() { extent.end() } else { extent.take(piece) };
                self.add(&taken?)
            }
            Stage::Shown(_) => Ok(()),
        }
    }

    fn add(&mut self, taken: &Taken) -> Result<(), Fault> {
        if self.body.len() + taken.data.len() > self.limit_bytes {
            let message = format!("the answer is longer than {} bytes", self.limit_bytes);
            return Err(Fault::new(Class::BadAnswer, message));
        }
        self.body.extend_from_slice(&taken.data);
        if let Stage::Body(head, _) = &self.stage
            && taken.is_end
        {
            self.stage = Stage::Shown(shown(head, &self.body));
        }
        Ok(())
    }
}

/// The answer as nobody can misread it.
fn shown(head: &Inbound<()>, body: &[u8]) -> BytesMut {
    let mut bytes = Vec::with_capacity(256 + body.len());
    // a vector takes whatever is written to it
    let _ = write!(bytes, "HTTP/1.1 {} \r\nconnection: close\r\n", head.status);
    if let Some(content_type) = &head.content_type {
        let _ = write!(bytes, "content-type: {content_type}\r\n");
    }
    let _ = write!(bytes, "content-length: {}\r\n\r\n", body.len());
    bytes.extend_from_slice(body);
    BytesMut::from(bytes.as_slice())
}

impl<Io: AsyncRead + Unpin> AsyncRead for Whole<Io> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if let Stage::Shown(rest) = &mut this.stage {
                let len = rest.len().min(buf.remaining());
                buf.put_slice(rest.get(..len).unwrap_or_default());
                rest.advance(len);
                return Poll::Ready(Ok(()));
            }
            let piece = ready!(this.space.poll_read(&mut this.io, cx, Room::default())).unwrap_or_default();
            if let Err(fault) = this.feed(piece) {
                this.why.replace(Some(fault));
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Whole<Io> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// awc asks for it and never uses it on this side of a connection: reading says what there is to say.
impl<Io: AsyncRead + AsyncWrite + Unpin + 'static> ActixStream for Whole<Io> {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        Poll::Ready(Ok(Ready::READABLE))
    }

    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        Poll::Ready(Ok(Ready::WRITABLE))
    }
}

impl<Io> fmt::Debug for Whole<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Whole(..)")
    }
}
