//! One stream in OpenAI's dialect: frames pass with their `model` replaced and their flaws repaired.
//!
//! The client sees usage only if it asked, once, in a last chunk without choices, however often and
//! wherever the vendor says it: in OpenAI's streams `usage` is `null` before, and so it is here.
//! Nothing of a chunk is written before the chunk is known to be good.

use bytes::{BufMut, BytesMut};
use memchr::memchr_iter;
use nexus_core::{
    call::Call,
    fault::{Class, Fault},
    price::Tier,
};
use nexus_wire::{
    completion::{Choices, Completion, Generated, choice_bit},
    conversation::members::Members,
    splice,
    sse::{
        decode::{Frame, FrameDecoder},
        encode,
    },
    usage::TokenUsage,
};

use super::{
    super::{COUNTED_TEXT_MAX, Consumed, Progress, StreamDecoder, bad_answer},
    Form, Own, consumed, edits, is_flat_error, named,
    repeat::Pattern,
};
use crate::{
    compat::Quirks,
    part::{
        fault,
        finish::{self, Meaning},
    },
};

pub(super) struct OpenAiStream {
    frames: FrameDecoder,
    relay: Relay,
}

impl OpenAiStream {
    pub(super) fn new(call: &Call, quirks: Quirks) -> Self {
        Self {
            frames: FrameDecoder::default(),
            relay: Relay {
                own: Own::of(call),
                is_named: false,
                wants_usage: call.wants_usage,
                quirks,
                usage: String::new(),
                tier: Tier::default(),
                last_chunk: LastChunk::None,
                head: String::new(),
                preface: String::new(),
                generated: Generated::new(COUNTED_TEXT_MAX),
                pattern: Pattern::default(),
                seen: 0,
                finished: 0,
                progress: Progress::Waiting,
            },
        }
    }
}

/// How many of these bytes go up to the end of the first frame in sight; all, where none ends in LF twice.
fn first_frame(bytes: &[u8]) -> usize {
    let end = memchr_iter(b'\n', bytes).find(|at| bytes.get(at + 1) == Some(&b'\n'));
    end.map_or(bytes.len(), |at| at + 2)
}

impl OpenAiStream {
    /// Takes every whole frame of what was pushed, up to the stream's end.
    fn take_frames(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        while self.relay.progress != Progress::Done {
            let frame = self.frames.next_frame().map_err(|error| {
                bad_answer(&format!("the provider sent an event of more than {} bytes", error.limit_bytes))
            })?;
            let Some(frame) = frame else { break };
            self.relay.take(&frame, out)?;
        }
        Ok(())
    }
}

impl StreamDecoder for OpenAiStream {
    fn feed(&mut self, mut piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault> {
        // what the client sees is about as long as what came: one growth instead of many
        out.reserve(piece.len() + piece.len() / 8 + 64);
        while !piece.is_empty() && self.relay.progress != Progress::Done {
            if self.frames.is_between_frames() {
                piece = self.relay.relay_all(piece, out);
            }
            // no more than a frame is copied: what follows may be relayed from where it stands
            let (frame, rest) = piece.split_at(first_frame(piece));
            self.frames.push(frame);
            self.take_frames(out)?;
            piece = rest;
        }
        Ok(self.relay.progress)
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        if self.relay.progress != Progress::Done
            && let Some(frame) = self.frames.last_frame()
        {
            match self.relay.take(&frame, out) {
                // Half a frame: what came before decides whether the answer is whole.
                Err(fault) if fault.class == Class::BadAnswer => {}
                other => other?,
            }
        }
        if self.relay.progress == Progress::Done {
            return Ok(());
        }
        if self.relay.seen == 0 || self.relay.seen != self.relay.finished {
            return Err(Fault::new(
                Class::Truncated,
                "the provider's stream ended before the answer was complete",
            ));
        }
        self.relay.finish(out);
        Ok(())
    }

    fn consumed(&mut self) -> Consumed {
        let usage = &self.relay.usage;
        let said = consumed((!usage.is_empty()).then_some(usage), self.relay.quirks);
        Consumed { tier: self.relay.tier, ..said }
    }

    fn text(&self) -> &str {
        &self.relay.generated.text
    }
}

/// The chunk that tells the client the usage.
enum LastChunk {
    None,
    /// The vendor's own, as it is to be written.
    Frame(BytesMut),
    /// To be made, because the vendor said usage elsewhere.
    Made,
}

/// What is remembered from frame to frame.
struct Relay {
    own: Own,
    /// Whether the vendor has said its id, which is then also that of chunks that lack one.
    is_named: bool,
    wants_usage: bool,
    quirks: Quirks,
    /// The last usage object that was said; empty before.
    usage: String,
    /// The tier that was said with it.
    tier: Tier,
    last_chunk: LastChunk,
    /// `"id":..,"object":..,"created":..` of the stream, kept where a last chunk may have to be made.
    head: String,
    /// Members of a chunk that was left out, for the next one.
    preface: String,
    generated: Generated,
    pattern: Pattern,
    /// A bit for each choice that appeared, and for each that finished.
    seen: u128,
    finished: u128,
    progress: Progress,
}

/// Whether a chunk says nothing but text.
fn is_ordinary(said: &Completion<'_>) -> bool {
    said.choices == (Choices::Array { count: 1 })
        && said.finishes.is_empty()
        && said.usage.is_none()
        && said.groq_usage.is_none()
}

/// Whether a chunk says neither whose it is nor anything of a choice: Azure's first. Clients that look at
/// the first choice of whatever comes first would break on it.
fn is_preface(said: &Completion<'_>) -> bool {
    said.usage.is_none() && said.id.as_ref().is_none_or(|id| id.raw == "\"\"")
}

/// What a preface says of the prompt, as a further member of the next chunk.
fn preface(frame: &Frame<'_>) -> String {
    let members = std::str::from_utf8(frame.data).ok().and_then(Members::read).unwrap_or_default();
    let results = members.raw("prompt_filter_results");
    results.map_or_else(String::new, |results| format!(",\"prompt_filter_results\":{}", results.get()))
}

impl Relay {
    /// Relays the frames at the beginning of these bytes that say what the one before said, with other
    /// text, and returns the rest.
    fn relay_all<'a>(&mut self, bytes: &'a [u8], out: &mut BytesMut) -> &'a [u8] {
        let generated = &mut self.generated;
        self.pattern.relay_all(bytes, out, |text| generated.push(text))
    }

    fn take(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        if let Some(text) = self.pattern.relay(frame, out) {
            self.generated.push(text);
            return Ok(());
        }
        match frame.data.trim_ascii() {
            b"" => return Ok(()),
            b"[DONE]" => {
                self.finish(out);
                return Ok(());
            }
            _ if frame.event == b"error" => return Err(fault::in_band(frame.data)),
            _ => {}
        }
        let generated_before = self.generated.text.len();
        let text = std::str::from_utf8(frame.data)
            .map_err(|_| bad_answer("the provider sent an event that is not UTF-8"))?;
        let said = Completion::read(text, &mut self.generated)
            .map_err(|_| bad_answer("the provider sent an event that is not JSON"))?;
        if !self.is_named
            && let Some(id) = named(&said)
        {
            id.clone_into(&mut self.own.id);
            self.is_named = true;
        }
        if let Some(raw) = said.usage.as_ref().map(|usage| usage.raw).or(said.groq_usage) {
            self.note_usage(raw, &said);
        }
        if said.error.is_some() || is_flat_error(&said) {
            return Err(fault::in_band(frame.data));
        }
        if !said.is_object || said.choices == Choices::NoArray {
            return Err(bad_answer("the provider sent an event that is no chunk"));
        }
        let written_before = out.len();
        let has_preface = !self.preface.is_empty();
        self.relay(frame, &said, out)?;
        if is_ordinary(&said) && !has_preface {
            let text = self.generated.text.get(generated_before..).unwrap_or_default();
            self.pattern.learn(frame, out.get(written_before..).unwrap_or_default(), text);
        }
        Ok(())
    }

    fn relay(&mut self, frame: &Frame<'_>, said: &Completion<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        match said.choices {
            Choices::Array { count: 0 } if is_preface(said) => {
                self.preface = preface(frame);
                return Ok(());
            }
            Choices::Array { count: 0 } if said.usage.is_some() => {
                if matches!(self.last_chunk, LastChunk::Made) {
                    let mut held = BytesMut::new();
                    self.write(frame, said, Form::UsageChunk, &mut held)?;
                    self.last_chunk = LastChunk::Frame(held);
                }
            }
            Choices::Array { .. } => {
                self.write(frame, said, Form::Chunk, out)?;
                self.preface.clear();
            }
            // Usage alone, or some notice of the vendor's: no chunk that a client could read.
            Choices::Absent | Choices::NoArray => {}
        }
        self.seen |= said.seen;
        for finish in &said.finishes {
            if finish::meaning(finish.word) != Meaning::Unfinished {
                self.finished |= choice_bit(finish.choice);
            }
        }
        self.progress = Progress::Flowing;
        Ok(())
    }

    /// Keeps what was said last, sense or nonsense; sense is to be shown to a client that asked.
    fn note_usage(&mut self, raw: &str, said: &Completion<'_>) {
        self.tier = said.service_tier.map_or(self.tier, Tier::served);
        self.usage.clear();
        self.usage.push_str(raw);
        let is_sense = match &said.usage {
            Some(_) => said.tokens.is_some(),
            None => TokenUsage::read(raw).is_some(),
        };
        if !self.wants_usage || !is_sense {
            self.last_chunk = LastChunk::None;
            return;
        }
        self.last_chunk = LastChunk::Made;
        if self.head.is_empty() {
            let id = named(said).unwrap_or(&self.own.id);
            let created = said
                .created
                .as_ref()
                .map_or_else(|| self.own.created.to_string(), |created| created.raw.to_owned());
            self.head = format!("\"id\":{id},\"object\":\"chat.completion.chunk\",\"created\":{created}");
        }
    }

    /// Appends the frame with its chunk in OpenAI's form.
    fn write(
        &self,
        frame: &Frame<'_>,
        said: &Completion<'_>,
        form: Form,
        out: &mut BytesMut,
    ) -> Result<(), Fault> {
        let mut missing = self.own.missing(said, form);
        missing.push_str(&self.preface);
        let edits = edits(said, &missing, &self.own, form)?;
        let around = frame.data_place.as_ref().map(|place| {
            let lines = frame.lines;
            (lines.get(..place.start).unwrap_or_default(), lines.get(place.end..).unwrap_or_default())
        });
        // lines beside the data go along only if they are text, as the data is
        let is_text = |part: &[u8]| std::str::from_utf8(part).is_ok();
        let Some((before, behind)) = around.filter(|(before, behind)| is_text(before) && is_text(behind))
        else {
            encode::data(&splice::splice(frame.data, &edits), out);
            return Ok(());
        };
        out.reserve(frame.lines.len() + self.own.alias.len() + 2);
        out.put_slice(before);
        splice::splice_into(frame.data, &edits, out);
        out.put_slice(behind);
        out.put_slice(b"\n\n");
        Ok(())
    }

    /// Ends the client's stream: the usage, where it is wanted and known, and `[DONE]`.
    fn finish(&mut self, out: &mut BytesMut) {
        match std::mem::replace(&mut self.last_chunk, LastChunk::None) {
            LastChunk::None => {}
            LastChunk::Frame(frame) => out.put_slice(&frame),
            LastChunk::Made => {
                let chunk = format!(
                    "{{{},\"model\":{},\"choices\":[],\"usage\":{}}}",
                    self.head, self.own.alias, self.usage
                );
                encode::data(chunk.as_bytes(), out);
            }
        }
        out.put_slice(encode::DONE);
        self.progress = Progress::Done;
    }
}
