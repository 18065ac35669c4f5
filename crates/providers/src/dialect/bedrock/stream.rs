//! One stream of the vendor's as OpenAI's chunks.
//!
//! Nothing is written before the first block begins, so that an exception in place of an answer can still
//! be tried elsewhere. Only the block that is open is remembered. A stream that ends without `messageStop`
//! is truncated; one that ends right after it is whole, whether its usage came before, after or not at all.

use bytes::BytesMut;
use nexus_core::{
    call::Call,
    fault::{Class, Fault},
};
use nexus_wire::conversation::members::Members;

use super::{
    super::{Consumed, Progress, StreamDecoder, bad_answer},
    answer::{NO_ID, word},
    fault, usage,
};
use crate::part::{
    chunks::Chunks,
    eventstream::{Frame, FrameDecoder},
    finish,
    structured::ANSWER_TOOL,
    usage::Shown,
};

pub(super) struct ConverseStream {
    frames: FrameDecoder,
    relay: Relay,
}

impl ConverseStream {
    pub(super) fn new(call: &Call) -> Self {
        let relay = Relay {
            chunks: Chunks::new(call),
            open: None,
            is_finished: false,
            consumed: None,
            progress: Progress::Waiting,
        };
        Self { frames: FrameDecoder::default(), relay }
    }
}

impl StreamDecoder for ConverseStream {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault> {
        if self.relay.progress == Progress::Done {
            return Ok(Progress::Done);
        }
        self.frames.push(piece);
        while self.relay.progress != Progress::Done {
            let Some(frame) = self.frames.next_frame().map_err(fault::broken)? else { break };
            self.relay.take(&frame, out)?;
        }
        Ok(self.relay.progress)
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        if self.relay.progress == Progress::Done {
            return Ok(());
        }
        if self.relay.is_finished {
            self.relay.end(out);
            return Ok(());
        }
        Err(Fault::new(Class::Truncated, "the provider's stream ended before the answer was complete"))
    }

    fn consumed(&mut self) -> Consumed {
        self.relay.consumed.clone().unwrap_or_default()
    }

    fn text(&self) -> &str {
        self.relay.chunks.text()
    }
}

/// What the client sees of the block that is open.
enum Open {
    Text,
    /// A thought, by its place among the thoughts.
    Thinking(usize),
    /// A call by its place among the calls, and whether pieces of its arguments came.
    Call(usize, bool),
    /// An answer in the clothes of a call.
    Answer(bool),
    /// Nothing.
    Hidden,
}

struct Relay {
    chunks: Chunks,
    /// The open block, by the vendor's index.
    open: Option<(u64, Open)>,
    /// The chunk with the finish reason has been written.
    is_finished: bool,
    consumed: Option<Consumed>,
    progress: Progress,
}

impl Relay {
    fn take(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        if frame.text(":message-type").is_none_or(|kind| kind != "event") {
            return Err(fault::of_frame(frame));
        }
        let kind = frame.text(":event-type").unwrap_or_default();
        if !matches!(
            kind,
            "contentBlockStart" | "contentBlockDelta" | "contentBlockStop" | "messageStop" | "metadata"
        ) {
            // The message's begin says nothing, and events of the future nothing that is known.
            return Ok(());
        }
        let text = std::str::from_utf8(frame.payload);
        let event = text.ok().and_then(Members::read);
        let event =
            event.ok_or_else(|| bad_answer("the provider sent an event that is not a JSON object"))?;
        match kind {
            "metadata" => self.metadata(&event, out),
            _ if self.is_finished => {
                return Err(bad_answer("the provider went on after the answer's end"));
            }
            "contentBlockStart" => self.start(index(&event)?, &event, out),
            "contentBlockDelta" => self.delta(index(&event)?, &event, out)?,
            "contentBlockStop" => {
                if self.open.as_ref().is_some_and(|(open, _)| Some(*open) == index(&event).ok()) {
                    self.close(out);
                }
            }
            _ => self.stop(&event, out)?,
        }
        Ok(())
    }

    /// Writes the first chunk, where it is not written yet.
    fn begin(&mut self, out: &mut BytesMut) {
        if !self.chunks.has_begun() {
            self.chunks.begin(NO_ID);
            self.chunks.role(out);
            self.progress = Progress::Flowing;
        }
    }

    fn start(&mut self, index: u64, event: &Members<'_>, out: &mut BytesMut) {
        self.begin(out);
        self.close(out);
        let start = event.object("start").ok().flatten().unwrap_or_default();
        let open = match start.object("toolUse").ok().flatten() {
            Some(call) if word(&call, "name") == ANSWER_TOOL => Some(Open::Answer(false)),
            Some(call) => {
                let call = self.chunks.call(&word(&call, "toolUseId"), &word(&call, "name"), out);
                Some(Open::Call(call, false))
            }
            None if start.raw("toolResult").is_some() || start.raw("image").is_some() => Some(Open::Hidden),
            // What it is its first delta tells.
            None => None,
        };
        self.open = open.map(|open| (index, open));
    }

    fn delta(&mut self, index: u64, event: &Members<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        let delta = event.object("delta").ok().flatten();
        let delta = delta.ok_or_else(|| bad_answer("the provider sent an event without its `delta`"))?;
        let is_open = self.open.as_ref().is_some_and(|(open, _)| *open == index);
        if !is_open && delta.raw("toolUse").is_some() {
            return Err(bad_answer("the provider went on with a call that is not open"));
        }
        self.begin(out);
        if !is_open {
            self.close(out);
            self.open = Some((index, self.opened_by(&delta, out)));
        }
        let Some((_, open)) = &mut self.open else { return Ok(()) };
        let inner = |name| delta.object(name).ok().flatten().unwrap_or_default();
        match open {
            Open::Text => {
                self.chunks.content(&word(&delta, "text"), out);
            }
            Open::Thinking(place) => {
                let said = inner("reasoningContent");
                self.chunks.thinking(*place, &word(&said, "text"), out);
                self.chunks.signature(*place, &word(&said, "signature"), out);
            }
            Open::Call(call, has_pieces) => {
                *has_pieces |= self.chunks.arguments(*call, &word(&inner("toolUse"), "input"), out);
            }
            Open::Answer(has_pieces) => {
                *has_pieces |= self.chunks.content(&word(&inner("toolUse"), "input"), out);
            }
            Open::Hidden => {}
        }
        Ok(())
    }

    /// The block that a delta opens by itself: only calls are begun with an event of their own.
    fn opened_by(&mut self, delta: &Members<'_>, out: &mut BytesMut) -> Open {
        if let Some(said) = delta.object("reasoningContent").ok().flatten() {
            let data = word(&said, "redactedContent");
            if !data.is_empty() {
                self.chunks.redacted(&data, out);
                return Open::Hidden;
            }
            return Open::Thinking(self.chunks.thought(out));
        }
        if delta.raw("text").is_some() { Open::Text } else { Open::Hidden }
    }

    /// Ends the open block. A call that had no arguments gets empty ones.
    fn close(&mut self, out: &mut BytesMut) {
        match self.open.take() {
            Some((_, Open::Call(call, false))) => {
                self.chunks.arguments(call, "{}", out);
            }
            Some((_, Open::Answer(false))) => {
                self.chunks.content("{}", out);
            }
            _ => {}
        }
    }

    fn stop(&mut self, event: &Members<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        let reason = finish::reason(&word(event, "stopReason"), self.chunks.calls())?;
        self.begin(out);
        self.close(out);
        self.chunks.finish(reason, out);
        self.is_finished = true;
        if self.consumed.is_some() {
            self.end(out);
        }
        Ok(())
    }

    fn metadata(&mut self, event: &Members<'_>, out: &mut BytesMut) {
        self.consumed = event.raw("usage").map(usage::consumed).or(self.consumed.take());
        if self.is_finished {
            self.end(out);
        }
    }

    /// Ends the client's stream.
    fn end(&mut self, out: &mut BytesMut) {
        let usage = self.consumed.as_ref().and_then(|consumed| consumed.usage);
        self.chunks.end(usage.map(Shown::of), out);
        self.progress = Progress::Done;
    }
}

fn index(event: &Members<'_>) -> Result<u64, Fault> {
    let index = event.raw("contentBlockIndex").and_then(|index| index.get().parse().ok());
    index.ok_or_else(|| bad_answer("the provider sent an event without its block's index"))
}
