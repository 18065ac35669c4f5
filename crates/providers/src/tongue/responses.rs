//! OpenAI's Responses as clients speak them: a request becomes a chat, and a chat's answer the items of a response. What is
//! kept of them here, and how a request goes on from that, is in `kept`.
//!
//! What a vendor gave out to be sent back unchanged goes through the client's hands as a reasoning item's
//! `encrypted_content`, which nobody reads but this file.

mod answer;
mod echo;
mod events;
pub mod kept;
pub(crate) mod own;
mod request;

use bytes::{Bytes, BytesMut};
use nexus_wire::{chat::BodyError, error::PublicError};

use super::{Address, Retold, Speaker, Terms, Told, Tongue, Words};

/// The tongue of `POST /v1/responses`.
#[derive(Clone, Copy, Debug)]
pub struct Responses;

/// What stands before a thought of another vendor's, as JSON, in `encrypted_content`.
const SEALED_THOUGHT: &str = "nexus.thought.";

/// What stands there before a signature of Google's of the call behind it.
const SEAL_OF_CALL: &str = "nexus.google.";

impl Tongue for Responses {
    fn read(&self, _: &Address, body: &[u8], terms: Terms) -> Result<Retold, BodyError> {
        request::read(body, terms)
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

    fn error_event(&self, error: &PublicError, out: &mut BytesMut) {
        events::failed(&error.to_json(), 0, out);
    }
}
