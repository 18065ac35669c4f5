//! A chat completion put together anew, for vendors whose answers have another form.
//!
//! What a caller sees as `thinking_blocks` is what the vendor wants back, word for word.

use std::borrow::Cow;

use nexus_core::{call::Call, fault::Fault};
use nexus_wire::completion::Generated;
use serde::Serialize;
use serde_json::value::RawValue;

use super::usage::Shown;
use crate::dialect::{COUNTED_TEXT_MAX, Consumed, Decoded, bad_answer};

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
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
    message: &'a Message<'a>,
    logprobs: Option<u64>,
    finish_reason: &'a str,
}

/// What the model says.
#[derive(Serialize)]
pub(crate) struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    pub(crate) refusal: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reasoning_content: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) thinking_blocks: Vec<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<ToolCall<'a>>,
    /// What passages rest on, as the vendor says it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) citations: Vec<&'a RawValue>,
}

#[derive(Serialize)]
pub(crate) struct ToolCall<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    arguments: Cow<'a, str>,
}

impl<'a> ToolCall<'a> {
    pub(crate) fn new(id: Cow<'a, str>, name: Cow<'a, str>, arguments: impl Into<Cow<'a, str>>) -> Self {
        Self { id, kind: "function", function: Function { name, arguments: arguments.into() } }
    }
}

impl<'a> Message<'a> {
    /// A message that says nothing yet.
    pub(crate) fn assistant() -> Self {
        Self {
            role: "assistant",
            content: None,
            refusal: None,
            reasoning_content: String::new(),
            thinking_blocks: Vec::new(),
            tool_calls: Vec::new(),
            citations: Vec::new(),
        }
    }

    /// Goes on with the text.
    pub(crate) fn say(&mut self, text: &str) {
        self.content.get_or_insert_default().push_str(text);
    }

    /// The whole answer, under the alias that was asked for.
    pub(crate) fn complete(
        mut self,
        call: &Call,
        id: &str,
        finish_reason: &'static str,
        consumed: Consumed,
    ) -> Result<Decoded, Fault> {
        let content = self.content.take().unwrap_or_default();
        self.content = (!content.is_empty() || self.tool_calls.is_empty()).then_some(content);
        let text = if consumed.usage.is_some() { String::new() } else { self.generated() };
        let completion = Completion {
            id,
            object: "chat.completion",
            created: call.asked_at_s,
            model: &call.alias,
            choices: [Choice { index: 0, message: &self, logprobs: None, finish_reason }],
            usage: consumed.usage.map(Shown::of),
        };
        let body = serde_json::to_vec(&completion);
        let body = body.map_err(|_| bad_answer("the provider's answer cannot be read"))?;
        Ok(Decoded { body: body.into(), consumed, text })
    }

    /// Everything that cost tokens, as far as it is kept for counting.
    fn generated(&self) -> String {
        let mut generated = Generated::new(COUNTED_TEXT_MAX);
        generated.push(&self.reasoning_content);
        generated.push(self.content.as_deref().unwrap_or_default());
        for call in &self.tool_calls {
            generated.push(&call.function.name);
            generated.push(&call.function.arguments);
        }
        generated.text
    }
}
