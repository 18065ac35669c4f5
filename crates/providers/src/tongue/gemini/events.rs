//! A chat's stream as Google's: objects that each are a piece of the answer, as events or as the elements of one array; and
//! Google's own on their way through.
//!
//! A call is told whole, with all its arguments, up to [`HELD_MAX`]; nothing else is held.

use bytes::{BufMut, BytesMut};
use nexus_wire::{error::PublicError, sse::decode::FrameDecoder, usage::TokenUsage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    answer::{Call, call_part, candidate, finish_reason, response, seal_part, text_part, thought_part},
    error,
    request::wants_thoughts,
    seal,
};
use crate::tongue::{
    Framing, Speaker, Told,
    heard::{Heard, Piece},
};

/// The longest arguments of a call, in bytes; longer ones fail.
const HELD_MAX: usize = 8 << 20;

/// White space is a sign of life in both framings, and the vendor's clients take no comments.
const BEAT: &[u8] = b"\n";

/// Writes objects as the client wants them framed.
struct Writer {
    framing: Framing,
    has_begun: bool,
}

impl Writer {
    fn of(told: &Told) -> Self {
        Self { framing: told.address.framing.unwrap_or(Framing::Events), has_begun: false }
    }

    fn write(&mut self, json: &[u8], out: &mut BytesMut) {
        out.reserve(json.len() + 16);
        match (self.framing, self.has_begun) {
            (Framing::Events, _) => out.put_slice(b"data: "),
            (Framing::Array, false) => out.put_slice(b"["),
            (Framing::Array, true) => out.put_slice(b",\n"),
        }
        self.has_begun = true;
        // a line break can stand between members only
        out.extend(json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        if self.framing == Framing::Events {
            out.put_slice(b"\n\n");
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        if self.framing == Framing::Array {
            out.put_slice(if self.has_begun { b"]" } else { b"[]" });
        }
    }
}

/// A failure where nothing else is known of the stream.
pub(super) fn failed(error: &PublicError, out: &mut BytesMut) {
    let json = error.to_json();
    if let Ok(said) = serde_json::from_slice::<Envelope<'_>>(&json) {
        Writer { framing: Framing::Events, has_begun: true }.write(error::event(said.error).as_bytes(), out);
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
}

/// A chat's stream.
pub(super) struct Events {
    frames: FrameDecoder,
    told: Told,
    shows_thoughts: bool,
    writer: Writer,
    is_over: bool,
    id: String,
    /// The call that is being told.
    call: Option<Call>,
    finish: Option<&'static str>,
    usage: TokenUsage,
}

impl Events {
    pub(super) fn new(told: &Told) -> Self {
        Self {
            frames: FrameDecoder::default(),
            told: told.clone(),
            shows_thoughts: wants_thoughts(&told.sent),
            writer: Writer::of(told),
            is_over: false,
            id: String::new(),
            call: None,
            finish: None,
            usage: TokenUsage::default(),
        }
    }

    fn take(&mut self, data: &[u8], out: &mut BytesMut) {
        if data.trim_ascii() == b"[DONE]" {
            return self.end(out);
        }
        let Some(heard) = std::str::from_utf8(data).ok().and_then(Heard::read) else { return };
        if let Some(error) = heard.error {
            return self.fail(&error::event(error), out);
        }
        if self.id.is_empty() {
            self.id = heard.id.into_owned();
        }
        self.usage = heard.usage.unwrap_or(self.usage);
        heard.pieces.into_iter().for_each(|piece| self.piece(piece, out));
        if self.call.as_ref().is_some_and(|call| call.arguments.len() > HELD_MAX) {
            let message = "a call's arguments are longer than can be told; ask for the answer as a chat";
            let error = PublicError::new(nexus_wire::error::ErrorCode::UpstreamError).with_message(message);
            self.fail(&String::from_utf8_lossy(&error::told(&error).1), out);
        }
    }

    fn piece(&mut self, piece: Piece<'_>, out: &mut BytesMut) {
        let part = match piece {
            Piece::Text(text) | Piece::Refusal(text) => text_part(&text),
            Piece::Thought { text, .. } if self.shows_thoughts && !text.is_empty() => thought_part(&text),
            Piece::Seal(signature) if self.shows_thoughts => seal_part(&seal::of_thought(&signature)),
            Piece::Redacted(data) if self.shows_thoughts => seal_part(&seal::of_redacted(&data)),
            Piece::Call { place, id, name, seal } => {
                self.close(out);
                self.call = Some(Call::new(place, id, name, seal));
                return;
            }
            Piece::Arguments { place, text } => {
                if let Some(call) = self.call.as_mut().filter(|call| call.place == place) {
                    call.arguments.push_str(&text);
                }
                return;
            }
            Piece::Finish(word) => {
                self.finish = Some(finish_reason(&word));
                return;
            }
            Piece::Thought { .. } | Piece::Seal(_) | Piece::Redacted(_) => return,
        };
        self.close(out);
        self.tell(&[part], None, out);
    }

    /// Tells of the call that is complete.
    fn close(&mut self, out: &mut BytesMut) {
        if let Some(call) = self.call.take() {
            self.tell(&[call_part(&call)], None, out);
        }
    }

    fn tell(&mut self, parts: &[String], finish: Option<&str>, out: &mut BytesMut) {
        let usage = finish.is_some().then_some(self.usage);
        let json = response(&self.told, &self.id, &[candidate(0, parts, finish)], usage);
        self.writer.write(json.as_bytes(), out);
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.close(out);
        self.tell(&[], Some(self.finish.unwrap_or("STOP")), out);
        self.writer.end(out);
        self.is_over = true;
    }

    fn fail(&mut self, error: &str, out: &mut BytesMut) {
        self.writer.write(error.as_bytes(), out);
        self.writer.end(out);
        self.is_over = true;
    }
}

impl Speaker for Events {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) {
        self.frames.push(piece);
        while !self.is_over
            && let Ok(Some(frame)) = self.frames.next_frame()
        {
            let data = frame.data.to_vec();
            self.take(&data, out);
        }
    }

    fn beat(&mut self, out: &mut BytesMut) {
        out.put_slice(BEAT);
    }
}

/// Google's own objects: they pass, and what the gateway says beside them is told in their words.
pub(super) struct Passing {
    frames: FrameDecoder,
    told: Told,
    writer: Writer,
    /// Why the answer is cut short, where the gateway does that.
    finish: Option<&'static str>,
    usage: TokenUsage,
}

impl Passing {
    pub(super) fn new(told: &Told) -> Self {
        let (frames, writer) = (FrameDecoder::default(), Writer::of(told));
        Self { frames, told: told.clone(), writer, finish: None, usage: TokenUsage::default() }
    }

    /// The gateway speaks: a failure, or the end of an answer.
    fn ours(&mut self, data: &[u8], out: &mut BytesMut) {
        if data.trim_ascii() == b"[DONE]" {
            if let Some(finish) = self.finish {
                let last = candidate(0, &[], Some(finish));
                let json = response(&self.told, "", &[last], Some(self.usage));
                self.writer.write(json.as_bytes(), out);
            }
            return self.writer.end(out);
        }
        let Some(heard) = std::str::from_utf8(data).ok().and_then(Heard::read) else { return };
        if let Some(error) = heard.error {
            self.writer.write(error::event(error).as_bytes(), out);
            return self.writer.end(out);
        }
        self.usage = heard.usage.unwrap_or(self.usage);
        for piece in heard.pieces {
            if let Piece::Finish(word) = piece {
                self.finish = Some(finish_reason(&word));
            }
        }
    }
}

impl Speaker for Passing {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) {
        self.frames.push(piece);
        while let Ok(Some(frame)) = self.frames.next_frame() {
            let (is_theirs, data) = (!frame.event.is_empty(), frame.data.to_vec());
            match is_theirs {
                true => self.writer.write(&data, out),
                false => self.ours(&data, out),
            }
        }
    }

    fn beat(&mut self, out: &mut BytesMut) {
        out.put_slice(BEAT);
    }
}
