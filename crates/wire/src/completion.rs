//! Reading a chat completion, or one chunk of it, in place: what routing and accounting need to know,
//! where the members stand that are said differently to clients, and what OpenAI's form lacks in it.
//!
//! Vendors leave members out or give them other types; nothing but broken JSON is an error here.

mod calls;

use std::ops::Range;

use crate::{
    json::{self, Cursor, Kind, Malformed, Text},
    usage::TokenUsage,
};

/// A member's value as it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    pub raw: &'a str,
    pub place: Range<usize>,
}

/// A choice's `finish_reason`, where it is a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish<'a> {
    pub choice: u64,
    /// The word, without quotes, escapes as they stand.
    pub word: &'a str,
    /// The value with its quotes.
    pub place: Range<usize>,
    /// Whether the choice, in this text, calls tools.
    pub calls_tools: bool,
}

/// What must be put into the text to make it OpenAI's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    pub place: Range<usize>,
    pub text: String,
}

/// What stands under `choices`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choices {
    #[default]
    Absent,
    /// There, but no array.
    NoArray,
    Array {
        count: usize,
    },
}

/// A choice's bit in a set of choices. Those from 127 on share the last one.
pub fn choice_bit(index: u64) -> u128 {
    1 << index.min(127)
}

/// Text that was generated, kept for counting tokens; bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    pub text: String,
    limit_bytes: usize,
}

impl Generated {
    /// Keeps the first `limit_bytes` of what is generated.
    pub fn new(limit_bytes: usize) -> Self {
        Self { text: String::new(), limit_bytes }
    }

    fn has_room(&self) -> bool {
        self.text.len() < self.limit_bytes
    }

    /// Keeps a piece, as far as there is room.
    pub fn push(&mut self, piece: &str) {
        let mut room = self.limit_bytes.saturating_sub(self.text.len()).min(piece.len());
        while !piece.is_char_boundary(room) {
            room -= 1;
        }
        self.text.push_str(piece.get(..room).unwrap_or_default());
    }
}

/// A completion or a chunk, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion<'a> {
    /// False for any other kind of value; then nothing else is said.
    pub is_object: bool,
    pub id: Option<Member<'a>>,
    pub object: Option<Member<'a>>,
    pub created: Option<Member<'a>>,
    pub model: Option<Member<'a>>,
    /// `usage`, unless it is `null`.
    pub usage: Option<Member<'a>>,
    /// What `usage` counts to, if it can be believed.
    pub tokens: Option<TokenUsage>,
    /// `x_groq.usage`, unless it is `null`.
    pub groq_usage: Option<&'a str>,
    /// `service_tier`, where it is a string: the word, escapes as they stand.
    pub service_tier: Option<&'a str>,
    /// `error`, unless it is `null`; or `base_resp` (MiniMax), if it says any.
    pub error: Option<Member<'a>>,
    pub choices: Choices,
    /// The choices that appear: [`choice_bit`]s.
    pub seen: u128,
    pub finishes: Vec<Finish<'a>>,
    /// In no order; they never overlap.
    pub repairs: Vec<Repair>,
    /// Where a `message` or a `delta` can be put into the choices that have neither.
    pub bare: Vec<usize>,
    /// Where a further member can be put.
    pub closing_brace: usize,
}

impl<'a> Completion<'a> {
    /// Reads a completion or chunk; what it generated is appended to `generated`.
    pub fn read(text: &'a str, generated: &mut Generated) -> Result<Self, Malformed> {
        let mut top = Top { text, said: Completion::default(), generated, calls_tools: false };
        json::read(text, |cursor| top.take(cursor))?;
        let mut said = top.said;
        said.closing_brace = text.trim_end().len().saturating_sub(1);
        Ok(said)
    }
}

struct Top<'a, 'x> {
    text: &'a str,
    said: Completion<'a>,
    generated: &'x mut Generated,
    /// Whether the current choice calls tools.
    calls_tools: bool,
}

impl<'a> Top<'a, '_> {
    fn take(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        self.said.is_object = cursor.object(|cursor, name| {
            match &*name.unescaped() {
                "id" => self.said.id = Some(self.member(cursor.value()?)),
                "object" => self.said.object = Some(self.member(cursor.value()?)),
                "created" => self.said.created = Some(self.member(cursor.value()?)),
                "model" => self.said.model = Some(self.member(cursor.value()?)),
                "usage" => self.usage(cursor)?,
                "service_tier" => {
                    let raw = cursor.value()?;
                    self.said.service_tier = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
                }
                "error" => self.said.error = self.unless_null(cursor.value()?),
                "base_resp" => self.base_resp(cursor)?,
                "x_groq" => self.groq(cursor)?,
                "choices" => self.choices(cursor)?,
                _ => drop(cursor.value()?),
            }
            Ok(())
        })?;
        Ok(())
    }

    fn member(&self, raw: &'a str) -> Member<'a> {
        Member { raw, place: json::place(self.text, raw) }
    }

    fn unless_null(&self, raw: &'a str) -> Option<Member<'a>> {
        (raw != "null").then(|| self.member(raw))
    }

    fn repair(&mut self, place: Range<usize>, text: String) {
        self.said.repairs.push(Repair { place, text });
    }

    /// An insertion before an object's first member, given its name.
    fn insert_before(&mut self, first: Option<Text<'a>>, text: String) {
        if let Some(first) = first {
            let at = json::place(self.text, first.inside).start.saturating_sub("\"".len());
            self.repair(at..at, text);
        }
    }

    /// Keeps what the next value says, if it is a string and there is room.
    fn generate(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        if let Some(text) = cursor.string()?
            && self.generated.has_room()
        {
            self.generated.push(&text.unescaped());
        }
        Ok(())
    }

    /// `content`: a string, or (Mistral's reasoning models) an array of parts, made a string with the
    /// thoughts in it beside it.
    fn content(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        if cursor.kind() != Kind::Array {
            return self.generate(cursor);
        }
        let value = cursor.value()?;
        let parts = Parts::read(value)?;
        self.generated.push(&parts.thoughts);
        self.generated.push(&parts.text);
        let mut text = json::quoted(&parts.text);
        if !parts.thoughts.is_empty() {
            text.push_str(",\"reasoning_content\":");
            text.push_str(&json::quoted(&parts.thoughts));
        }
        self.repair(json::place(self.text, value), text);
        Ok(())
    }

    fn usage(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        let mut tokens = None;
        let raw = cursor.spanned(|cursor| {
            tokens = TokenUsage::take(cursor)?;
            Ok(())
        })?;
        self.said.usage = self.unless_null(raw);
        self.said.tokens = tokens;
        Ok(())
    }

    /// `{"status_code":1008,"status_msg":".."}`; 0 is none.
    fn base_resp(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        let mut is_error = false;
        let raw = cursor.spanned(|cursor| {
            let is_object = cursor.object(|cursor, name| {
                let value = cursor.value()?;
                is_error |= name.inside == "status_code" && value != "0";
                Ok(())
            });
            is_object.map(drop)
        })?;
        if is_error {
            self.said.error = Some(self.member(raw));
        }
        Ok(())
    }

    fn groq(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        let is_object = cursor.object(|cursor, name| {
            let value = cursor.value()?;
            if name.inside == "usage" && value != "null" {
                self.said.groq_usage = Some(value);
            }
            Ok(())
        });
        is_object.map(drop)
    }

    /// `null` in the place of the array is made one.
    fn choices(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        if cursor.kind() != Kind::Array {
            let value = cursor.value()?;
            self.said.choices = Choices::NoArray;
            if value == "null" {
                self.said.choices = Choices::Array { count: 0 };
                self.repair(json::place(self.text, value), "[]".to_owned());
            }
            return Ok(());
        }
        let count = cursor.array(|cursor, ordinal| self.choice(cursor, ordinal as u64))?;
        self.said.choices = Choices::Array { count: count.unwrap_or_default() };
        Ok(())
    }

    fn choice(&mut self, cursor: &mut Cursor<'a>, ordinal: u64) -> Result<(), Malformed> {
        let (mut first, mut index, mut finish) = (None, None, None);
        let mut is_bare = true;
        self.calls_tools = false;
        let is_object = cursor.object(|cursor, name| {
            first = first.or(name.plain().map(|_| name));
            match &*name.unescaped() {
                "index" => index = cursor.value()?.parse().ok(),
                "finish_reason" => finish = Some(cursor.value()?),
                "delta" | "message" => {
                    is_bare = false;
                    self.delta(cursor)?;
                }
                _ => drop(cursor.value()?),
            }
            Ok(())
        })?;
        if !is_object {
            return Ok(());
        }
        if let Some(first) = first.filter(|_| is_bare) {
            self.said.bare.push(json::place(self.text, first.inside).start.saturating_sub("\"".len()));
        }
        if index.is_none() {
            self.insert_before(first, format!("\"index\":{ordinal},"));
        }
        let choice = index.unwrap_or(ordinal);
        self.said.seen |= choice_bit(choice);
        if let Some(raw) = finish
            && let Some(word) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        {
            let (place, calls_tools) = (json::place(self.text, raw), self.calls_tools);
            self.said.finishes.push(Finish { choice, word, place, calls_tools });
        }
        Ok(())
    }

    /// `null` in the place of the message is made one.
    fn delta(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        let mut thoughts = Thoughts::default();
        let said = cursor.spanned(|cursor| {
            let is_object = cursor.object(|cursor, name| {
                match &*name.unescaped() {
                    "content" => self.content(cursor)?,
                    "refusal" => self.generate(cursor)?,
                    "reasoning_content" => {
                        thoughts.content = Some(self.thought(cursor, thoughts)?);
                    }
                    "reasoning" => thoughts.other = Some((name, self.thought(cursor, thoughts)?)),
                    "tool_calls" => self.tool_calls(cursor)?,
                    "function_call" => drop(self.function(cursor)?),
                    _ => drop(cursor.value()?),
                }
                Ok(())
            });
            is_object.map(drop)
        })?;
        if said == "null" {
            self.repair(json::place(self.text, said), "{\"content\":null}".to_owned());
        }
        match thoughts {
            Thoughts { content, other: Some((name, raw)) } if is_said(raw) => match content {
                Some(content) if is_said(content) => {}
                Some(empty) => self.repair(json::place(self.text, empty), raw.to_owned()),
                None => self.insert_before(Some(name), format!("\"reasoning_content\":{raw},")),
            },
            _ => {}
        }
        Ok(())
    }

    /// A thought as it stands, counted unless it was said under its other name.
    fn thought(&mut self, cursor: &mut Cursor<'a>, said: Thoughts<'a>) -> Result<&'a str, Malformed> {
        let other = said.content.or(said.other.map(|(_, raw)| raw));
        if other.is_some_and(is_said) {
            return cursor.value();
        }
        cursor.spanned(|cursor| self.generate(cursor))
    }
}

/// What a message or a delta calls its thoughts: some vendors send the same text under both names. Where
/// only `reasoning` says them, `reasoning_content` is made to.
#[derive(Clone, Copy, Default)]
struct Thoughts<'a> {
    /// `reasoning_content`
    content: Option<&'a str>,
    /// `reasoning`
    other: Option<(Text<'a>, &'a str)>,
}

/// Whether a value is a string that says something.
fn is_said(raw: &str) -> bool {
    raw.starts_with('"') && raw != "\"\""
}

/// What an array of content parts says.
#[derive(Default)]
struct Parts {
    /// Of parts of type `text`, and of parts that are plain strings.
    text: String,
    /// Of the parts under `thinking`.
    thoughts: String,
}

impl Parts {
    fn read(value: &str) -> Result<Self, Malformed> {
        let mut parts = Self::default();
        json::read(value, |cursor| cursor.array(|cursor, _| parts.take(cursor)).map(drop))?;
        Ok(parts)
    }

    fn take(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
        if cursor.kind() != Kind::Object {
            self.text.extend(cursor.string()?.map(Text::unescaped));
            return Ok(());
        }
        let is_object = cursor.object(|cursor, name| {
            match (name.inside, cursor.kind()) {
                ("text", _) => self.text.extend(cursor.string()?.map(Text::unescaped)),
                ("thinking", Kind::Array) => self.thoughts.push_str(&Self::read(cursor.value()?)?.text),
                ("thinking", _) => self.thoughts.extend(cursor.string()?.map(Text::unescaped)),
                _ => drop(cursor.value()?),
            }
            Ok(())
        });
        is_object.map(drop)
    }
}

#[cfg(test)]
mod tests;
