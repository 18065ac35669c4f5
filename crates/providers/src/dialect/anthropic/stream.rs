//! One stream of the vendor's as OpenAI's chunks.
//!
//! Nothing is written before the first block begins, so that an error in place of an answer can still be
//! tried elsewhere. Only the block that is open is remembered: memory does not grow with the stream.
//! A stream that ends without `message_stop` is truncated, whatever came before.

use bytes::{BufMut, BytesMut};
use nexus_core::{
    call::Call,
    fault::{Class, Fault},
};
use nexus_wire::{
    completion::Generated,
    conversation::members::Members,
    splice,
    sse::{
        decode::{Frame, FrameDecoder},
        encode,
    },
};
use serde_json::{Value, value::RawValue};

use super::{
    super::{COUNTED_TEXT_MAX, Consumed, Progress, StreamDecoder, bad_answer},
    answer,
    tool::ANSWER_TOOL,
    usage::{Stand, Tally},
};
use crate::part::fault;

pub(super) struct AnthropicStream {
    frames: FrameDecoder,
    relay: Relay,
}

impl AnthropicStream {
    pub(super) fn new(call: &Call) -> Self {
        Self {
            frames: FrameDecoder::default(),
            relay: Relay {
                alias: splice::model_text(&call.alias),
                wants_usage: call.wants_usage,
                asked_at_s: call.asked_at_s,
                head: String::new(),
                open: None,
                calls: 0,
                thoughts: 0,
                is_finished: false,
                tally: Tally::default(),
                generated: Generated::new(COUNTED_TEXT_MAX),
                progress: Progress::Waiting,
            },
        }
    }
}

impl StreamDecoder for AnthropicStream {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault> {
        if self.relay.progress == Progress::Done {
            return Ok(Progress::Done);
        }
        self.frames.push(piece);
        while self.relay.progress != Progress::Done {
            let frame = self.frames.next_frame().map_err(|error| {
                bad_answer(&format!("the provider sent an event of more than {} bytes", error.limit_bytes))
            })?;
            let Some(frame) = frame else { break };
            self.relay.take(&frame, out)?;
        }
        Ok(self.relay.progress)
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        if self.relay.progress != Progress::Done
            && let Some(frame) = self.frames.last_frame()
        {
            match self.relay.take(&frame, out) {
                // Half an event says nothing but that the stream was cut.
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
        self.relay.tally.consumed()
    }

    fn text(&self) -> &str {
        &self.relay.generated.text
    }
}

/// What the client sees of the block that is open.
enum Open {
    Text,
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

struct Relay {
    /// The alias as a JSON string.
    alias: String,
    wants_usage: bool,
    asked_at_s: u64,
    /// What every chunk begins with, up to `"choices":`; empty before `message_start`.
    head: String,
    /// The open block, by the vendor's index.
    open: Option<(u64, Open)>,
    calls: usize,
    thoughts: usize,
    /// The chunk with the finish reason has been written.
    is_finished: bool,
    tally: Tally,
    generated: Generated,
    progress: Progress,
}

impl Relay {
    fn take(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        if frame.data.trim_ascii().is_empty() {
            return Ok(());
        }
        let text = std::str::from_utf8(frame.data)
            .map_err(|_| bad_answer("the provider sent an event that is not UTF-8"))?;
        let event = Members::read(text)
            .ok_or_else(|| bad_answer("the provider sent an event that is not a JSON object"))?;
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
        if self.head.is_empty() {
            return Err(bad_answer("the provider's stream does not begin with `message_start`"));
        }
        if self.progress == Progress::Waiting {
            self.chunk(r#"{"role":"assistant","content":""}"#, "null", out);
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

    fn begin(&mut self, message: &Members<'_>) -> Result<(), Fault> {
        if !self.head.is_empty() {
            return Err(bad_answer("the provider began a second message in one stream"));
        }
        let id = Value::from(answer::id(message));
        self.head = format!(
            r#"{{"id":{id},"object":"chat.completion.chunk","created":{},"model":{},"choices":"#,
            self.asked_at_s, self.alias
        );
        if let Some(usage) = message.raw("usage") {
            self.tally.note(usage, Stand::First);
        }
        Ok(())
    }

    fn start(&mut self, index: u64, block: &Members<'_>, out: &mut BytesMut) {
        let open = match &*answer::word(block, "type") {
            "text" => {
                self.content(block.raw("text"), out);
                Open::Text
            }
            "thinking" => {
                let place = self.thoughts;
                self.thoughts += 1;
                let begin = format!(r#"{{"thinking_blocks":[{{"index":{place},"type":"thinking"}}]}}"#);
                self.chunk(&begin, "null", out);
                self.thinking(place, block, out);
                Open::Thinking(place)
            }
            "redacted_thinking" => {
                let data = Value::from(answer::word(block, "data"));
                let place = self.thoughts;
                self.thoughts += 1;
                let thought = format!(
                    r#"{{"thinking_blocks":[{{"index":{place},"type":"redacted_thinking","data":{data}}}]}}"#
                );
                self.chunk(&thought, "null", out);
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
        let arguments = Arguments { call: self.calls, first, has_pieces: false };
        if name == ANSWER_TOOL {
            return Open::Answer(arguments);
        }
        self.calls += 1;
        self.generated.push(&name);
        let (id, name) = (Value::from(answer::word(block, "id")), Value::from(name));
        let call = format!(
            r#"{{"tool_calls":[{{"index":{},"id":{id},"type":"function","function":{{"name":{name},"arguments":""}}}}]}}"#,
            arguments.call
        );
        self.chunk(&call, "null", out);
        Open::Call(arguments)
    }

    fn delta(&mut self, index: u64, delta: &Members<'_>, out: &mut BytesMut) -> Result<(), Fault> {
        let Some((open_index, mut open)) = self.open.take().filter(|(open, _)| *open == index) else {
            return Err(bad_answer("the provider went on with a block that is not open"));
        };
        match (&mut open, &*answer::word(delta, "type")) {
            (Open::Text, "text_delta") => {
                self.content(delta.raw("text"), out);
            }
            (Open::Thinking(place), "thinking_delta" | "signature_delta") => {
                self.thinking(*place, delta, out)
            }
            (Open::Call(arguments), "input_json_delta") => {
                arguments.has_pieces |= self.arguments(arguments.call, delta.raw("partial_json"), out);
            }
            (Open::Answer(arguments), "input_json_delta") => {
                arguments.has_pieces |= self.content(delta.raw("partial_json"), out);
            }
            _ => {}
        }
        self.open = Some((open_index, open));
        Ok(())
    }

    /// A call that had no pieces of arguments gets those it began with.
    fn stop(&mut self, index: u64, out: &mut BytesMut) {
        let Some((_, open)) = self.open.take().filter(|(open, _)| *open == index) else { return };
        let (Open::Call(arguments) | Open::Answer(arguments)) = &open else { return };
        if arguments.has_pieces {
            return;
        }
        let Ok(first) = serde_json::value::to_raw_value(&arguments.first) else { return };
        match open {
            Open::Answer(_) => self.content(Some(&first), out),
            _ => self.arguments(arguments.call, Some(&first), out),
        };
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
            self.chunk(&format!(r#"{{"refusal":{}}}"#, Value::from(refusal)), "null", out);
        }
        self.finished(&stop_reason, out)
    }

    fn finished(&mut self, stop_reason: &str, out: &mut BytesMut) -> Result<(), Fault> {
        let reason = answer::finish_reason(stop_reason, self.calls)?;
        self.chunk("{}", &format!("\"{reason}\""), out);
        self.is_finished = true;
        Ok(())
    }

    /// Ends the client's stream: the usage, where it is wanted and known, and `[DONE]`.
    fn finish(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        if !self.is_finished {
            self.finished("", out)?;
        }
        if self.wants_usage
            && let Some(usage) = self.tally.shown().and_then(|usage| serde_json::to_string(&usage).ok())
        {
            encode::data(format!(r#"{}[],"usage":{usage}}}"#, self.head).as_bytes(), out);
        }
        out.put_slice(encode::DONE);
        self.progress = Progress::Done;
        Ok(())
    }

    /// A piece of the answer's text. Says whether there was one.
    fn content(&mut self, raw: Option<&RawValue>, out: &mut BytesMut) -> bool {
        let Some(piece) = self.piece(raw) else { return false };
        self.chunk(&format!(r#"{{"content":{piece}}}"#), "null", out);
        true
    }

    /// A piece of a call's arguments. Says whether there was one.
    fn arguments(&mut self, call: usize, raw: Option<&RawValue>, out: &mut BytesMut) -> bool {
        let Some(piece) = self.piece(raw) else { return false };
        let delta = format!(r#"{{"tool_calls":[{{"index":{call},"function":{{"arguments":{piece}}}}}]}}"#);
        self.chunk(&delta, "null", out);
        true
    }

    /// Words of a thought, and its seal. Merged by `index`, as calls are, they give the block again.
    fn thinking(&mut self, place: usize, said: &Members<'_>, out: &mut BytesMut) {
        if let Some(piece) = self.piece(said.raw("thinking")) {
            let delta = format!(
                r#"{{"reasoning_content":{piece},"thinking_blocks":[{{"index":{place},"thinking":{piece}}}]}}"#
            );
            self.chunk(&delta, "null", out);
        }
        let seal = answer::word(said, "signature");
        if !seal.is_empty() {
            let seal = Value::from(seal);
            let delta = format!(r#"{{"thinking_blocks":[{{"index":{place},"signature":{seal}}}]}}"#);
            self.chunk(&delta, "null", out);
        }
    }

    /// A string that is not empty, as JSON on one line. What it says is kept for counting.
    fn piece(&mut self, raw: Option<&RawValue>) -> Option<String> {
        let text: String = serde_json::from_str(raw?.get()).ok().filter(|text: &String| !text.is_empty())?;
        self.generated.push(&text);
        Some(Value::from(text).to_string())
    }

    fn chunk(&self, delta: &str, finish: &str, out: &mut BytesMut) {
        let usage = if self.wants_usage { r#","usage":null"# } else { "" };
        let chunk = format!(
            r#"{}[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]{usage}}}"#,
            self.head
        );
        encode::data(chunk.as_bytes(), out);
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
