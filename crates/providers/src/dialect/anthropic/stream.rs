//! One stream of the vendor's as OpenAI's chunks.
//!
//! Nothing is written before the first block begins, so that an error in place of an answer can still be
//! tried elsewhere. Only the block that is open is remembered: memory does not grow with the stream.
//! A stream that ends without `message_stop` is truncated, whatever came before.

use bytes::BytesMut;
use nexus_core::{call::Call, fault::Fault};
use nexus_wire::{conversation::members::Members, sse::decode::Frame};

use super::{
    super::{Consumed, Progress, StreamDecoder, bad_answer},
    answer,
    usage::{Stand, Tally},
};
use crate::part::{
    chunks::Chunks,
    completion::Annotation,
    event,
    events::{Events, Relay},
    fault,
    structured::ANSWER_TOOL,
    usage::Shown,
};

pub(super) fn stream(call: &Call) -> Box<dyn StreamDecoder> {
    Box::new(Events::new(Messages {
        chunks: Chunks::new(call),
        open: None,
        said: 0,
        is_finished: false,
        tally: Tally::default(),
        progress: Progress::Waiting,
    }))
}

/// What the client sees of the block that is open.
enum Open {
    Text(Passage),
    /// A thought, by its place among the thoughts.
    Thinking(usize),
    Call(Arguments),
    /// An answer in the clothes of a call.
    Answer(Arguments),
    /// Nothing.
    Hidden,
}

struct Arguments {
    /// The call's place among the calls.
    call: usize,
    /// What was said at the block's begin, which counts if no piece follows.
    first: String,
    has_pieces: bool,
}

/// A piece of the answer's text and the pages it rests on.
struct Passage {
    /// Where it begins, in characters.
    begin: usize,
    /// Titles and addresses.
    pages: Vec<(String, String)>,
}

/// One message, event by event.
struct Messages {
    chunks: Chunks,
    /// The open block, by the vendor's index.
    open: Option<(u64, Open)>,
    /// Characters of the answer so far.
    said: usize,
    /// The chunk with the finish reason has been written.
    is_finished: bool,
    tally: Tally,
    progress: Progress,
}

impl Relay for Messages {
    fn take(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        if frame.data.trim_ascii().is_empty() {
            return Ok(());
        }
        let event = event::read(frame)?;
        let kind = answer::word(&event, "type");
        if kind == "error" || frame.event == b"error" {
            return Err(fault::in_band(frame.data));
        }
        match &*kind {
            "message_start" => return self.begin(&object(&event, "message")?),
            "content_block_start"
            | "content_block_delta"
            | "content_block_stop"
            | "message_delta"
            | "message_stop" => {}
            // Pings, and events of the future.
            _ => return Ok(()),
        }
        if !self.chunks.has_begun() {
            return Err(bad_answer("the provider's stream does not begin with `message_start`"));
        }
        if self.progress == Progress::Waiting {
            self.chunks.role(out);
            self.progress = Progress::Flowing;
        }
        match &*kind {
            "content_block_start" => self.start(index(&event)?, &object(&event, "content_block")?, out),
            "content_block_delta" => self.delta(index(&event)?, &object(&event, "delta")?, out)?,
            "content_block_stop" => self.stop(index(&event)?, out),
            "message_delta" => self.message_delta(&event, out)?,
            _ => self.finish(out)?,
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn consumed(&self) -> Consumed {
        self.tally.consumed()
    }

    fn text(&self) -> &str {
        self.chunks.text()
    }
}

impl Messages {
    fn begin(&mut self, message: &Members<'_>) -> Result<(), Fault> {
        if self.chunks.has_begun() {
            return Err(bad_answer("the provider began a second message in one stream"));
        }
        self.chunks.begin(&answer::word(message, "id"));
        if let Some(usage) = message.raw("usage") {
            self.tally.note(usage, Stand::First);
        }
        Ok(())
    }

    fn start(&mut self, index: u64, block: &Members<'_>, out: &mut BytesMut) {
        let open = match &*answer::word(block, "type") {
            "text" => {
                let passage = Passage { begin: self.said, pages: Vec::new() };
                self.say(&answer::word(block, "text"), out);
                Open::Text(passage)
            }
            "thinking" => {
                let place = self.chunks.thought(out);
                self.thinking(place, block, out);
                Open::Thinking(place)
            }
            "redacted_thinking" => {
                self.chunks.redacted(&answer::word(block, "data"), out);
                Open::Hidden
            }
            "tool_use" => self.call(block, out),
            _ => Open::Hidden,
        };
        self.open = Some((index, open));
    }

    fn call(&mut self, block: &Members<'_>, out: &mut BytesMut) -> Open {
        let first = answer::input(block).to_owned();
        let name = answer::word(block, "name");
        if name == ANSWER_TOOL {
            return Open::Answer(Arguments { call: self.chunks.calls(), first, has_pieces: false });
        }
        let call = self.chunks.call(&answer::word(block, "id"), &name, out);
        Open::Call(Arguments { call, first, has_pieces: false })
    }

    fn delta(&mut self, index: u64, delta: &Members<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        let Some((open_index, mut open)) = self.open.take().filter(|(open, _)| *open == index) else {
            return Err(bad_answer("the provider went on with a block that is not open"));
        };
        match (&mut open, &*answer::word(delta, "type")) {
            (Open::Text(_), "text_delta") => {
                self.say(&answer::word(delta, "text"), out);
            }
            (Open::Text(passage), "citations_delta") => passage.cite(delta),
            (Open::Thinking(place), "thinking_delta" | "signature_delta") => {
                self.thinking(*place, delta, out)
            }
            (Open::Call(arguments), "input_json_delta") => {
                let piece = answer::word(delta, "partial_json");
                arguments.has_pieces |= self.chunks.arguments(arguments.call, &piece, out);
            }
            (Open::Answer(arguments), "input_json_delta") => {
                arguments.has_pieces |= self.say(&answer::word(delta, "partial_json"), out);
            }
            _ => {}
        }
        self.open = Some((open_index, open));
        Ok(())
    }

    /// A call that had no pieces of arguments gets those it began with; a text is told what it rests on.
    fn stop(&mut self, index: u64, out: &mut BytesMut) {
        match self.open.take().filter(|(open, _)| *open == index) {
            Some((_, Open::Text(passage))) => self.cite(&passage, out),
            Some((_, Open::Answer(arguments))) if !arguments.has_pieces => {
                self.say(&arguments.first, out);
            }
            Some((_, Open::Call(arguments))) if !arguments.has_pieces => {
                self.chunks.arguments(arguments.call, &arguments.first, out);
            }
            _ => {}
        }
    }

    /// Goes on with the answer's text. Says whether there was any.
    fn say(&mut self, text: &str, out: &mut BytesMut) -> bool {
        self.said = self.said.saturating_add(text.chars().count());
        self.chunks.content(text, out)
    }

    fn cite(&self, passage: &Passage, out: &mut BytesMut) {
        let (begin, end) = (passage.begin, self.said);
        let pages = passage.pages.iter();
        let annotations: Vec<_> = pages
            .map(|(title, url)| Annotation::new(begin, end, title.as_str().into(), url.as_str().into()))
            .collect();
        if !annotations.is_empty() {
            self.chunks.annotations(&annotations, out);
        }
    }

    fn message_delta(&mut self, event: &Members<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        if let Some(usage) = event.raw("usage") {
            self.tally.note(usage, Stand::Final);
        }
        let delta = object(event, "delta").unwrap_or_default();
        let stop_reason = answer::word(&delta, "stop_reason");
        if stop_reason.is_empty() || self.is_finished {
            return Ok(());
        }
        if let Some(refusal) = answer::explanation(&delta) {
            self.chunks.refusal(&refusal, out);
        }
        self.finished(&stop_reason, out)
    }

    fn finished(&mut self, stop_reason: &str, out: &mut BytesMut) -> Result<(), Fault> {
        let reason = answer::finish_reason(stop_reason, self.chunks.calls())?;
        self.chunks.finish(reason, out);
        self.is_finished = true;
        Ok(())
    }

    /// Ends the client's stream: the usage, where it is wanted and known, and `[DONE]`.
    fn finish(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        if !self.is_finished {
            self.finished("", out)?;
        }
        self.chunks.end(self.tally.consumed().usage.map(Shown::of), out);
        self.progress = Progress::Done;
        Ok(())
    }

    /// Words of a thought, and its seal.
    fn thinking(&mut self, place: usize, said: &Members<'_>, out: &mut BytesMut) {
        self.chunks.thinking(place, &answer::word(said, "thinking"), out);
        self.chunks.signature(place, &answer::word(said, "signature"), out);
    }
}

impl Passage {
    fn cite(&mut self, delta: &Members<'_>) {
        let citation = delta.object("citation").ok().flatten();
        if self.pages.len() < answer::PAGES_MAX
            && let Some((title, url)) = citation.as_ref().and_then(answer::page)
        {
            self.pages.push((title.into_owned(), url.into_owned()));
        }
    }
}

fn index(event: &Members<'_>) -> Result<u64, Fault> {
    let index = event.raw("index").and_then(|index| index.get().parse().ok());
    index.ok_or_else(|| bad_answer("the provider sent an event without its block's `index`"))
}

fn object<'a>(event: &Members<'a>, name: &str) -> Result<Members<'a>, Fault> {
    let inner = event.object(name).ok().flatten();
    inner.ok_or_else(|| bad_answer(&format!("the provider sent an event without its `{name}`")))
}
