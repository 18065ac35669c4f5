//! A whole answer of the vendor's as a chat completion.
//!
//! Kinds of blocks that are not known are passed over. Thoughts are shown as those of Anthropic's own API
//! are, so that a client can send them back whichever way the next turn goes.

use std::borrow::Cow;

use bytes::Bytes;
use nexus_core::{call::Call, fault::Fault};
use nexus_wire::conversation::members::Members;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

pub(super) use super::super::anthropic::answer::{input, word};
use super::{
    super::{Consumed, Decoded, bad_answer},
    usage,
};
use crate::part::{
    completion::{Message, ToolCall},
    finish,
    structured::ANSWER_TOOL,
};

/// The vendor gives its answers no id.
pub(super) const NO_ID: &str = "";

/// A thought in the form that clients know.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Thought<'a> {
    Thinking {
        thinking: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
}

pub(super) fn decode(call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
    let said = Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
    let message = said.object("output").ok().flatten().and_then(|output| output.object("message").ok()?);
    let blocks = message.and_then(|message| serde_json::from_str(message.raw("content")?.get()).ok());
    let blocks: Vec<Members<'_>> =
        blocks.ok_or_else(|| bad_answer("the provider's answer has no `output.message.content`"))?;
    let mut message = Message::assistant();
    for block in &blocks {
        read(block, &mut message);
    }
    let consumed = said.raw("usage").map_or_else(Consumed::default, usage::consumed);
    let reason = finish::reason(&word(&said, "stopReason"), message.tool_calls.len())?;
    message.complete(call, NO_ID, reason, consumed)
}

fn read<'a>(block: &Members<'a>, message: &mut Message<'a>) {
    let inner = |name| block.object(name).ok().flatten();
    message.say(&word(block, "text"));
    if let Some(reasoning) = inner("reasoningContent") {
        think(&reasoning, message);
    }
    if let Some(cited) = inner("citationsContent") {
        let parts = cited.raw("content").and_then(|parts| serde_json::from_str(parts.get()).ok());
        let parts: Vec<Members<'_>> = parts.unwrap_or_default();
        parts.iter().for_each(|part| message.say(&word(part, "text")));
    }
    match inner("toolUse") {
        Some(call) if word(&call, "name") == ANSWER_TOOL => message.say(input(&call)),
        Some(call) => {
            let (id, name) = (word(&call, "toolUseId"), word(&call, "name"));
            message.tool_calls.push(ToolCall::new(id, name, input(&call)));
        }
        None => {}
    }
}

fn think(reasoning: &Members<'_>, message: &mut Message<'_>) {
    let thought = |thought: Thought<'_>| to_raw_value(&thought).ok().map(Cow::<RawValue>::Owned);
    if let Some(said) = reasoning.object("reasoningText").ok().flatten() {
        let (thinking, signature) = (word(&said, "text"), word(&said, "signature"));
        message.reasoning_content.push_str(&thinking);
        let said = Thought::Thinking { thinking: &thinking, signature: &signature };
        message.thinking_blocks.extend(thought(said));
    }
    let data = word(reasoning, "redactedContent");
    if !data.is_empty() {
        message.thinking_blocks.extend(thought(Thought::RedactedThinking { data: &data }));
    }
}
