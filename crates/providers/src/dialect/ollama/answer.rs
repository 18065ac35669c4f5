//! What the vendor says, whole or in pieces: the same object either way.
//!
//! The vendor gives its answers no id, and older servers give their calls none: both are made of the request's.

use std::borrow::Cow;

use bytes::Bytes;
use nexus_core::{call::Call, fault::Fault, id::RequestId, usage::Usage};
use nexus_wire::conversation::members::Members;
use serde_json::value::{RawValue, to_raw_value};

use super::super::{Consumed, Decoded, bad_answer, gemini::objects};
use crate::part::{
    completion::{self, Choice, Message, ToolCall},
    fault, finish,
    logprobs::{self, Candidate, Token},
};

/// The vendor gives its answers no id.
pub(super) const NO_ID: &str = "";

/// One object of the vendor's: a whole answer, or a line of a stream.
pub(super) struct Piece<'a> {
    said: Members<'a>,
    message: Members<'a>,
}

/// A call, as a whole: the vendor never says one in pieces.
pub(super) struct Called<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) arguments: &'a str,
}

impl<'a> Piece<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
        let said =
            Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
        if said.raw("error").is_some() {
            return Err(fault::in_band(bytes));
        }
        let message = said.object("message").ok().flatten();
        let message = message.ok_or_else(|| bad_answer("the provider's answer has no `message`"))?;
        Ok(Self { said, message })
    }

    pub(super) fn content(&self) -> Cow<'a, str> {
        self.message.word("content")
    }

    pub(super) fn thinking(&self) -> Cow<'a, str> {
        self.message.word("thinking")
    }

    pub(super) fn is_done(&self) -> bool {
        self.said.raw("done").is_some_and(|done| done.get() == "true")
    }

    /// OpenAI's word for why the model stopped, given how many calls the client sees.
    pub(super) fn finish_reason(&self, calls: usize) -> Result<&'static str, Fault> {
        finish::reason(&self.said.word("done_reason"), calls)
    }

    /// The calls, `before` of which were shown already.
    pub(super) fn calls(&self, before: usize, request: RequestId) -> Vec<Called<'a>> {
        let calls = self.message.raw("tool_calls").and_then(|calls| serde_json::from_str(calls.get()).ok());
        let calls: Vec<&'a RawValue> = calls.unwrap_or_default();
        let calls = calls.into_iter().filter_map(|call| Members::read(call.get())).enumerate();
        calls
            .map(|(at, call)| {
                let function = call.object("function").ok().flatten().unwrap_or_default();
                let id = call.word("id");
                let made = || Cow::Owned(format!("call_{}_{}", request.0.simple(), before + at));
                Called {
                    id: if id.is_empty() { made() } else { id },
                    name: function.word("name"),
                    arguments: function.raw("arguments").map_or("{}", RawValue::get),
                }
            })
            .collect()
    }

    /// How probable the tokens of this piece were, in OpenAI's form.
    pub(super) fn logprobs(&self) -> Option<Box<RawValue>> {
        let candidate = |said: &Members<'a>| {
            let logprob = said.raw("logprob").and_then(|value| value.get().parse().ok()).unwrap_or(0.0);
            Candidate::new(said.word("token"), logprob)
        };
        let token = |said: &Members<'a>| {
            let top_logprobs = objects(said, "top_logprobs").iter().map(candidate).collect();
            Token { said: candidate(said), top_logprobs }
        };
        logprobs::shown(objects(&self.said, "logprobs").iter().map(token).collect())
    }

    /// A prompt that the server had at hand is not counted by older servers: then nothing is known.
    pub(super) fn consumed(&self) -> Consumed {
        let count = |name| {
            let count: Option<u64> = self.said.raw(name)?.get().parse().ok();
            count.filter(|count| *count <= Usage::PLAUSIBLE_MAX)
        };
        let (input, output) = (count("prompt_eval_count"), count("eval_count"));
        let raw = |name| Some((name, self.said.raw(name)?));
        let raw: std::collections::BTreeMap<_, _> =
            ["eval_count", "prompt_eval_count"].into_iter().filter_map(raw).collect();
        let is_said = !raw.is_empty();
        Consumed {
            usage: input.zip(output).map(|(input, output)| Usage::text(input, output)),
            raw: to_raw_value(&raw).ok().filter(|_| is_said).map(|raw| Box::from(raw.get())),
            ..Consumed::default()
        }
    }
}

pub(super) fn decode(call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
    let piece = Piece::read(body)?;
    let mut message = Message::assistant();
    let thinking = piece.thinking();
    if !thinking.is_empty() {
        message.reasoning_content.push_str(&thinking);
        message.thinking_blocks.extend(thought(&thinking).map(Cow::Owned));
    }
    message.say(&piece.content());
    let calls = piece.calls(0, call.request).into_iter();
    message.tool_calls =
        calls.map(|called| ToolCall::new(called.id, called.name, called.arguments)).collect();
    let reason = piece.finish_reason(message.tool_calls.len())?;
    let choice = Choice { index: 0, message, logprobs: piece.logprobs(), finish_reason: reason };
    completion::complete(call, NO_ID, vec![choice], piece.consumed())
}

/// A thought in the form it comes back in.
fn thought(thinking: &str) -> Option<Box<RawValue>> {
    to_raw_value(&serde_json::json!({"type": "thinking", "thinking": thinking})).ok()
}
