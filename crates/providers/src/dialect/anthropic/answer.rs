//! A whole answer of the vendor's as a chat completion.
//!
//! Blocks of the vendor's own tools, and kinds that are not known, are passed over: nothing a caller did
//! not ask for may look like a call of the caller's tools.

use std::borrow::Cow;

use bytes::Bytes;
use nexus_core::{call::Call, fault::Fault};
use nexus_wire::{completion::Generated, conversation::members::Members};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::{COUNTED_TEXT_MAX, Decoded, bad_answer},
    tool::ANSWER_TOOL,
    usage::{Shown, Stand, Tally},
};
use crate::part::{
    fault,
    finish::{self, Meaning},
    scrub::scrub,
};

#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Shown>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u64,
    message: Message<'a>,
    logprobs: Option<u64>,
    finish_reason: &'static str,
}

#[derive(Default, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning_content: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thinking_blocks: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    arguments: &'a str,
}

pub(super) fn decode(call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
    let said = Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
    if said.raw("error").is_some() || word(&said, "type") == "error" {
        return Err(fault::in_band(body));
    }
    let blocks = said.raw("content").and_then(|blocks| serde_json::from_str(blocks.get()).ok());
    let blocks: Vec<&RawValue> =
        blocks.ok_or_else(|| bad_answer("the provider's answer has no `content`"))?;
    let mut message = Message::read(&blocks);
    message.refusal = explanation(&said);
    let mut tally = Tally::default();
    if let Some(usage) = said.raw("usage") {
        tally.note(usage, Stand::Final);
    }
    let consumed = tally.consumed();
    let counted = if consumed.usage.is_some() { String::new() } else { message.generated() };
    let completion = Completion {
        id: id(&said),
        object: "chat.completion",
        created: call.asked_at_s,
        model: &call.alias,
        usage: tally.shown(),
        choices: [Choice {
            index: 0,
            logprobs: None,
            finish_reason: finish_reason(&word(&said, "stop_reason"), message.tool_calls.len())?,
            message,
        }],
    };
    let body =
        serde_json::to_vec(&completion).map_err(|_| bad_answer("the provider's answer cannot be read"))?;
    Ok(Decoded { body: body.into(), consumed, text: counted })
}

impl<'a> Message<'a> {
    fn read(blocks: &[&'a RawValue]) -> Self {
        let mut message = Self { role: "assistant", ..Self::default() };
        let mut content = String::new();
        for raw in blocks {
            let Some(block) = Members::read(raw.get()) else { continue };
            match &*word(&block, "type") {
                "text" => content.push_str(&word(&block, "text")),
                "thinking" => {
                    message.reasoning_content.push_str(&word(&block, "thinking"));
                    message.thinking_blocks.push(raw);
                }
                "redacted_thinking" => message.thinking_blocks.push(raw),
                "tool_use" if word(&block, "name") == ANSWER_TOOL => content.push_str(input(&block)),
                "tool_use" => message.tool_calls.push(ToolCall {
                    id: word(&block, "id"),
                    kind: "function",
                    function: Function { name: word(&block, "name"), arguments: input(&block) },
                }),
                _ => {}
            }
        }
        let says_nothing = content.is_empty() && !message.tool_calls.is_empty();
        message.content = (!says_nothing).then_some(content);
        message
    }

    /// Everything that cost tokens, as far as it is kept for counting.
    fn generated(&self) -> String {
        let mut generated = Generated::new(COUNTED_TEXT_MAX);
        generated.push(&self.reasoning_content);
        generated.push(self.content.as_deref().unwrap_or_default());
        for call in &self.tool_calls {
            generated.push(&call.function.name);
            generated.push(call.function.arguments);
        }
        generated.text
    }
}

/// A string member; empty where it is none.
pub(super) fn word<'a>(members: &Members<'a>, name: &str) -> Cow<'a, str> {
    members.text(name).ok().flatten().unwrap_or_default()
}

/// A call's arguments as they stand.
pub(super) fn input<'a>(block: &Members<'a>) -> &'a str {
    block.raw("input").map_or("{}", RawValue::get)
}

/// The answer's id in OpenAI's form, with the vendor's own inside.
pub(super) fn id(message: &Members<'_>) -> String {
    match &*word(message, "id") {
        "" => "chatcmpl-unknown".to_owned(),
        id => format!("chatcmpl-{id}"),
    }
}

/// Why the model refused, where the vendor says it.
pub(super) fn explanation<'a>(said: &Members<'a>) -> Option<Cow<'a, str>> {
    let details = said.object("stop_details").ok().flatten()?;
    let is_refusal = word(said, "stop_reason") == "refusal";
    details.text("explanation").ok().flatten().filter(|_| is_refusal)
}

/// OpenAI's word for why the model stopped, given how many calls the client sees. What is not said, or
/// not known, is some way to stop; an answer given with [`ANSWER_TOOL`] is no call.
pub(super) fn finish_reason(stop_reason: &str, calls: usize) -> Result<&'static str, Fault> {
    match finish::meaning(stop_reason) {
        Meaning::Broken(class) => {
            Err(Fault::new(class, format!("the provider broke off with `{}`", scrub(stop_reason))))
        }
        Meaning::Says("\"tool_calls\"") if calls == 0 => Ok("stop"),
        Meaning::Says(quoted) => Ok(quoted.trim_matches('"')),
        Meaning::Unfinished | Meaning::Same if calls > 0 => Ok("tool_calls"),
        Meaning::Unfinished | Meaning::Same => Ok("stop"),
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::fault::Class;

    use super::*;

    #[test]
    fn why_the_model_stopped_is_said_in_openai_s_words() {
        for (word, calls, expected) in [
            ("end_turn", 0, "stop"),
            ("stop_sequence", 0, "stop"),
            ("pause_turn", 0, "stop"),
            ("a_reason_of_the_future", 0, "stop"),
            ("max_tokens", 1, "length"),
            ("model_context_window_exceeded", 0, "length"),
            ("tool_use", 1, "tool_calls"),
            ("tool_use", 0, "stop"),
            ("refusal", 0, "content_filter"),
            ("", 0, "stop"),
            ("", 2, "tool_calls"),
        ] {
            assert_eq!(finish_reason(word, calls).unwrap(), expected, "{word} {calls}");
        }
        assert_eq!(finish_reason("error", 0).unwrap_err().class, Class::Internal);
    }
}
