//! The stream between a socket and awc that makes every answer honest.
//!
//! What awc gets to read is exactly one answer to each request, whole or followed by an error: the end of the
//! connection inside it is an error, interim heads are left out, a body that ends with the connection comes as
//! chunks (awc would take it for empty), and bytes behind the answer are never read as the next one.
//! The decisions are pure and live in [`head`] and [`extent`]; this file only moves bytes.

mod extent;
mod head;

use std::{
    fmt, io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_rt::net::{ActixStream, Ready};
use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::{
    extent::Extent,
    head::{HEAD_BYTES_MAX, Head, Sight},
};
use crate::{exchange::Exchange, fault::Broken};

/// Read at once where awc's own buffer cannot be used.
const READ_BYTES: usize = 8 * 1024;
/// A chunk's size line: eight digits and CRLF, written in front of what was read.
const CHUNK_LINE: usize = 10;
const CRLF: usize = 2;

/// A connection as awc sees it.
pub(crate) struct Honest<Io> {
    /// `None` once the connection will not serve again: it is closed at that moment, not when awc looks.
    io: Option<Io>,
    stage: Stage,
    /// The start of an answer whose head is not whole.
    seen: BytesMut,
    /// Interim heads already dropped, in bytes.
    dropped: usize,
    /// Rewritten bytes awc has yet to read.
    out: BytesMut,
    /// What broke while awc was writing; reads report it.
    broken: Option<Broken>,
    /// An answer came before the request was through: the rest of the request goes nowhere.
    is_swallowing: bool,
    /// Requests begun.
    served: u64,
}

#[derive(Debug)]
enum Stage {
    /// No request is under way.
    Idle,
    /// A request is being written or its answer's head awaited.
    Head,
    Body {
        extent: Extent,
        may_serve_again: bool,
    },
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Honest<Io> {
    pub(crate) fn new(io: Io) -> Self {
        Self {
            io: Some(io),
            stage: Stage::Idle,
            seen: BytesMut::new(),
            dropped: 0,
            out: BytesMut::new(),
            broken: None,
            is_swallowing: false,
            served: 0,
        }
    }

    /// Reads from the socket; ready with nothing is its end.
    fn poll_socket(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Some(io) => Pin::new(io).poll_read(cx, buf),
            None => Poll::Ready(Ok(())),
        }
    }

    fn fail(&mut self, broken: Broken) -> Poll<io::Result<()>> {
        self.io = None;
        Poll::Ready(Err(broken.into_io()))
    }

    /// awc's pool asks whether the connection still lives: only silence means yes.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        if !Exchange::current_wants_fresh() {
            ready!(self.poll_socket(cx, &mut ReadBuf::new(&mut byte))).unwrap_or_default();
        }
        self.fail(Broken::reset(true))
    }

    /// The usual answer arrives with its whole head at once and stays where it was read.
    fn poll_head(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.seen.is_empty() || self.dropped > 0 {
            return self.poll_head_apart(cx, buf);
        }
        let before = buf.filled().len();
        let read = ready!(self.poll_socket(cx, buf));
        let new = buf.filled().get(before..).unwrap_or_default();
        if read.is_err() || new.is_empty() {
            return self.fail(Broken::reset(self.served > 1));
        }
        match head::look(new) {
            Err(broken) => self.fail(broken),
            Ok(Sight::Whole(Head { len, mut extent, may_serve_again, rewritten: None })) => {
                match extent.walk(new.get(len..).unwrap_or_default()) {
                    Err(broken) => self.fail(broken),
                    Ok(walked) => {
                        let is_extra = before + len + walked.used < buf.filled().len();
                        buf.set_filled(before + len + walked.used);
                        self.stage = Stage::Body { extent, may_serve_again };
                        if walked.is_end {
                            self.finish(is_extra);
                        }
                        Poll::Ready(Ok(()))
                    }
                }
            }
            Ok(_) => {
                self.seen.extend_from_slice(new);
                buf.set_filled(before);
                match self.absorb() {
                    Err(broken) => self.fail(broken),
                    Ok(()) => self.poll_head_apart(cx, buf),
                }
            }
        }
    }

    /// A head that comes in pieces, after others, or needs rewriting is put together apart.
    fn poll_head_apart(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while matches!(self.stage, Stage::Head) {
            if let Err(broken) = ready!(self.poll_gather(cx)) {
                return self.fail(broken);
            }
        }
        self.hand_out(buf);
        Poll::Ready(Ok(()))
    }

    /// Reads once into `seen`.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut piece = ReadBuf::uninit(&mut space);
        let read = ready!(self.poll_socket(cx, &mut piece));
        if read.is_err() || piece.filled().is_empty() {
            let nothing_came = self.seen.is_empty() && self.dropped == 0;
            return Poll::Ready(Err(if nothing_came {
                Broken::reset(self.served > 1)
            } else {
                Broken::truncated()
            }));
        }
        self.seen.extend_from_slice(piece.filled());
        // a head ends in a line feed: without one a slow drip is not parsed again and again
        Poll::Ready(if piece.filled().contains(&b'\n') { self.absorb() } else { self.bound() })
    }

    fn bound(&self) -> Result<(), Broken> {
        if self.dropped + self.seen.len() > HEAD_BYTES_MAX { Err(head::too_long()) } else { Ok(()) }
    }

    /// Looks at what was gathered, and moves on once the final head is whole.
    fn absorb(&mut self) -> Result<(), Broken> {
        loop {
            match head::look(&self.seen)? {
                Sight::Partial => return self.bound(),
                Sight::Interim(len) => {
                    self.seen.advance(len);
                    self.dropped += len;
                    self.bound()?;
                }
                Sight::Whole(head) => return self.begin_body(head),
            }
        }
    }

    fn begin_body(&mut self, head: Head) -> Result<(), Broken> {
        let Head { len, mut extent, may_serve_again, rewritten } = head;
        let mut seen = std::mem::take(&mut self.seen);
        let body = seen.split_off(len);
        self.out = rewritten.unwrap_or(seen);
        let walked = extent.walk(&body)?;
        let ours = body.get(..walked.used).unwrap_or_default();
        if matches!(extent, Extent::UntilClose) && !ours.is_empty() {
            self.out.put_slice(&chunk_line(ours.len()));
            self.out.put_slice(ours);
            self.out.put_slice(b"\r\n");
        } else {
            self.out.put_slice(ours);
        }
        self.stage = Stage::Body { extent, may_serve_again };
        if walked.is_end {
            self.finish(walked.used < body.len());
        }
        Ok(())
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if matches!(self.stage, Stage::Body { extent: Extent::UntilClose, .. }) {
            return self.poll_until_close(cx, buf);
        }
        let before = buf.filled().len();
        let read = ready!(self.poll_socket(cx, buf));
        let new = buf.filled().get(before..).unwrap_or_default();
        let Stage::Body { extent, .. } = &mut self.stage else { return Poll::Ready(Ok(())) };
        if read.is_err() || new.is_empty() {
            return self.fail(Broken::truncated());
        }
        match extent.walk(new) {
            Err(broken) => self.fail(broken),
            Ok(walked) => {
                let is_extra = walked.used < new.len();
                buf.set_filled(before + walked.used);
                if walked.is_end {
                    self.finish(is_extra);
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Each piece becomes a chunk in place, and the connection's end the last one.
    fn poll_until_close(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let space = buf.initialize_unfilled();
        let room = space.len().saturating_sub(CHUNK_LINE + CRLF);
        let Some((line, rest)) = space.split_at_mut_checked(CHUNK_LINE).filter(|_| room > 0) else {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        };
        let Some((data, _)) = rest.split_at_mut_checked(room) else { return Poll::Ready(Ok(())) };
        let mut piece = ReadBuf::new(data);
        let read = ready!(self.poll_socket(cx, &mut piece));
        let len = piece.filled().len();
        match read {
            Err(_) => self.fail(Broken::truncated()),
            Ok(()) if len == 0 => {
                buf.put_slice(b"0\r\n\r\n");
                self.finish(true);
                Poll::Ready(Ok(()))
            }
            Ok(()) => {
                line.copy_from_slice(&chunk_line(len));
                buf.advance(CHUNK_LINE + len);
                buf.put_slice(b"\r\n");
                Poll::Ready(Ok(()))
            }
        }
    }

    /// The answer is whole.
    fn finish(&mut self, is_extra: bool) {
        let may_serve_again = matches!(self.stage, Stage::Body { may_serve_again: true, .. });
        self.stage = Stage::Idle;
        self.dropped = 0;
        if is_extra || !may_serve_again || self.is_swallowing {
            self.io = None;
        }
    }

    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) {
        let len = self.out.len().min(buf.remaining());
        buf.put_slice(self.out.get(..len).unwrap_or_default());
        self.out.advance(len);
    }

    /// The request cannot go on at this moment. Ready if it need not: an answer, or the end, is already there.
    fn poll_early_answer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while matches!(self.stage, Stage::Head) && self.broken.is_none() {
            if let Err(broken) = ready!(self.poll_gather(cx)) {
                self.broken = Some(broken);
            }
        }
        self.swallow();
        Poll::Ready(())
    }

    fn swallow(&mut self) {
        self.is_swallowing = true;
        if matches!(self.stage, Stage::Idle) {
            self.io = None;
        }
    }
}

/// In a fixed width, so that it can be written in front of data already in place.
fn chunk_line(len: usize) -> [u8; CHUNK_LINE] {
    let mut line = *b"00000000\r\n";
    let mut left = len;
    for digit in line.iter_mut().take(8).rev() {
        *digit = b"0123456789abcdef".get(left % 16).copied().unwrap_or(b'0');
        left /= 16;
    }
    line
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncRead for Honest<Io> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.out.is_empty() {
            this.hand_out(buf);
            return Poll::Ready(Ok(()));
        }
        if let Some(broken) = this.broken.take() {
            return this.fail(broken);
        }
        match this.stage {
            Stage::Idle => this.poll_idle(cx),
            Stage::Head => this.poll_head(cx, buf),
            Stage::Body { .. } => this.poll_body(cx, buf),
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Honest<Io> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_swallowing {
            return Poll::Ready(Ok(bytes.len()));
        }
        if matches!(this.stage, Stage::Idle) {
            this.stage = Stage::Head;
            this.served += 1;
        }
        let written = match &mut this.io {
            Some(io) => Pin::new(io).poll_write(cx, bytes),
            None => Poll::Ready(Ok(0)),
        };
        match written {
            Poll::Ready(Ok(len @ 1..)) => {
                Exchange::note_sent();
                Poll::Ready(Ok(len))
            }
            // the socket takes no more; what it has to say for itself is read
            Poll::Ready(_) => {
                this.swallow();
                Poll::Ready(Ok(bytes.len()))
            }
            Poll::Pending => this.poll_early_answer(cx).map(|()| Ok(bytes.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = match &mut this.io {
            Some(io) if !this.is_swallowing => Pin::new(io).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        };
        match flushed {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(_)) => {
                this.swallow();
                Poll::Ready(Ok(()))
            }
            Poll::Pending => this.poll_early_answer(cx).map(Ok),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Some(io) => Pin::new(io).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl<Io: ActixStream> ActixStream for Honest<Io> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.io.as_ref().map_or(Poll::Ready(Ok(Ready::READABLE)), |io| io.poll_read_ready(cx))
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.io.as_ref().map_or(Poll::Ready(Ok(Ready::WRITABLE)), |io| io.poll_write_ready(cx))
    }
}

impl<Io> fmt::Debug for Honest<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Honest").field("stage", &self.stage).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
