//! One stream of the vendor's as OpenAI's chunks.
//!
//! Nothing is written before the first event that says something, so that an error in place of an answer
//! can still be tried elsewhere. A stream that ends without `message-end` is truncated, whatever came before.

use bytes::BytesMut;
use nexus_core::{
    call::Call,
    fault::{Fault, Said},
};
use nexus_wire::{conversation::members::Members, sse::decode::Frame};

use super::{
    super::{Consumed, Progress, StreamDecoder, bad_answer},
    usage,
};
use crate::part::{
    chunks::Chunks,
    event,
    events::{Events, Relay},
    fault, finish,
    scrub::scrub,
    usage::Shown,
};

pub(super) fn stream(call: &Call) -> Box<dyn StreamDecoder> {
    Box::new(Events::new(Message {
        chunks: Chunks::new(call),
        open: None,
        citations: 0,
        consumed: Consumed::default(),
        progress: Progress::Waiting,
    }))
}

/// What is being said.
enum Open {
    Text,
    /// A thought, by its place among the thoughts.
    Thinking(usize),
    Call(Arguments),
}

struct Arguments {
    /// The call's place among the calls.
    call: usize,
    /// The beginning, as long as it may become `null`: what the vendor says of a function that takes none.
    held: String,
    is_told: bool,
}

const NONE: &str = "null";

/// One message, event by event.
struct Message {
    chunks: Chunks,
    open: Option<Open>,
    /// How many citations the client has been shown.
    citations: usize,
    consumed: Consumed,
    progress: Progress,
}

impl Relay for Message {
    fn take(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        if matches!(frame.data.trim_ascii(), b"" | b"[DONE]") {
            return Ok(());
        }
        let event = event::read(frame)?;
        let kind = event.word("type");
        let is_error = kind.is_empty() && event.raw("message").is_some() || event.raw("error").is_some();
        if is_error || kind == "error" || frame.event == b"error" {
            return Err(fault::in_band(frame.data));
        }
        let delta = object(&event, "delta");
        let said = object(&delta, "message");
        match &*kind {
            "message-start" => return self.begin(&event),
            "content-start" | "content-delta" | "content-end" | "tool-plan-delta" | "tool-call-start"
            | "tool-call-delta" | "tool-call-end" | "citation-start" | "message-end" => {}
            // Events of the future, and ends that say nothing.
            _ => return Ok(()),
        }
        if !self.chunks.has_begun() {
            return Err(bad_answer("the provider's stream does not begin with `message-start`"));
        }
        if kind == "message-end" {
            return self.finish(&delta, out);
        }
        self.flow(out);
        match &*kind {
            "content-start" => self.start(&object(&said, "content"), out),
            "content-delta" => self.content(&object(&said, "content"), out),
            "tool-plan-delta" => self.chunks.reasoning(&said.word("tool_plan"), out),
            "tool-call-start" => self.call(&object(&said, "tool_calls"), out),
            "tool-call-delta" => self.arguments(&object(&said, "tool_calls"), out),
            "content-end" | "tool-call-end" => self.close(out),
            _ => self.cite(&said, out),
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn consumed(&self) -> Consumed {
        self.consumed.clone()
    }

    fn text(&self) -> &str {
        self.chunks.text()
    }
}

impl Message {
    fn begin(&mut self, event: &Members<'_>) -> Result<(), Fault> {
        if self.chunks.has_begun() {
            return Err(bad_answer("the provider began a second message in one stream"));
        }
        self.chunks.begin(&event.word("id"));
        Ok(())
    }

    fn flow(&mut self, out: &mut BytesMut) {
        if self.progress == Progress::Waiting {
            self.chunks.role(out);
            self.progress = Progress::Flowing;
        }
    }

    fn start(&mut self, content: &Members<'_>, out: &mut BytesMut) {
        self.close(out);
        self.open = Some(match &*content.word("type") {
            "thinking" => Open::Thinking(self.chunks.thought(out)),
            _ => Open::Text,
        });
        self.content(content, out);
    }

    fn content(&mut self, content: &Members<'_>, out: &mut BytesMut) {
        match self.open {
            Some(Open::Thinking(place)) => self.chunks.thinking(place, &content.word("thinking"), out),
            _ => drop(self.chunks.content(&content.word("text"), out)),
        }
    }

    fn call(&mut self, called: &Members<'_>, out: &mut BytesMut) {
        self.close(out);
        let function = object(called, "function");
        let call = self.chunks.call(&called.word("id"), &function.word("name"), out);
        self.open = Some(Open::Call(Arguments { call, held: String::new(), is_told: false }));
        self.arguments(called, out);
    }

    fn arguments(&mut self, called: &Members<'_>, out: &mut BytesMut) {
        let Some(Open::Call(arguments)) = &mut self.open else { return };
        let piece = object(called, "function").word("arguments");
        if arguments.is_told {
            self.chunks.arguments(arguments.call, &piece, out);
            return;
        }
        arguments.held.push_str(&piece);
        if !NONE.starts_with(&*arguments.held) {
            arguments.is_told = true;
            self.chunks.arguments(arguments.call, &arguments.held, out);
        }
    }

    /// A call without arguments takes an empty object.
    fn close(&mut self, out: &mut BytesMut) {
        if let Some(Open::Call(Arguments { call, held, is_told: false })) = self.open.take() {
            let told = if held.is_empty() || held == NONE { "{}" } else { &held };
            self.chunks.arguments(call, told, out);
        }
    }

    fn cite(&mut self, said: &Members<'_>, out: &mut BytesMut) {
        let Some(citation) = said.raw("citations") else { return };
        if self.chunks.citation(self.citations, citation.get(), out) {
            self.citations += 1;
        }
    }

    fn finish(&mut self, delta: &Members<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        self.consumed = usage::consumed(delta.raw("usage"));
        let reason = finish::reason(&delta.word("finish_reason"), self.chunks.calls()).map_err(|fault| {
            let message = scrub(&delta.word("error"));
            let said = (!message.is_empty()).then(|| Box::new(Said { message, ..Said::default() }));
            Fault { said, ..fault }
        })?;
        self.flow(out);
        self.close(out);
        self.chunks.finish(reason, out);
        self.chunks.end(self.consumed.usage.map(Shown::of), out);
        self.progress = Progress::Done;
        Ok(())
    }
}

fn object<'a>(said: &Members<'a>, name: &str) -> Members<'a> {
    said.object(name).ok().flatten().unwrap_or_default()
}
