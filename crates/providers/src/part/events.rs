//! A stream of server-sent events, event by event: what is the same for every vendor that streams so in words of its own.
//!
//! Half an event at the end says nothing but that the stream was cut.

use bytes::BytesMut;
use nexus_core::fault::{Class, Fault};
use nexus_wire::sse::decode::{Frame, FrameDecoder};

use crate::dialect::{Consumed, Progress, StreamDecoder, bad_answer};

/// What a vendor's events mean.
pub(crate) trait Relay {
    /// Reads an event and appends what the client is to see.
    fn take(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), Fault>;

    fn progress(&self) -> Progress;

    /// The body has ended and no event said that it would.
    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        let _ = out;
        Err(Fault::new(Class::Truncated, "the provider's stream ended before the answer was complete"))
    }

    fn consumed(&self) -> Consumed;

    fn text(&self) -> &str;
}

/// A decoder of one stream.
pub(crate) struct Events<R> {
    frames: FrameDecoder,
    relay: R,
}

impl<R> Events<R> {
    pub(crate) fn new(relay: R) -> Self {
        Self { frames: FrameDecoder::default(), relay }
    }
}

impl<R: Relay> StreamDecoder for Events<R> {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault> {
        if self.relay.progress() == Progress::Done {
            return Ok(Progress::Done);
        }
        self.frames.push(piece);
        while self.relay.progress() != Progress::Done {
            let frame = self.frames.next_frame().map_err(|error| {
                bad_answer(&format!("the provider sent an event of more than {} bytes", error.limit_bytes))
            })?;
            let Some(frame) = frame else { break };
            self.relay.take(&frame, out)?;
        }
        Ok(self.relay.progress())
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        if self.relay.progress() != Progress::Done
            && let Some(frame) = self.frames.last_frame()
        {
            match self.relay.take(&frame, out) {
                Err(fault) if fault.class == Class::BadAnswer => {}
                other => other?,
            }
        }
        if self.relay.progress() == Progress::Done { Ok(()) } else { self.relay.end(out) }
    }

    fn consumed(&mut self) -> Consumed {
        self.relay.consumed()
    }

    fn text(&self) -> &str {
        self.relay.text()
    }
}
