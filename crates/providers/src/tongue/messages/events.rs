//! A chat's stream as a message's events, and a message's own events on their way through.
//!
//! One block is open at a time. Nothing is remembered of what was said: memory does not grow with the stream.

use bytes::{BufMut, BytesMut};
use nexus_wire::{
    conversation::members::Members,
    error::PublicError,
    sse::{
        decode::{Frame, FrameDecoder},
        encode,
    },
    usage::TokenUsage,
};

use super::{
    answer::{begun, call_block, redacted_block, seal_block, stop_reason, text_block, thinking_block, usage},
    error,
};
use crate::{
    part::object::Object,
    tongue::{
        Speaker, Told, frame,
        heard::{Heard, Piece},
    },
};

const PING: &str = r#"{"type": "ping"}"#;

/// Appends an event.
fn event(name: &str, data: &str, out: &mut BytesMut) {
    frame::event(name, data.as_bytes(), out);
}

/// A failure that ends a stream.
pub(super) fn failed(error: &PublicError, out: &mut BytesMut) {
    event("error", &error::data(error), out);
}

/// A sign of life; before the first event a comment, as nothing else may come first.
fn beat(has_begun: bool, out: &mut BytesMut) {
    match has_begun {
        true => event("ping", PING, out),
        false => out.put_slice(encode::HEARTBEAT),
    }
}

/// What the client sees of the block that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thought(Option<u64>),
    /// By its place among the calls.
    Call(u64),
}

/// A chat's stream.
pub(super) struct Events {
    frames: FrameDecoder,
    told: Told,
    has_begun: bool,
    is_over: bool,
    open: Option<Open>,
    /// The index of the next block.
    next: u64,
    stop: Option<&'static str>,
    usage: TokenUsage,
}

impl Events {
    pub(super) fn new(told: &Told) -> Self {
        Self {
            frames: FrameDecoder::default(),
            told: told.clone(),
            has_begun: false,
            is_over: false,
            open: None,
            next: 0,
            stop: None,
            usage: TokenUsage::default(),
        }
    }

    fn take(&mut self, data: &[u8], out: &mut BytesMut) {
        if data.trim_ascii() == b"[DONE]" {
            return self.end(out);
        }
        let Some(heard) = std::str::from_utf8(data).ok().and_then(Heard::read) else { return };
        if let Some(error) = heard.error {
            self.is_over = true;
            return event("error", &error::event(error), out);
        }
        if !self.has_begun {
            self.has_begun = true;
            let message = begun(&self.told, &heard.id, "[]").raw("stop_reason", "null");
            let message = message.raw("stop_sequence", "null").raw("usage", &usage(self.usage)).done();
            event("message_start", &Object::of("message_start").raw("message", &message).done(), out);
        }
        self.usage = heard.usage.unwrap_or(self.usage);
        heard.pieces.into_iter().for_each(|piece| self.piece(piece, out));
    }

    fn piece(&mut self, piece: Piece<'_>, out: &mut BytesMut) {
        match piece {
            Piece::Text(text) | Piece::Refusal(text) => {
                if self.open != Some(Open::Text) {
                    self.start(Open::Text, &text_block(""), out);
                }
                self.delta(&Object::of("text_delta").text("text", &text).done(), out);
            }
            Piece::Thought { place, text } => {
                if self.open != Some(Open::Thought(place)) {
                    self.start(Open::Thought(place), &thinking_block("", ""), out);
                }
                if !text.is_empty() {
                    self.delta(&Object::of("thinking_delta").text("thinking", &text).done(), out);
                }
            }
            Piece::Seal(seal) if matches!(self.open, Some(Open::Thought(_))) => {
                self.delta(&Object::of("signature_delta").text("signature", &seal).done(), out);
            }
            Piece::Redacted(data) => self.at_once(&redacted_block(&data), out),
            Piece::Call { place, id, name, seal } => {
                if let Some(seal) = seal {
                    self.at_once(&seal_block(&seal), out);
                }
                self.start(Open::Call(place), &call_block(&id, &name, "{}"), out);
            }
            Piece::Arguments { place, text } if self.open == Some(Open::Call(place)) => {
                self.delta(&Object::of("input_json_delta").text("partial_json", &text).done(), out);
            }
            Piece::Finish(word) => {
                self.close(out);
                self.stop = Some(stop_reason(&word));
            }
            // of a block that is closed
            Piece::Seal(_) | Piece::Arguments { .. } => {}
        }
    }

    fn start(&mut self, open: Open, block: &str, out: &mut BytesMut) {
        self.close(out);
        let data = Object::of("content_block_start").count("index", self.next).raw("content_block", block);
        event("content_block_start", &data.done(), out);
        self.open = Some(open);
    }

    fn at_once(&mut self, block: &str, out: &mut BytesMut) {
        self.start(Open::Text, block, out);
        self.close(out);
    }

    fn delta(&self, delta: &str, out: &mut BytesMut) {
        let data = Object::of("content_block_delta").count("index", self.next).raw("delta", delta);
        event("content_block_delta", &data.done(), out);
    }

    fn close(&mut self, out: &mut BytesMut) {
        if self.open.take().is_some() {
            stop(self.next, out);
            self.next += 1;
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.close(out);
        finish(self.stop.unwrap_or("end_turn"), &usage(self.usage), out);
        self.is_over = true;
    }
}

fn stop(index: u64, out: &mut BytesMut) {
    event("content_block_stop", &Object::of("content_block_stop").count("index", index).done(), out);
}

fn finish(stop_reason: &str, usage: &str, out: &mut BytesMut) {
    let delta = Object::default().text("stop_reason", stop_reason).raw("stop_sequence", "null").done();
    let data = Object::of("message_delta").raw("delta", &delta).raw("usage", usage);
    event("message_delta", &data.done(), out);
    event("message_stop", &Object::of("message_stop").done(), out);
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
        beat(self.has_begun, out);
    }
}

/// A message's own events: they pass, and what the gateway says beside them is told in their words.
#[derive(Default)]
pub(super) struct Passing {
    frames: FrameDecoder,
    has_begun: bool,
    /// The index of the block that is open.
    open: Option<u64>,
    stop: Option<&'static str>,
    usage: TokenUsage,
}

impl Passing {
    fn pass(&mut self, frame: &Passed) {
        let Some(said) = std::str::from_utf8(&frame.data).ok().and_then(Members::read) else { return };
        match &*frame.event {
            b"content_block_start" => {
                self.open = said.raw("index").and_then(|index| index.get().parse().ok())
            }
            b"content_block_stop" => self.open = None,
            _ => {}
        }
    }

    /// The gateway speaks: a failure, or the end of an answer that is cut short.
    fn ours(&mut self, data: &[u8], out: &mut BytesMut) {
        if data.trim_ascii() == b"[DONE]" {
            return finish(self.stop.unwrap_or("end_turn"), &usage(self.usage), out);
        }
        let Some(heard) = std::str::from_utf8(data).ok().and_then(Heard::read) else { return };
        if let Some(error) = heard.error {
            return event("error", &error::event(error), out);
        }
        self.usage = heard.usage.unwrap_or(self.usage);
        for piece in heard.pieces {
            if let Piece::Finish(word) = piece {
                self.stop = Some(stop_reason(&word));
            }
        }
        if let Some(open) = self.open.take() {
            stop(open, out);
        }
    }
}

/// A frame apart from its decoder.
struct Passed {
    event: Vec<u8>,
    data: Vec<u8>,
}

impl Speaker for Passing {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) {
        self.frames.push(piece);
        while let Ok(Some(frame)) = self.frames.next_frame() {
            let is_theirs = !frame.event.is_empty();
            if is_theirs {
                self.has_begun = true;
                out.put_slice(frame.lines);
                out.put_slice(b"\n\n");
            }
            let frame = Passed { event: frame.event.to_vec(), data: frame.data.to_vec() };
            match is_theirs {
                true if frame.event.starts_with(b"content_block_st") => self.pass(&frame),
                true => {}
                false => self.ours(&frame.data, out),
            }
        }
    }

    fn beat(&mut self, out: &mut BytesMut) {
        beat(self.has_begun, out);
    }
}
