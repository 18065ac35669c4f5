//! Messages as the vendor takes them.

use std::borrow::Cow;

use nexus_wire::conversation::{
    members::{Members, Wrong},
    message::{Content, Message, Part, Role, ToolCall},
};
use serde::Serialize;

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(super) enum Turn<'a> {
    System {
        content: Said<'a>,
    },
    User {
        content: Said<'a>,
    },
    Assistant {
        #[serde(skip_serializing_if = "Said::is_empty")]
        content: Said<'a>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
    },
    Tool {
        tool_call_id: Cow<'a, str>,
        content: Said<'a>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Said<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Piece<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Piece<'a> {
    Text { text: Cow<'a, str> },
    Thinking { thinking: Cow<'a, str> },
    ImageUrl { image_url: Image<'a> },
}

#[derive(Serialize)]
pub(super) struct Image<'a> {
    url: Cow<'a, str>,
}

#[derive(Serialize)]
pub(super) struct Call<'a> {
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

pub(super) fn read(messages: Vec<Message<'_>>) -> Result<Vec<Turn<'_>>, Wrong> {
    let mut turns = Vec::with_capacity(messages.len());
    for (at, message) in messages.into_iter().enumerate() {
        turns.extend(turn(message).map_err(|wrong| wrong.under(&format!("messages[{at}]")))?);
    }
    Ok(turns)
}

/// An assistant that says nothing at all is no turn.
fn turn(message: Message<'_>) -> Result<Option<Turn<'_>>, Wrong> {
    let Message { role, parts, calls, call_id, thinking_blocks, .. } = message;
    Ok(Some(match role {
        Role::System => Turn::System { content: text(parts)? },
        Role::User => Turn::User { content: said(pieces(parts)?) },
        Role::Tool => Turn::Tool { tool_call_id: call_id, content: text(parts)? },
        Role::Assistant => {
            let mut content: Vec<_> = thinking_blocks.iter().filter_map(thought).collect();
            content.extend(pieces(parts)?.into_iter().filter(|piece| !piece.is_blank()));
            if content.is_empty() && calls.is_empty() {
                return Ok(None);
            }
            Turn::Assistant { content: said(content), tool_calls: calls.into_iter().map(Call::of).collect() }
        }
    }))
}

fn pieces(parts: Vec<Part<'_>>) -> Result<Vec<Piece<'_>>, Wrong> {
    let mut pieces = Vec::with_capacity(parts.len());
    for (at, part) in parts.into_iter().enumerate() {
        pieces.push(match part.content {
            Content::Text(text) => Piece::Text { text },
            Content::Image(url) => Piece::ImageUrl { image_url: Image { url } },
            Content::Audio(_) | Content::File(_) | Content::Other(_) => {
                let wrong = Wrong::new("type", "`text` or `image_url` for this model");
                return Err(wrong.under(&format!("content[{at}]")));
            }
        });
    }
    Ok(pieces)
}

/// What may be text only.
fn text(parts: Vec<Part<'_>>) -> Result<Said<'_>, Wrong> {
    let mut pieces = Vec::with_capacity(parts.len());
    for (at, part) in parts.into_iter().enumerate() {
        let Content::Text(text) = part.content else {
            return Err(Wrong::new("type", "`text` for this model").under(&format!("content[{at}]")));
        };
        pieces.push(Piece::Text { text });
    }
    Ok(said(pieces))
}

/// One text is said as such.
fn said(mut pieces: Vec<Piece<'_>>) -> Said<'_> {
    match pieces.pop() {
        None => Said::Text(Cow::Borrowed("")),
        Some(Piece::Text { text }) if pieces.is_empty() => Said::Text(text),
        Some(last) => {
            pieces.push(last);
            Said::Parts(pieces)
        }
    }
}

/// A thought as it was given out.
fn thought<'a>(block: &Members<'a>) -> Option<Piece<'a>> {
    let thinking = block.word("thinking");
    (block.word("type") == "thinking" && !thinking.is_empty()).then_some(Piece::Thinking { thinking })
}

impl Said<'_> {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }
}

impl Piece<'_> {
    fn is_blank(&self) -> bool {
        matches!(self, Self::Text { text } if text.is_empty())
    }
}

impl<'a> Call<'a> {
    fn of(call: ToolCall<'a>) -> Self {
        let ToolCall { id, name, arguments, .. } = call;
        let arguments = if arguments.trim().is_empty() { Cow::Borrowed("{}") } else { arguments };
        Self { id, kind: "function", function: Function { name, arguments } }
    }
}
