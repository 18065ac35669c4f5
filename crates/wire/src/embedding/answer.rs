//! Answers to embedding requests: read in place, or made from vectors.
//!
//! A number that is not finite cannot be written; whoever has one has no answer.

use std::{fmt::Write as _, ops::Range};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::Encoding;
use crate::{
    completion::Member,
    json::{self, Cursor, Kind, Malformed},
    usage::TokenUsage,
};

/// An answer, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer<'a> {
    /// How many entries `data` has; `None` if it is no array.
    pub count: Option<usize>,
    pub model: Option<Member<'a>>,
    pub usage: Option<Member<'a>>,
    /// What `usage` counts to, if it can be believed.
    pub tokens: Option<TokenUsage>,
    /// `error`, unless it is `null`.
    pub error: Option<Member<'a>>,
    /// The vectors as they stand.
    pub vectors: Vec<Member<'a>>,
    /// Where a further member can be put; `None` if it is no object with at least one.
    pub closing_brace: Option<usize>,
}

impl<'a> Answer<'a> {
    pub fn read(text: &'a str) -> Result<Self, Malformed> {
        let mut said = Self::default();
        let mut has_members = false;
        json::read(text, |cursor| {
            cursor.object(|cursor, name| {
                has_members = true;
                match &*name.unescaped() {
                    "model" => said.model = Some(member(text, cursor.value()?)),
                    "error" => said.error = unless_null(text, cursor.value()?),
                    "usage" => said.usage = unless_null(text, cursor.value()?),
                    "data" => said.data(text, cursor)?,
                    _ => drop(cursor.value()?),
                }
                Ok(())
            })?;
            Ok(())
        })?;
        said.tokens = said.usage.as_ref().and_then(|usage| TokenUsage::read(usage.raw));
        said.closing_brace = has_members.then(|| text.trim_end().len().saturating_sub(1));
        Ok(said)
    }

    fn data(&mut self, text: &'a str, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        self.count = cursor.array(|cursor, _| {
            cursor.object(|cursor, name| {
                let is_vector = name.unescaped() == "embedding" && cursor.kind() != Kind::Object;
                let value = cursor.value()?;
                if is_vector {
                    self.vectors.push(member(text, value));
                }
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    }
}

fn member<'a>(text: &str, raw: &'a str) -> Member<'a> {
    let place: Range<usize> = json::place(text, raw);
    Member { raw, place }
}

fn unless_null<'a>(text: &str, raw: &'a str) -> Option<Member<'a>> {
    (raw != "null").then(|| member(text, raw))
}

/// A vector has a number that is infinite or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFinite;

/// A whole answer. The usage of embeddings is their prompt's tokens.
pub fn render(
    alias: &str,
    vectors: &[Vec<f32>],
    encoding: Encoding,
    prompt_tokens: u64,
) -> Result<Bytes, NotFinite> {
    let numbers: usize = vectors.iter().map(Vec::len).sum();
    let mut out = String::with_capacity(256 + 64 * vectors.len() + 12 * numbers);
    out.push_str("{\"object\":\"list\",\"data\":[");
    for (index, vector) in vectors.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // writing into a string cannot fail
        let _infallible = write!(out, "{comma}{{\"object\":\"embedding\",\"index\":{index},\"embedding\":");
        if vector.iter().any(|number| !number.is_finite()) {
            return Err(NotFinite);
        }
        match encoding {
            Encoding::Float => floats(&mut out, vector),
            Encoding::Base64 => base64(&mut out, vector),
        }
        out.push('}');
    }
    let model = json::quoted(alias);
    let _infallible = write!(
        out,
        "],\"model\":{model},\"usage\":{{\"prompt_tokens\":{prompt_tokens},\"total_tokens\":{prompt_tokens}}}}}"
    );
    Ok(out.into())
}

fn floats(out: &mut String, vector: &[f32]) {
    out.push('[');
    for (at, number) in vector.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _infallible = write!(out, "{comma}{number:?}");
    }
    out.push(']');
}

fn base64(out: &mut String, vector: &[f32]) {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    out.push('"');
    STANDARD.encode_string(bytes, out);
    out.push('"');
}

/// A vector that stands as an array of numbers, in base64; `None` if it is none.
pub fn as_base64(raw: &str) -> Option<String> {
    let vector: Vec<f32> = serde_json::from_str(raw).ok()?;
    let mut out = String::with_capacity(8 + vector.len() * 16 / 3);
    base64(&mut out, &vector);
    Some(out)
}

/// A vector that stands in base64, as an array of numbers; `None` if it is none.
pub fn as_floats(raw: &str) -> Option<String> {
    let text: String = serde_json::from_str(raw).ok()?;
    let bytes = STANDARD.decode(text).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    let vector: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    if !rest.is_empty() || vector.iter().any(|number| !number.is_finite()) {
        return None;
    }
    let mut out = String::with_capacity(2 + vector.len() * 12);
    floats(&mut out, &vector);
    Some(out)
}
