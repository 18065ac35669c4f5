//! Messages as the vendor takes them: one text each, with images beside it.

use std::{borrow::Cow, collections::HashMap};

use nexus_wire::conversation::{
    members::{Members, Wrong},
    message::{Content, Message, Part, Role, ToolCall},
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::part::{
    arguments,
    data_url::{self, Url},
};

#[derive(Serialize)]
pub(super) struct Turn<'a> {
    role: &'static str,
    content: Cow<'a, str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    thinking: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    /// Which function a result is of; older servers know it by its name only.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tool_call_id: Cow<'a, str>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: Cow<'a, str>,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    arguments: Box<RawValue>,
}

pub(super) fn read(messages: Vec<Message<'_>>) -> Result<Vec<Turn<'_>>, Wrong> {
    let mut names = HashMap::new();
    let mut turns = Vec::with_capacity(messages.len());
    for (at, message) in messages.into_iter().enumerate() {
        names.extend(message.calls.iter().map(|call| (call.id.clone(), call.name.clone())));
        let tool_name = names.get(&message.call_id).cloned();
        let turn = Turn::of(message, tool_name).map_err(|wrong| wrong.under(&format!("messages[{at}]")))?;
        turns.push(turn);
    }
    Ok(turns)
}

impl<'a> Turn<'a> {
    fn of(message: Message<'a>, tool_name: Option<Cow<'a, str>>) -> Result<Self, Wrong> {
        let Message { role, parts, calls, call_id, thinking_blocks, .. } = message;
        let (content, images) = content(parts)?;
        Ok(Self {
            role: match role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
            },
            content,
            thinking: thinking_blocks.iter().filter_map(thought).collect(),
            images,
            tool_calls: calls.into_iter().map(Call::of).collect(),
            tool_name: tool_name.filter(|_| role == Role::Tool),
            tool_call_id: call_id,
        })
    }
}

/// The texts, a line apart, and the images.
fn content(parts: Vec<Part<'_>>) -> Result<(Cow<'_, str>, Vec<Cow<'_, str>>), Wrong> {
    let mut said = Cow::Borrowed("");
    let mut images = Vec::new();
    for (at, part) in parts.into_iter().enumerate() {
        let wrong = match part.content {
            Content::Text(text) if said.is_empty() => {
                said = text;
                continue;
            }
            Content::Text(text) => {
                said.to_mut().push('\n');
                said.to_mut().push_str(&text);
                continue;
            }
            Content::Image(url) => match data_url::read(url) {
                Some(Url::Inline { data, .. }) => {
                    images.push(data);
                    continue;
                }
                _ => Wrong::new("image_url.url", "base64 in a `data:` URL: this model fetches nothing"),
            },
            Content::Audio(_) | Content::File(_) | Content::Other(_) => {
                Wrong::new("type", "`text` or `image_url` for this model")
            }
        };
        return Err(wrong.under(&format!("content[{at}]")));
    }
    Ok((said, images))
}

/// A thought as it was given out.
fn thought<'a>(block: &Members<'a>) -> Option<Cow<'a, str>> {
    (block.word("type") == "thinking").then(|| block.word("thinking"))
}

impl<'a> Call<'a> {
    fn of(call: ToolCall<'a>) -> Self {
        let ToolCall { id, name, arguments, .. } = call;
        Self { id, function: Function { name, arguments: arguments::object(&arguments) } }
    }
}
