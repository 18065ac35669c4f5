//! One message: who says it, its parts, and the tools it calls or answers.
//!
//! Three members are no part of OpenAI's API: `cache_control` (on a part or the message) marks a prompt's
//! cacheable beginning, and `thinking_blocks` and `extra_content` (on the message or a call) are what an
//! answer gave out to be sent back unchanged.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::members::{self, Members, Wrong};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `system` or `developer`.
    System,
    User,
    Assistant,
    Tool,
}

#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub role: Role,
    /// A string is one part.
    pub parts: Vec<Part<'a>>,
    pub calls: Vec<ToolCall<'a>>,
    /// Which call a [`Role::Tool`] message answers; empty in others.
    pub call_id: Cow<'a, str>,
    pub thinking_blocks: Vec<Members<'a>>,
    /// A vendor's own members under its name.
    pub extra_content: Option<Members<'a>>,
    pub cache_control: Option<&'a RawValue>,
}

#[derive(Clone, Debug)]
pub struct Part<'a> {
    pub content: Content<'a>,
    pub cache_control: Option<&'a RawValue>,
}

#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// `text`, or the words of a `refusal`.
    Text(Cow<'a, str>),
    /// `image_url.url`: an address or a `data:` URL.
    Image(Cow<'a, str>),
    File(File<'a>),
    /// `input_audio`.
    Audio(Audio<'a>),
    /// A kind that only some dialects know, by its `type`.
    Other(Cow<'a, str>),
}

#[derive(Clone, Debug)]
pub struct File<'a> {
    /// `file_data`, usually a `data:` URL.
    pub content: Option<Cow<'a, str>>,
    pub id: Option<Cow<'a, str>>,
    pub name: Option<Cow<'a, str>>,
}

#[derive(Clone, Debug)]
pub struct Audio<'a> {
    /// Base64.
    pub data: Cow<'a, str>,
    /// `wav` or `mp3`, by the letter.
    pub format: Cow<'a, str>,
}

/// A call of a function, as the model made it.
#[derive(Clone, Debug)]
pub struct ToolCall<'a> {
    pub id: Cow<'a, str>,
    pub name: Cow<'a, str>,
    /// What the model said, which need not be JSON.
    pub arguments: Cow<'a, str>,
    /// A vendor's own members under its name.
    pub extra_content: Option<Members<'a>>,
}

impl<'a> Message<'a> {
    pub(super) fn read(value: &'a RawValue) -> Result<Self, Wrong> {
        let members = members::object(value)?;
        let role = role(&members)?;
        let (calls, thinking_blocks) = match role {
            Role::Assistant => (
                members::array(&members, "tool_calls", ToolCall::read)?,
                members::array(&members, "thinking_blocks", members::object)?,
            ),
            _ => (Vec::new(), Vec::new()),
        };
        if members.raw("function_call").is_some() {
            return Err(Wrong::new("function_call", "said with `tool_calls`"));
        }
        Ok(Self {
            role,
            parts: parts(&members)?,
            calls,
            call_id: if role == Role::Tool { members.needed("tool_call_id")? } else { Cow::Borrowed("") },
            thinking_blocks,
            extra_content: extra_content(&members),
            cache_control: members.raw("cache_control"),
        })
    }
}

/// What is no object here is nobody's.
fn extra_content<'a>(members: &Members<'a>) -> Option<Members<'a>> {
    members.raw("extra_content").and_then(|value| Members::read(value.get()))
}

fn role(members: &Members<'_>) -> Result<Role, Wrong> {
    match &*members.needed("role")? {
        "system" | "developer" => Ok(Role::System),
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "tool" => Ok(Role::Tool),
        _ => Err(Wrong::new("role", "`system`, `developer`, `user`, `assistant` or `tool`")),
    }
}

/// `content`, or the words of an assistant's `refusal` that stand beside it.
fn parts<'a>(members: &Members<'a>) -> Result<Vec<Part<'a>>, Wrong> {
    let plain = |text| Part { content: Content::Text(text), cache_control: None };
    let mut parts = match members.raw("content") {
        Some(value) if value.get().starts_with('"') => {
            members.text("content")?.into_iter().map(plain).collect()
        }
        Some(value) if !value.get().starts_with('[') => {
            return Err(Wrong::new("content", "a string or an array of parts"));
        }
        _ => members::array(members, "content", Part::read)?,
    };
    parts.extend(members.text("refusal")?.map(plain));
    Ok(parts)
}

impl<'a> Part<'a> {
    fn read(value: &'a RawValue) -> Result<Self, Wrong> {
        let members = members::object(value)?;
        let kind = members.needed("type")?;
        let content = match &*kind {
            "text" | "refusal" => Content::Text(members.needed(&kind)?),
            "image_url" => Content::Image(image_url(&members)?),
            "file" => {
                let file = members.object("file")?.unwrap_or_default();
                let word = |name| file.text(name).map_err(|wrong| wrong.under("file"));
                Content::File(File {
                    content: word("file_data")?,
                    id: word("file_id")?,
                    name: word("filename")?,
                })
            }
            "input_audio" => {
                let audio = members.object("input_audio")?.unwrap_or_default();
                let word = |name| audio.needed(name).map_err(|wrong| wrong.under("input_audio"));
                Content::Audio(Audio { data: word("data")?, format: word("format")? })
            }
            _ => Content::Other(kind),
        };
        Ok(Self { content, cache_control: members.raw("cache_control") })
    }
}

/// By the letter an object with a `url`; many clients send the string alone.
fn image_url<'a>(members: &Members<'a>) -> Result<Cow<'a, str>, Wrong> {
    match members.raw("image_url") {
        Some(value) if value.get().starts_with('"') => members.needed("image_url"),
        _ => {
            let inner = members.object("image_url")?.unwrap_or_default();
            inner.needed("url").map_err(|wrong| wrong.under("image_url"))
        }
    }
}

impl<'a> ToolCall<'a> {
    fn read(value: &'a RawValue) -> Result<Self, Wrong> {
        let members = members::object(value)?;
        if members.text("type")?.is_some_and(|kind| kind != "function") {
            return Err(Wrong::new("type", "`function`"));
        }
        let function = members.object("function")?.unwrap_or_default();
        let inside = |wrong: Wrong| wrong.under("function");
        Ok(Self {
            id: members.needed("id")?,
            name: function.needed("name").map_err(inside)?,
            arguments: function.text("arguments").map_err(inside)?.unwrap_or_default(),
            extra_content: extra_content(&members),
        })
    }
}
