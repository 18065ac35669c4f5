//! Anthropic's Messages as clients speak them: a request becomes a chat, and a chat's answer a message.
//!
//! What a vendor gave out to be sent back unchanged goes through the client's hands in the blocks that are made for it: a
//! sealed thought in `thinking`, Google's signature of a call in a `redacted_thinking` of our own before it.

mod answer;
mod block;
mod error;
mod events;
pub(crate) mod own;
mod request;
mod turn;

use bytes::{Bytes, BytesMut};
use nexus_core::id::RequestId;
use nexus_wire::{chat::BodyError, error::PublicError};

use super::{Address, Retold, Speaker, Terms, Told, Tongue, Words};

/// The tongue of `POST /v1/messages`.
#[derive(Clone, Copy, Debug)]
pub struct Messages;

impl Messages {
    /// A request for the number of its tokens, as a chat: it need not say how long an answer may be.
    pub fn to_count(body: &[u8]) -> Result<Bytes, BodyError> {
        request::read(body, Terms::Plain, request::Wants::Count).map(|retold| retold.chat)
    }

    /// The answer to it.
    pub fn counted(tokens: u64) -> Bytes {
        Bytes::from(format!(r#"{{"input_tokens":{tokens}}}"#))
    }
}

impl Tongue for Messages {
    fn read(&self, _: &Address, body: &[u8], terms: Terms) -> Result<Retold, BodyError> {
        request::read(body, terms, request::Wants::Answer)
    }

    fn along(&self) -> &'static [&'static str] {
        &[own::VERSION, own::BETA]
    }

    fn whole(&self, told: &Told, answer: &[u8]) -> Option<Bytes> {
        answer::whole(told, answer)
    }

    fn speaker(&self, told: &Told, words: Words) -> Box<dyn Speaker> {
        match words {
            Words::Chat => Box::new(events::Events::new(told)),
            Words::Own => Box::new(events::Passing::default()),
        }
    }

    fn error(&self, error: &PublicError, request: RequestId) -> Option<(u16, Bytes)> {
        Some(error::told(error, request))
    }

    fn error_event(&self, error: &PublicError, out: &mut BytesMut) {
        events::failed(error, out);
    }

    fn id_header(&self) -> Option<&'static str> {
        Some("request-id")
    }
}
