//! A whole answer of the vendor's as a chat completion.

use std::borrow::Cow;

use bytes::Bytes;
use nexus_core::{call::Call, fault::Fault};
use nexus_wire::conversation::members::Members;
use serde_json::value::RawValue;

use super::{
    super::{Decoded, bad_answer},
    usage,
};
use crate::part::{
    completion::{Message, ToolCall},
    fault, finish,
};

pub(super) fn decode(call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
    let said = Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
    // an error is `{"id","message"}` with a text where an answer has its message
    let is_error = said.raw("message").is_some_and(|message| message.get().starts_with('"'));
    if is_error || said.raw("error").is_some() {
        return Err(fault::in_band(body));
    }
    let message = said.object("message").ok().flatten();
    let message = message.ok_or_else(|| bad_answer("the provider's answer has no `message`"))?;
    let message = read(&message);
    let reason = finish::reason(&said.word("finish_reason"), message.tool_calls.len())?;
    message.complete(call, &said.word("id"), reason, usage::consumed(said.raw("usage")))
}

fn read<'a>(said: &Members<'a>) -> Message<'a> {
    let mut message = Message::assistant();
    message.reasoning_content.push_str(&said.word("tool_plan"));
    for raw in elements(said, "content") {
        let Some(part) = Members::read(raw.get()) else { continue };
        match &*part.word("type") {
            "text" => message.say(&part.word("text")),
            "thinking" => {
                message.reasoning_content.push_str(&part.word("thinking"));
                message.thinking_blocks.push(Cow::Borrowed(raw));
            }
            _ => {}
        }
    }
    for raw in elements(said, "tool_calls") {
        let Some(called) = Members::read(raw.get()) else { continue };
        let function = called.object("function").ok().flatten().unwrap_or_default();
        message.tool_calls.push(ToolCall::new(
            called.word("id"),
            function.word("name"),
            arguments(function.word("arguments")),
        ));
    }
    message.citations = elements(said, "citations");
    message
}

fn elements<'a>(said: &Members<'a>, name: &str) -> Vec<&'a RawValue> {
    said.raw(name).and_then(|elements| serde_json::from_str(elements.get()).ok()).unwrap_or_default()
}

/// The vendor says `null` of a function that takes none.
fn arguments(said: Cow<'_, str>) -> Cow<'_, str> {
    match said.trim() {
        "" | "null" => Cow::Borrowed("{}"),
        _ => said,
    }
}
