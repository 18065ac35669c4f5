//! Google's Gemini as clients speak it: a request becomes a chat, and a chat's answer candidates.
//!
//! The model and the way of the answer stand in the URL. What a vendor gave out to be sent back unchanged goes through the
//! client's hands as the `thoughtSignature` of a part: Google's own as it is, others' in a coat of ours.

mod answer;
mod error;
mod events;
mod models;
pub(crate) mod own;
mod part;
mod request;
mod said;
mod schema;
mod seal;
mod tool;
mod turn;

use bytes::{Bytes, BytesMut};
use nexus_core::id::RequestId;
use nexus_wire::{chat::BodyError, error::PublicError};

use super::{Address, Framing, Retold, Speaker, Terms, Told, Tongue, Words};

/// The tongue of everything under `/v1beta`.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

/// What is asked of a model, by its URL's last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `:generateContent`, and `:streamGenerateContent`
    Generate,
    /// `:countTokens`
    Count,
}

impl Gemini {
    /// What a URL behind `/v1beta/models/` asks for, and of which model; `None` where it is nothing that is served.
    pub fn asked(model_and_verb: &str, query: Option<&str>) -> Option<(Verb, Address)> {
        let (model, verb) = model_and_verb.rsplit_once(':')?;
        let events = query
            .unwrap_or_default()
            .split('&')
            .any(|pair| matches!(pair, "alt=sse" | "%24alt=sse" | "$alt=sse"));
        let framing = if events { Framing::Events } else { Framing::Array };
        let (verb, framing) = match verb {
            "generateContent" => (Verb::Generate, None),
            "streamGenerateContent" => (Verb::Generate, Some(framing)),
            "countTokens" => (Verb::Count, None),
            _ => return None,
        };
        (!model.is_empty()).then(|| (verb, Address { model: model.to_owned(), framing }))
    }

    /// A request for the number of its tokens, as a chat.
    pub fn to_count(address: &Address, body: &[u8]) -> Result<Bytes, BodyError> {
        request::to_count(address, body).map(|retold| retold.chat)
    }

    /// The answer to it.
    pub fn counted(tokens: u64) -> Bytes {
        Bytes::from(format!(r#"{{"totalTokens":{tokens}}}"#))
    }

    /// The body of a list of models.
    pub fn models(names: &[&str]) -> Bytes {
        models::list(names)
    }

    /// The body of one model.
    pub fn model(name: &str) -> Bytes {
        models::one(name)
    }
}

impl Tongue for Gemini {
    fn read(&self, address: &Address, body: &[u8], terms: Terms) -> Result<Retold, BodyError> {
        request::read(address, body, terms)
    }

    fn whole(&self, told: &Told, answer: &[u8]) -> Option<Bytes> {
        answer::whole(told, answer)
    }

    fn speaker(&self, told: &Told, words: Words) -> Box<dyn Speaker> {
        match words {
            Words::Chat => Box::new(events::Events::new(told)),
            Words::Own => Box::new(events::Passing::new(told)),
        }
    }

    fn stream_media(&self, told: &Told) -> &'static str {
        match told.address.framing {
            Some(Framing::Array) => "application/json",
            Some(Framing::Events) | None => super::EVENTS,
        }
    }

    fn error(&self, error: &PublicError, _: RequestId) -> Option<(u16, Bytes)> {
        Some(error::told(error))
    }

    fn error_event(&self, error: &PublicError, out: &mut BytesMut) {
        events::failed(error, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_what_is_asked_of_which_model() {
        let address = |model: &str, framing| Address { model: model.to_owned(), framing };
        for (path, query, expected) in [
            ("a:generateContent", None, Some((Verb::Generate, address("a", None)))),
            ("a/b:8b:countTokens", Some("alt=sse"), Some((Verb::Count, address("a/b:8b", None)))),
            (
                "a:streamGenerateContent",
                Some("key=x&alt=sse"),
                Some((Verb::Generate, address("a", Some(Framing::Events)))),
            ),
            ("a:streamGenerateContent", None, Some((Verb::Generate, address("a", Some(Framing::Array))))),
            ("a:embedContent", None, None),
            (":generateContent", None, None),
            ("a", None, None),
        ] {
            assert_eq!(Gemini::asked(path, query), expected, "{path} {query:?}");
        }
    }
}
