//! Chunks of a streamed completion put together anew, for vendors whose events have another form.
//!
//! Nothing may be written before [`Chunks::begin`]. Memory does not grow with the stream: what was said is
//! kept for counting only, up to a limit.

use bytes::{BufMut, BytesMut};
use nexus_core::{call::Call, id::RequestId};
use nexus_wire::{completion::Generated, splice, sse::encode};
use serde_json::Value;

use super::{completion::Annotation, id, usage::Shown};
use crate::dialect::COUNTED_TEXT_MAX;

pub(crate) struct Chunks {
    request: RequestId,
    /// The alias as a JSON string.
    alias: String,
    wants_usage: bool,
    asked_at_s: u64,
    /// What every chunk begins with, up to `"choices":`; empty before the beginning.
    head: String,
    calls: usize,
    thoughts: usize,
    images: usize,
    generated: Generated,
}

impl Chunks {
    pub(crate) fn new(call: &Call) -> Self {
        Self {
            request: call.request,
            alias: splice::model_text(&call.alias),
            wants_usage: call.wants_usage,
            asked_at_s: call.asked_at_s,
            head: String::new(),
            calls: 0,
            thoughts: 0,
            images: 0,
            generated: Generated::new(COUNTED_TEXT_MAX),
        }
    }

    /// Fixes the answer's id, by what the vendor calls it; empty where it gives it no name. Writes nothing.
    pub(crate) fn begin(&mut self, said: &str) {
        self.head = format!(
            r#"{{"id":{},"object":"chat.completion.chunk","created":{},"model":{},"choices":"#,
            Value::from(id::of_answer(said, self.request)),
            self.asked_at_s,
            self.alias
        );
    }

    pub(crate) fn has_begun(&self) -> bool {
        !self.head.is_empty()
    }

    /// How many calls the client has been shown.
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }

    /// What was said so far, for counting.
    pub(crate) fn text(&self) -> &str {
        &self.generated.text
    }

    /// The first chunk: who speaks.
    pub(crate) fn role(&self, out: &mut BytesMut) {
        self.delta(r#"{"role":"assistant","content":""}"#, out);
    }

    /// A piece of the answer's text. Says whether there was one.
    pub(crate) fn content(&mut self, piece: &str, out: &mut BytesMut) -> bool {
        let Some(piece) = self.piece(piece) else { return false };
        self.delta(&format!(r#"{{"content":{piece}}}"#), out);
        true
    }

    /// Why the model refuses to answer.
    pub(crate) fn refusal(&mut self, words: &str, out: &mut BytesMut) {
        self.delta(&format!(r#"{{"refusal":{}}}"#, Value::from(words)), out);
    }

    /// A call begins; its place among the calls.
    pub(crate) fn call(&mut self, id: &str, name: &str, out: &mut BytesMut) -> usize {
        self.sealed_call(id, name, None, out)
    }

    /// A call begins, with the signature that Google wants back; its place among the calls.
    pub(crate) fn sealed_call(
        &mut self,
        id: &str,
        name: &str,
        seal: Option<&str>,
        out: &mut BytesMut,
    ) -> usize {
        let call = self.calls;
        self.calls += 1;
        self.generated.push(name);
        let (id, name) = (Value::from(id), Value::from(name));
        let extra = seal.map(|seal| format!(",{}", google(seal))).unwrap_or_default();
        let delta = format!(
            r#"{{"tool_calls":[{{"index":{call},"id":{id},"type":"function","function":{{"name":{name},"arguments":""}}{extra}}}]}}"#
        );
        self.delta(&delta, out);
        call
    }

    /// A piece of a call's arguments. Says whether there was one.
    pub(crate) fn arguments(&mut self, call: usize, piece: &str, out: &mut BytesMut) -> bool {
        let Some(piece) = self.piece(piece) else { return false };
        let delta = format!(r#"{{"tool_calls":[{{"index":{call},"function":{{"arguments":{piece}}}}}]}}"#);
        self.delta(&delta, out);
        true
    }

    /// An image by its URL.
    pub(crate) fn image(&mut self, url: &str, out: &mut BytesMut) {
        let (image, url) = (self.images, Value::from(url));
        self.images += 1;
        let delta =
            format!(r#"{{"images":[{{"index":{image},"type":"image_url","image_url":{{"url":{url}}}}}]}}"#);
        self.delta(&delta, out);
    }

    /// The signature that Google wants back with the message.
    pub(crate) fn seal(&self, seal: &str, out: &mut BytesMut) {
        self.delta(&format!("{{{}}}", google(seal)), out);
    }

    /// The pages that passages rest on.
    pub(crate) fn annotations(&self, annotations: &[Annotation<'_>], out: &mut BytesMut) {
        if let Ok(annotations) = serde_json::to_string(annotations) {
            self.delta(&format!(r#"{{"annotations":{annotations}}}"#), out);
        }
    }

    /// How probable the tokens were that come next, as JSON on one line.
    pub(crate) fn logprobs(&self, logprobs: &str, out: &mut BytesMut) {
        self.chunk("{}", logprobs, "null", out);
    }

    /// A thought begins; its place among the thoughts.
    pub(crate) fn thought(&mut self, out: &mut BytesMut) -> usize {
        let place = self.next_thought();
        self.delta(&format!(r#"{{"thinking_blocks":[{{"index":{place},"type":"thinking"}}]}}"#), out);
        place
    }

    /// A thought that only the vendor can read.
    pub(crate) fn redacted(&mut self, data: &str, out: &mut BytesMut) {
        let (place, data) = (self.next_thought(), Value::from(data));
        let delta = format!(
            r#"{{"thinking_blocks":[{{"index":{place},"type":"redacted_thinking","data":{data}}}]}}"#
        );
        self.delta(&delta, out);
    }

    /// A piece of a thought. Merged by `index`, as calls are, the pieces give the block again.
    pub(crate) fn thinking(&mut self, place: usize, piece: &str, out: &mut BytesMut) {
        let Some(piece) = self.piece(piece) else { return };
        let delta = format!(
            r#"{{"reasoning_content":{piece},"thinking_blocks":[{{"index":{place},"thinking":{piece}}}]}}"#
        );
        self.delta(&delta, out);
    }

    /// A piece of a thought that does not go back to the vendor.
    pub(crate) fn reasoning(&mut self, piece: &str, out: &mut BytesMut) {
        let Some(piece) = self.piece(piece) else { return };
        self.delta(&format!(r#"{{"reasoning_content":{piece}}}"#), out);
    }

    /// What a passage rests on: an object of the vendor's, by its place among them. Says whether it is one.
    pub(crate) fn citation(&mut self, place: usize, raw: &str, out: &mut BytesMut) -> bool {
        let Some(rest) = raw.strip_prefix('{') else { return false };
        let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
        let delta = format!(r#"{{"citations":[{{"index":{place}{comma}{rest}]}}"#);
        self.delta(&delta.replace(['\n', '\r'], " "), out);
        true
    }

    /// A thought's seal.
    pub(crate) fn signature(&mut self, place: usize, seal: &str, out: &mut BytesMut) {
        if !seal.is_empty() {
            let seal = Value::from(seal);
            self.delta(&format!(r#"{{"thinking_blocks":[{{"index":{place},"signature":{seal}}}]}}"#), out);
        }
    }

    /// The chunk that says why the model stopped.
    pub(crate) fn finish(&self, reason: &str, out: &mut BytesMut) {
        self.chunk("{}", "null", &format!("\"{reason}\""), out);
    }

    /// Ends the stream: the usage, where it is wanted and known, and `[DONE]`.
    pub(crate) fn end(&self, usage: Option<Shown>, out: &mut BytesMut) {
        if self.wants_usage
            && let Some(usage) = usage.and_then(|usage| serde_json::to_string(&usage).ok())
        {
            encode::data(format!(r#"{}[],"usage":{usage}}}"#, self.head).as_bytes(), out);
        }
        out.put_slice(encode::DONE);
    }

    fn next_thought(&mut self) -> usize {
        let place = self.thoughts;
        self.thoughts += 1;
        place
    }

    /// Text that is not empty, as JSON on one line. What it says is kept for counting.
    fn piece(&mut self, text: &str) -> Option<String> {
        self.generated.push(text);
        (!text.is_empty()).then(|| Value::from(text).to_string())
    }

    fn delta(&self, delta: &str, out: &mut BytesMut) {
        self.chunk(delta, "null", "null", out);
    }

    fn chunk(&self, delta: &str, logprobs: &str, finish: &str, out: &mut BytesMut) {
        let usage = if self.wants_usage { r#","usage":null"# } else { "" };
        let chunk = format!(
            r#"{}[{{"index":0,"delta":{delta},"logprobs":{logprobs},"finish_reason":{finish}}}]{usage}}}"#,
            self.head
        );
        encode::data(chunk.as_bytes(), out);
    }
}

/// The member that bears a signature of Google's.
fn google(seal: &str) -> String {
    format!(r#""extra_content":{{"google":{{"thought_signature":{}}}}}"#, Value::from(seal))
}
