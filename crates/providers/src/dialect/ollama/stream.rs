//! One stream of the vendor's as OpenAI's chunks.
//!
//! A stream that ends without a line that is `done` is truncated, whatever came before.

use bytes::BytesMut;
use nexus_core::{
    call::Call,
    fault::{Class, Fault},
    id::RequestId,
};

use super::{
    super::{Consumed, Progress, StreamDecoder},
    answer::{NO_ID, Piece},
};
use crate::part::{chunks::Chunks, lines::Lines, usage::Shown};

pub(super) struct OllamaStream {
    lines: Lines,
    relay: Relay,
}

struct Relay {
    request: RequestId,
    chunks: Chunks,
    /// The thought that is being thought, by its place.
    thought: Option<usize>,
    consumed: Consumed,
    progress: Progress,
}

impl OllamaStream {
    pub(super) fn new(call: &Call) -> Self {
        Self {
            lines: Lines::default(),
            relay: Relay {
                request: call.request,
                chunks: Chunks::new(call),
                thought: None,
                consumed: Consumed::default(),
                progress: Progress::Waiting,
            },
        }
    }
}

impl StreamDecoder for OllamaStream {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault> {
        if self.relay.progress == Progress::Done {
            return Ok(Progress::Done);
        }
        self.lines.push(piece);
        while self.relay.progress != Progress::Done {
            let Some(line) = self.lines.next_line()? else { break };
            self.relay.take(line, out)?;
        }
        Ok(self.relay.progress)
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        if self.relay.progress != Progress::Done
            && let Some(line) = self.lines.last_line()
        {
            match self.relay.take(line, out) {
                // Half a line says nothing but that the stream was cut.
                Err(fault) if fault.class == Class::BadAnswer => {}
                other => other?,
            }
        }
        if self.relay.progress == Progress::Done {
            return Ok(());
        }
        Err(Fault::new(Class::Truncated, "the provider's stream ended before the answer was complete"))
    }

    fn consumed(&mut self) -> Consumed {
        self.relay.consumed.clone()
    }

    fn text(&self) -> &str {
        self.relay.chunks.text()
    }
}

impl Relay {
    fn take(&mut self, line: &[u8], out: &mut BytesMut) -> Result<(), Fault> {
        let piece = Piece::read(line)?;
        if !self.chunks.has_begun() {
            self.chunks.begin(NO_ID);
            self.chunks.role(out);
            self.progress = Progress::Flowing;
        }
        let thinking = piece.thinking();
        if !thinking.is_empty() {
            let place = self.thought.unwrap_or_else(|| self.chunks.thought(out));
            self.thought = Some(place);
            self.chunks.thinking(place, &thinking, out);
        }
        self.chunks.content(&piece.content(), out);
        if let Some(logprobs) = piece.logprobs() {
            self.chunks.logprobs(logprobs.get(), out);
        }
        for called in piece.calls(self.chunks.calls(), self.request) {
            let call = self.chunks.call(&called.id, &called.name, out);
            self.chunks.arguments(call, called.arguments, out);
        }
        if piece.is_done() {
            let reason = piece.finish_reason(self.chunks.calls())?;
            self.consumed = piece.consumed();
            self.chunks.finish(reason, out);
            self.chunks.end(self.consumed.usage.map(Shown::of), out);
            self.progress = Progress::Done;
        }
        Ok(())
    }
}
