//! Reading a chat completion, or one chunk of it, in place: what routing and accounting need to know,
//! where the members stand that are said differently to clients, and what OpenAI's form lacks in it.
//!
//! Vendors leave members out or give them other types; nothing but broken JSON is an error here.

mod calls;

use std::ops::Range;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use self::calls::{Function, ToolCalls};
use crate::json::{self, Name, Reader, With};

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
    /// `x_groq.usage`, unless it is `null`.
    pub groq_usage: Option<&'a str>,
    /// `error`, unless it is `null`.
    pub error: Option<Member<'a>>,
    pub choices: Choices,
    /// The choices that appear: [`choice_bit`]s.
    pub seen: u128,
    pub finishes: Vec<Finish<'a>>,
    /// In no order; they never overlap.
    pub repairs: Vec<Repair>,
    /// Where a further member can be put.
    pub closing_brace: usize,
}

impl<'a> Completion<'a> {
    /// Reads a completion or chunk; what it generated is appended to `generated`.
    pub fn read(text: &'a str, generated: &mut Generated) -> serde_json::Result<Self> {
        let mut top = Top { text, said: Completion::default(), generated, calls_tools: false };
        json::read(text, &mut top)?;
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
    fn member(&self, value: &'a RawValue) -> Option<Member<'a>> {
        let raw = value.get();
        Some(Member { raw, place: json::place(self.text, raw) })
    }

    fn unless_null(&self, value: &'a RawValue) -> Option<Member<'a>> {
        self.member(value).filter(|member| member.raw != "null")
    }

    fn repair(&mut self, place: Range<usize>, text: String) {
        self.said.repairs.push(Repair { place, text });
    }

    /// An insertion before an object's first member, given its name.
    fn insert_before(&mut self, first: Option<&'a str>, text: String) {
        if let Some(first) = first {
            let at = json::place(self.text, first).start.saturating_sub("\"".len());
            self.repair(at..at, text);
        }
    }

    /// Keeps a value's text, if it is a string and there is room.
    fn generate(&mut self, value: &str) {
        if self.generated.text.len() >= self.generated.limit_bytes {
            return;
        }
        match value.get(1..value.len().saturating_sub(1)) {
            Some(plain) if value.starts_with('"') && !plain.contains('\\') => self.generated.push(plain),
            Some(_) if value.starts_with('"') => {
                self.generated.push(&serde_json::from_str::<String>(value).unwrap_or_default());
            }
            _ => {}
        }
    }

    /// `content`: a string, or (Mistral's reasoning models) an array of parts, made a string.
    fn content(&mut self, value: &'a str) {
        if !value.starts_with('[') {
            return self.generate(value);
        }
        let mut parts = String::new();
        if json::read(value, Parts(&mut parts)).is_ok() {
            self.generated.push(&parts);
            self.repair(json::place(self.text, value), json::quoted(&parts));
        }
    }
}

impl<'a> Reader<'a> for &mut Top<'a, '_> {
    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        self.said.is_object = true;
        while let Some(name) = map.next_key::<Name<'a>>()? {
            match name.as_str() {
                "id" => self.said.id = self.member(map.next_value()?),
                "object" => self.said.object = self.member(map.next_value()?),
                "created" => self.said.created = self.member(map.next_value()?),
                "model" => self.said.model = self.member(map.next_value()?),
                "usage" => self.said.usage = self.unless_null(map.next_value()?),
                "error" => self.said.error = self.unless_null(map.next_value()?),
                "x_groq" => map.next_value_seed(With(GroqUsage(&mut self.said.groq_usage)))?,
                "choices" => {
                    self.said.choices = Choices::NoArray;
                    map.next_value_seed(With(ChoiceList(&mut *self)))?;
                    self.repair_null_choices(name.in_text());
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl<'a> Top<'a, '_> {
    /// Puts an array where `choices` is `null`.
    fn repair_null_choices(&mut self, name: Option<&'a str>) {
        let Some(name) = name.filter(|_| self.said.choices == Choices::NoArray) else { return };
        let after = self.text.get(json::place(self.text, name).end..).unwrap_or_default();
        let Some(value) = after.strip_prefix('"').and_then(|rest| rest.trim_start().strip_prefix(':')) else {
            return;
        };
        let value = value.trim_start();
        if value.starts_with("null") {
            let start = json::place(self.text, value).start;
            self.said.choices = Choices::Array { count: 0 };
            self.repair(start..start + "null".len(), "[]".to_owned());
        }
    }
}

struct GroqUsage<'x, 'a>(&'x mut Option<&'a str>);

impl<'a> Reader<'a> for GroqUsage<'_, 'a> {
    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<Name<'a>, &'a RawValue>()? {
            if name.as_str() == "usage" && value.get() != "null" {
                *self.0 = Some(value.get());
            }
        }
        Ok(())
    }
}

struct ChoiceList<'x, 'a, 'y>(&'x mut Top<'a, 'y>);

impl<'a> Reader<'a> for ChoiceList<'_, 'a, '_> {
    fn array<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut count = 0;
        while seq.next_element_seed(With(Choice { top: self.0, ordinal: count as u64 }))?.is_some() {
            count += 1;
        }
        self.0.said.choices = Choices::Array { count };
        Ok(())
    }
}

struct Choice<'x, 'a, 'y> {
    top: &'x mut Top<'a, 'y>,
    ordinal: u64,
}

impl<'a> Reader<'a> for Choice<'_, 'a, '_> {
    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut first = None;
        let mut index = None;
        let mut finish = None;
        self.top.calls_tools = false;
        while let Some(name) = map.next_key::<Name<'a>>()? {
            first = first.or(name.in_text());
            match name.as_str() {
                "index" => map.next_value_seed(With(Count(&mut index)))?,
                "finish_reason" => finish = Some(map.next_value::<&'a RawValue>()?.get()),
                "delta" | "message" => map.next_value_seed(With(Delta(self.top)))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if index.is_none() {
            self.top.insert_before(first, format!("\"index\":{},", self.ordinal));
        }
        let choice = index.unwrap_or(self.ordinal);
        self.top.said.seen |= choice_bit(choice);
        if let Some(raw) = finish
            && let Some(word) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        {
            let place = json::place(self.top.text, raw);
            let calls_tools = self.top.calls_tools;
            self.top.said.finishes.push(Finish { choice, word, place, calls_tools });
        }
        Ok(())
    }
}

struct Delta<'x, 'a, 'y>(&'x mut Top<'a, 'y>);

impl<'a> Reader<'a> for Delta<'_, 'a, '_> {
    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_reasoning = false;
        while let Some(name) = map.next_key::<Name<'a>>()? {
            match name.as_str() {
                "content" => self.0.content(map.next_value::<&'a RawValue>()?.get()),
                "refusal" => self.0.generate(map.next_value::<&'a RawValue>()?.get()),
                // The same text under two names: some vendors send both.
                "reasoning_content" | "reasoning" => {
                    let value = map.next_value::<&'a RawValue>()?.get();
                    if !has_reasoning {
                        self.0.generate(value);
                    }
                    has_reasoning |= value.len() > 2 && value.starts_with('"');
                }
                "tool_calls" => map.next_value_seed(With(ToolCalls(self.0)))?,
                "function_call" => {
                    map.next_value_seed(With(Function { top: self.0, has_name: &mut false }))?
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Count<'x>(&'x mut Option<u64>);

impl Reader<'_> for Count<'_> {
    fn count(self, count: u64) {
        *self.0 = Some(count);
    }
}

/// The text of content parts of type `text`.
struct Parts<'x>(&'x mut String);

impl<'a> Reader<'a> for Parts<'_> {
    fn array<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(With(Part(self.0)))?.is_some() {}
        Ok(())
    }
}

struct Part<'x>(&'x mut String);

impl<'a> Reader<'a> for Part<'_> {
    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<Name<'a>, &'a RawValue>()? {
            if name.as_str() == "text" {
                self.0.push_str(&serde_json::from_str::<String>(value.get()).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn text(self, text: &str) {
        self.0.push_str(text);
    }
}

#[cfg(test)]
mod tests;
