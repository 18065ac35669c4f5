//! Requests of operations whose words go through as they are: completions, moderations, images and audio.
//!
//! Only what decides where they go and what they are booked with is read. As in a chat request, a member the gateway
//! acts on must stand in the body once.

mod answer;
mod file;
mod form;

use std::ops::Range;

pub use self::{
    answer::{Answer, Spent},
    file::FormFile,
    form::{Form, Scan},
};
use crate::{
    chat::{BodyError, count, flag, model, readable, unreadable},
    json::{self, Cursor, Malformed},
    references::Reference,
};

/// The members that are looked at.
const KNOWN: [&str; 6] = ["model", "stream", "n", "max_tokens", "user", "input"];

/// The members of a request that matter to the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedRequest {
    /// `None` where the request leaves it to the provider.
    pub model: Option<Named>,
    pub is_stream: bool,
    pub n: Option<u64>,
    pub max_tokens: Option<u64>,
    pub user: Option<String>,
    /// Characters of `input`, where that is a text.
    pub characters: u64,
    /// Whether the body is a form and not JSON.
    pub is_form: bool,
    /// What a form refers to.
    pub references: Vec<Reference>,
}

/// The name of a model, and where it stands in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    /// In JSON with its quotes.
    pub place: Range<usize>,
}

impl PassedRequest {
    /// Reads a JSON body in one pass; its values are validated as JSON and otherwise left alone.
    ///
    /// # Errors
    /// If it is no object of JSON, or a member that matters cannot be what it says.
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
        let [said, stream, n, max_tokens, user, input] = found.values;
        let named = match said.filter(|said| *said != "null") {
            None => None,
            said => {
                let (name, raw) = model(said)?;
                Some(Named { name, place: json::place(text, raw) })
            }
        };
        Ok(Self {
            model: named,
            is_stream: flag("stream", stream)?,
            n: count("n", n)?,
            max_tokens: count("max_tokens", max_tokens)?,
            user: user.and_then(|user| serde_json::from_str(user).ok()),
            characters: input
                .and_then(|input| serde_json::from_str::<String>(input).ok())
                .map_or(0, |input| input.chars().count() as u64),
            is_form: false,
            references: Vec::new(),
        })
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_read_and_a_model_may_be_left_away() {
        let body = br#"{"input":"h\u00e9llo","model":"tts","stream":true,"n":2,"user":"u"}"#;
        let read = PassedRequest::read(body).unwrap();
        let named = read.model.unwrap();
        assert_eq!((named.name.as_str(), &body[named.place]), ("tts", &br#""tts""#[..]));
        assert_eq!((read.characters, read.n, read.is_stream), (5, Some(2), true));
        assert_eq!(read.user.as_deref(), Some("u"));
        let bare = PassedRequest::read(br#"{"input":["a"],"model":null}"#).unwrap();
        assert_eq!(bare, PassedRequest::default());
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (body, param) in [
            (r#"{"model":1}"#, Some("model")),
            (r#"{"model":"a","model":"b"}"#, Some("model")),
            (r#"{"stream":"yes"}"#, Some("stream")),
            (r#"{"n":-1}"#, Some("n")),
            ("[]", None),
            ("{", None),
        ] {
            let refused = PassedRequest::read(body.as_bytes()).unwrap_err();
            assert_eq!(refused.param.as_deref(), param, "{body}");
        }
    }
}
