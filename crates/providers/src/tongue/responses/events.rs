//! A chat's stream as a response's events, numbered without gaps, and a response's own events on their way through.
//!
//! The last event says the whole answer once more, so an answer is held until it ends, up to [`HELD_MAX`].

use bytes::{BufMut, BytesMut};
use nexus_wire::{
    conversation::members::Members,
    place,
    splice::{self, Edit},
    sse::{
        decode::{Frame, FrameDecoder},
        encode,
    },
    usage::TokenUsage,
};

use super::{
    answer::Item,
    echo::{self, Status},
};
use crate::{
    part::object::Object,
    tongue::{
        Speaker, Told,
        frame::event,
        heard::{Heard, Piece},
    },
};

/// The longest answer that is told, in bytes; what is longer fails.
const HELD_MAX: usize = 8 << 20;

/// A chat's stream.
pub(super) struct Events {
    frames: FrameDecoder,
    told: Told,
    has_begun: bool,
    is_over: bool,
    /// The number of the next event.
    number: u64,
    open: Option<Item>,
    /// The items that are complete.
    items: Vec<String>,
    held: usize,
    finish: Option<String>,
    usage: Option<TokenUsage>,
    /// The last event and its response, while that waits to be kept.
    closing: Option<(String, String)>,
}

impl Events {
    pub(super) fn new(told: &Told) -> Self {
        Self {
            frames: FrameDecoder::default(),
            told: told.clone(),
            has_begun: false,
            is_over: false,
            number: 0,
            open: None,
            items: Vec::new(),
            held: 0,
            finish: None,
            usage: None,
            closing: None,
        }
    }

    fn take(&mut self, data: &[u8], out: &mut BytesMut) {
        if data.trim_ascii() == b"[DONE]" {
            let (items, finish) = self.finish(out);
            return self.end(Status::of(finish.as_deref()), &items, out);
        }
        let Some(heard) = std::str::from_utf8(data).ok().and_then(Heard::read) else { return };
        if let Some(error) = heard.error {
            let message = Members::read(error.get()).unwrap_or_default().word("message").into_owned();
            failed(data, self.number, out);
            self.number += 1;
            return self.end(Status::Failed(&message), &[], out);
        }
        if !self.has_begun {
            self.has_begun = true;
            for kind in ["response.created", "response.in_progress"] {
                let response = echo::response(&self.told, Status::InProgress, &[], None);
                self.emit(kind, |data| data.raw("response", &response), out);
            }
        }
        self.usage = heard.usage.or(self.usage);
        heard.pieces.into_iter().for_each(|piece| self.piece(piece, out));
        if self.held > HELD_MAX && !self.is_over {
            let message = "the answer is longer than can be told as a response; ask for it as a chat";
            self.end(Status::Failed(message), &[], out);
        }
    }

    fn end(&mut self, status: Status<'_>, items: &[String], out: &mut BytesMut) {
        let usage = self.usage.unwrap_or_default();
        let response = echo::response(&self.told, status, items, Some(usage));
        self.is_over = true;
        match self.told.kept.is_kept {
            true => self.closing = Some((status.event(), response)),
            false => self.emit(&status.event(), |data| data.raw("response", &response), out),
        }
    }

    /// Completes the items; says them, and why the model stopped.
    pub(super) fn finish(&mut self, out: &mut BytesMut) -> (Vec<String>, Option<String>) {
        self.close(out);
        (std::mem::take(&mut self.items), self.finish.take())
    }

    pub(super) fn piece(&mut self, piece: Piece<'_>, out: &mut BytesMut) {
        match piece {
            Piece::Text(text) => {
                if !matches!(self.open, Some(Item::Text(_))) {
                    self.start(Item::Text(String::new()), out);
                }
                self.grow(&text);
                self.of_item("response.output_text.delta", out, |data| {
                    data.count("content_index", 0).text("delta", &text).raw("logprobs", "[]")
                });
            }
            Piece::Refusal(text) => {
                if !matches!(self.open, Some(Item::Refusal(_))) {
                    self.start(Item::Refusal(String::new()), out);
                }
                self.grow(&text);
                self.of_item("response.refusal.delta", out, |data| {
                    data.count("content_index", 0).text("delta", &text)
                });
            }
            Piece::Thought { place, text } => {
                let is_same = matches!(&self.open, Some(Item::Thought { place: open, .. }) if *open == place);
                if !is_same {
                    self.start(Item::Thought { place, text: String::new(), seal: String::new() }, out);
                }
                if !text.is_empty() {
                    self.grow(&text);
                    self.of_item("response.reasoning_summary_text.delta", out, |data| {
                        data.count("summary_index", 0).text("delta", &text)
                    });
                }
            }
            Piece::Seal(seal) => {
                if let Some(Item::Thought { seal: open, .. }) = &mut self.open {
                    open.push_str(&seal);
                }
            }
            Piece::Redacted(data) => self.start(Item::redacted(&data), out),
            Piece::Call { place, id, name, seal } => {
                if let Some(seal) = seal {
                    self.start(Item::seal_of_call(&seal), out);
                }
                let (id, name) = (id.into_owned(), name.into_owned());
                self.start(Item::Call { place, id, name, arguments: String::new() }, out);
            }
            Piece::Arguments { place, text } => {
                if matches!(&self.open, Some(Item::Call { place: open, .. }) if *open == place) {
                    self.grow(&text);
                    self.of_item("response.function_call_arguments.delta", out, |data| {
                        data.text("delta", &text)
                    });
                }
            }
            Piece::Finish(word) => {
                self.close(out);
                self.finish = Some(word.into_owned());
            }
        }
    }

    /// More of the open item.
    fn grow(&mut self, more: &str) {
        self.held = self.held.saturating_add(more.len());
        match &mut self.open {
            Some(Item::Text(text) | Item::Refusal(text) | Item::Thought { text, .. }) => text.push_str(more),
            Some(Item::Call { arguments, .. }) => arguments.push_str(more),
            Some(Item::Sealed(_)) | None => {}
        }
    }

    fn id(&self, item: &Item) -> String {
        format!("{}{}{:02}", item.prefix(), self.told.request.0.simple(), self.items.len())
    }

    fn start(&mut self, item: Item, out: &mut BytesMut) {
        self.close(out);
        self.held = self.held.saturating_add(item.len());
        let begun = item.begun(&self.id(&item));
        let index = self.items.len() as u64;
        self.emit(
            "response.output_item.added",
            |data| data.count("output_index", index).raw("item", &begun),
            out,
        );
        let (part, summary) = (item.part(), item.summary());
        let kind = match &item {
            Item::Text(_) | Item::Refusal(_) => Some("response.content_part.added"),
            Item::Thought { .. } => Some("response.reasoning_summary_part.added"),
            Item::Sealed(_) | Item::Call { .. } => None,
        };
        self.open = Some(item);
        match kind {
            Some(kind @ "response.content_part.added") => {
                self.of_item(kind, out, |data| data.count("content_index", 0).raw("part", &part));
            }
            Some(kind) => {
                self.of_item(kind, out, |data| data.count("summary_index", 0).raw("part", &summary))
            }
            None => {}
        }
    }

    fn close(&mut self, out: &mut BytesMut) {
        let Some(item) = self.open.clone() else { return };
        let (part, summary) = (item.part(), item.summary());
        match &item {
            Item::Text(text) => {
                self.of_item("response.output_text.done", out, |data| {
                    data.count("content_index", 0).text("text", text).raw("logprobs", "[]")
                });
            }
            Item::Refusal(text) => {
                self.of_item("response.refusal.done", out, |data| {
                    data.count("content_index", 0).text("refusal", text)
                });
            }
            Item::Thought { text, .. } => {
                self.of_item("response.reasoning_summary_text.done", out, |data| {
                    data.count("summary_index", 0).text("text", text)
                });
                self.of_item("response.reasoning_summary_part.done", out, |data| {
                    data.count("summary_index", 0).raw("part", &summary)
                });
            }
            Item::Call { name, arguments, .. } => {
                self.of_item("response.function_call_arguments.done", out, |data| {
                    data.text("name", name).text("arguments", arguments)
                });
            }
            Item::Sealed(_) => {}
        }
        if matches!(item, Item::Text(_) | Item::Refusal(_)) {
            self.of_item("response.content_part.done", out, |data| {
                data.count("content_index", 0).raw("part", &part)
            });
        }
        let done = item.done(&self.id(&item));
        let index = self.items.len() as u64;
        self.emit(
            "response.output_item.done",
            |data| data.count("output_index", index).raw("item", &done),
            out,
        );
        (self.open, self.items) = (None, {
            let mut items = std::mem::take(&mut self.items);
            items.push(done);
            items
        });
    }

    /// An event of the open item.
    fn of_item(&mut self, kind: &str, out: &mut BytesMut, more: impl FnOnce(Object) -> Object) {
        let id = self.open.as_ref().map(|item| self.id(item)).unwrap_or_default();
        let index = self.items.len() as u64;
        self.emit(kind, |data| more(data.text("item_id", &id).count("output_index", index)), out);
    }

    fn emit(&mut self, kind: &str, more: impl FnOnce(Object) -> Object, out: &mut BytesMut) {
        let data = more(Object::of(kind).count("sequence_number", self.number)).done();
        event(kind, data.as_bytes(), out);
        self.number += 1;
    }
}

impl Speaker for Events {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) {
        self.frames.push(piece);
        while !self.is_over
            && let Ok(Some(Frame { data, .. })) = self.frames.next_frame()
        {
            let data = data.to_vec();
            self.take(&data, out);
        }
    }

    fn beat(&mut self, out: &mut BytesMut) {
        out.put_slice(encode::HEARTBEAT);
    }

    fn closing(&mut self) -> Option<String> {
        self.closing.as_ref().map(|(_, response)| response.clone())
    }

    fn close(&mut self, is_kept: bool, out: &mut BytesMut) {
        let Some((event, response)) = self.closing.take() else { return };
        let response = if is_kept { response } else { echo::unkept(&response) };
        self.emit(&event, |data| data.raw("response", &response), out);
    }
}

/// The event that tells of a failure, from the error in the form of a chat's stream.
pub(super) fn failed(error: &[u8], number: u64, out: &mut BytesMut) {
    let text = std::str::from_utf8(error).unwrap_or_default();
    let said = Members::read(text).and_then(|said| said.object("error").ok().flatten()).unwrap_or_default();
    let raw = |name: &str| said.raw(name).map_or("null", |value| value.get());
    let data = Object::of("error").count("sequence_number", number).raw("code", raw("code"));
    let data = data.text("message", &said.word("message")).raw("param", raw("param"));
    event("error", data.done().as_bytes(), out);
}

/// A response's own events: they pass, and what the gateway says beside them is told in their words.
#[derive(Default)]
pub(super) struct Passing {
    frames: FrameDecoder,
    /// The number of the next event.
    number: u64,
    /// The response as it was begun.
    begun: String,
    status: Option<Status<'static>>,
    usage: TokenUsage,
}

impl Passing {
    fn note(&mut self, name: &[u8], data: &[u8]) {
        let Some(said) = std::str::from_utf8(data).ok().and_then(Members::read) else { return };
        if let Some(number) = said.raw("sequence_number").and_then(|number| number.get().parse::<u64>().ok())
        {
            self.number = number.saturating_add(1);
        }
        if name == b"response.created"
            && let Some(response) = said.raw("response")
        {
            response.get().clone_into(&mut self.begun);
        }
    }

    /// The gateway speaks: a failure, or the end of an answer that is cut short.
    fn ours(&mut self, data: &[u8], out: &mut BytesMut) {
        if data.trim_ascii() == b"[DONE]" {
            return self.cut(out);
        }
        let Some(heard) = std::str::from_utf8(data).ok().and_then(Heard::read) else { return };
        if heard.error.is_some() {
            return failed(data, self.number, out);
        }
        self.usage = heard.usage.unwrap_or(self.usage);
        for piece in heard.pieces {
            if let Piece::Finish(word) = piece {
                self.status = Some(Status::of(Some(&word)));
            }
        }
    }

    fn cut(&mut self, out: &mut BytesMut) {
        let status = self.status.unwrap_or(Status::Incomplete("max_output_tokens"));
        let text = self.begun.clone();
        let usage = echo::counts(self.usage);
        let edits: Vec<Edit<'_>> = place::members(&text)
            .iter()
            .filter_map(|member| {
                let becomes = match &*member.name {
                    "status" => "\"incomplete\"",
                    "incomplete_details" => r#"{"reason":"max_output_tokens"}"#,
                    "usage" => &usage,
                    _ => return None,
                };
                Some(Edit { place: member.value_place(&text), text: becomes })
            })
            .collect();
        let response = splice::splice(text.as_bytes(), &edits);
        let response = String::from_utf8_lossy(&response);
        let kind = status.event();
        let data = Object::of(&kind).count("sequence_number", self.number).raw("response", &response);
        event(&kind, data.done().as_bytes(), out);
    }
}

impl Speaker for Passing {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) {
        self.frames.push(piece);
        while let Ok(Some(frame)) = self.frames.next_frame() {
            let (name, data) = (frame.event.to_vec(), frame.data.to_vec());
            match name.is_empty() {
                true => self.ours(&data, out),
                false => {
                    out.put_slice(frame.lines);
                    out.put_slice(b"\n\n");
                    self.note(&name, &data);
                }
            }
        }
    }

    fn beat(&mut self, out: &mut BytesMut) {
        out.put_slice(encode::HEARTBEAT);
    }
}
