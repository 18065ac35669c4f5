//! Embedding requests in OpenAI's words: the members the gateway must know, and where they stand.
//!
//! As in a chat request, a member the gateway acts on must stand in the body once.

mod answer;

use std::ops::Range;

pub use self::answer::{Answer, NotFinite, as_base64, as_floats, render};
use crate::{
    chat::{BodyError, count, model, readable, unreadable},
    json::{self, Cursor, Kind, Malformed},
};

/// The members of an embedding request, as of OpenAI's API of August 2026. Each may stand in a body once.
pub const KNOWN: &[&str] = &["model", "input", "encoding_format", "dimensions", "user"];

/// The most inputs of a request, as OpenAI has it.
pub const INPUTS_MAX: usize = 2048;

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// A JSON array of numbers.
    #[default]
    Float,
    /// The numbers as 32-bit floats, little-endian, in base64.
    Base64,
}

/// What kind of thing is embedded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputForm {
    Text,
    Texts,
    /// One array of token ids.
    Tokens,
    /// Arrays of token ids.
    TokenLists,
}

/// The members of an embedding request that matter to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingRequest {
    pub model: String,
    pub form: InputForm,
    /// How many vectors are wanted.
    pub inputs: usize,
    pub encoding: Encoding,
    pub dimensions: Option<u32>,
    pub user: Option<String>,
    /// The value of `model`, with its quotes.
    pub model_place: Range<usize>,
    /// The value of `input`.
    pub input_place: Range<usize>,
}

impl EmbeddingRequest {
    /// Reads a body in one pass; its values are validated as JSON and otherwise left alone.
    pub fn read(body: &[u8]) -> Result<Self, BodyError> {
        let text = readable(body)?;
        let mut found = Found::default();
        json::read(text, |cursor| found.take(cursor)).map_err(|Malformed| unreadable(text))?;
        if !found.is_object {
            return Err(BodyError::whole("the request body must be a JSON object"));
        }
        if let Some(name) = found.twice {
            return Err(BodyError::twice(name));
        }
        found.check(text)
    }

    /// The texts to be embedded; `None` if they are token ids. `body` is what was read.
    pub fn texts(&self, body: &[u8]) -> Option<Vec<String>> {
        let input = body.get(self.input_place.clone()).unwrap_or_default();
        match self.form {
            InputForm::Text => serde_json::from_slice(input).ok().map(|text| vec![text]),
            InputForm::Texts => serde_json::from_slice(input).ok(),
            InputForm::Tokens | InputForm::TokenLists => None,
        }
    }
}

#[derive(Default)]
struct Found<'a> {
    is_object: bool,
    values: [Option<&'a str>; KNOWN.len()],
    twice: Option<&'static str>,
}

impl<'a> Found<'a> {
    fn take(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        self.is_object = cursor.object(|cursor, name| {
            let value = cursor.value()?;
            let said = name.unescaped();
            let slots = KNOWN.iter().zip(&mut self.values);
            if let Some((known, slot)) = slots.into_iter().find(|(known, _)| **known == said)
                && slot.replace(value).is_some()
            {
                self.twice.get_or_insert(known);
            }
            Ok(())
        })?;
        Ok(())
    }

    fn check(self, text: &str) -> Result<EmbeddingRequest, BodyError> {
        let [name, input, encoding, dimensions, user] = self.values;
        let (model, raw_model) = model(name)?;
        let input = input.filter(|value| *value != "null");
        let input =
            input.ok_or_else(|| BodyError::member("input", "you must provide an `input` parameter"))?;
        let (form, inputs) = inputs(input)?;
        let dimensions = match count("dimensions", dimensions)? {
            None => None,
            Some(count) => Some(u32::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
                BodyError::member("dimensions", "`dimensions` must be an integer of at least 1")
            })?),
        };
        Ok(EmbeddingRequest {
            model,
            form,
            inputs,
            encoding: encoding_of(encoding)?,
            dimensions,
            user: match user.filter(|value| *value != "null") {
                None => None,
                Some(raw) => serde_json::from_str(raw)
                    .map(Some)
                    .map_err(|_| BodyError::member("user", "`user` must be a string"))?,
            },
            model_place: json::place(text, raw_model),
            input_place: json::place(text, input),
        })
    }
}

fn encoding_of(value: Option<&str>) -> Result<Encoding, BodyError> {
    match value {
        None | Some("null" | "\"float\"") => Ok(Encoding::Float),
        Some("\"base64\"") => Ok(Encoding::Base64),
        Some(_) => Err(BodyError::member("encoding_format", "`encoding_format` must be `float` or `base64`")),
    }
}

/// What kind of input it is, and how many vectors it asks for.
fn inputs(value: &str) -> Result<(InputForm, usize), BodyError> {
    let refuse = |message: String| Err(BodyError::member("input", message));
    let strange =
        "`input` must be a string, an array of strings, an array of token ids or an array of such arrays";
    if value.starts_with('"') {
        return Ok((InputForm::Text, 1));
    }
    let mut form = None;
    let mut count = None;
    let mut is_mixed = false;
    let read = json::read(value, |cursor| {
        count = cursor.array(|cursor, _| {
            let element = element(cursor)?;
            is_mixed |= element.is_none() || *form.get_or_insert(element) != element;
            Ok(())
        })?;
        Ok(())
    });
    match (read, count, form.flatten()) {
        (Err(Malformed), ..) | (_, None, _) => refuse(strange.to_owned()),
        _ if is_mixed => refuse(strange.to_owned()),
        (_, _, None) => refuse("`input` must not be an empty array".to_owned()),
        (_, _, Some(InputForm::Tokens)) => Ok((InputForm::Tokens, 1)),
        (_, Some(count), Some(_)) if count > INPUTS_MAX => {
            refuse(format!("`input` has {count} entries; send at most {INPUTS_MAX} at once"))
        }
        (_, Some(count), Some(form)) => Ok((form, count)),
    }
}

/// The kind of input an array of elements such as the next is.
fn element(cursor: &mut Cursor<'_>) -> Result<Option<InputForm>, Malformed> {
    match cursor.kind() {
        Kind::Text => cursor.value().map(|_| Some(InputForm::Texts)),
        Kind::Other => Ok(is_token(cursor.value()?).then_some(InputForm::Tokens)),
        Kind::Array => {
            let mut are_tokens = true;
            let count = cursor.array(|cursor, _| {
                are_tokens &= is_token(cursor.value()?);
                Ok(())
            })?;
            Ok((are_tokens && count > Some(0)).then_some(InputForm::TokenLists))
        }
        Kind::Object => cursor.value().map(|_| None),
    }
}

fn is_token(value: &str) -> bool {
    value.parse::<u32>().is_ok()
}

#[cfg(test)]
mod tests;
