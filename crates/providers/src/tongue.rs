//! The tongues that clients speak beside OpenAI's chat, each a value that turns its words into a chat and a chat's
//! answer back into its words.
//!
//! All translations meet in the chat form, so that a tongue reaches every dialect. Where a vendor speaks the tongue
//! itself its words go through as they are: see [`Own`]. Like a dialect, a tongue holds no state and opens no socket.

mod body;
mod frame;
pub mod gemini;
mod heard;
pub mod messages;
mod part;
pub mod responses;

use bytes::{Bytes, BytesMut};
use nexus_core::{
    call::{Call, Operation},
    capabilities::Capabilities,
    fault::Fault,
    id::RequestId,
    site::Site,
};
use nexus_wire::{chat::BodyError, error::PublicError};

use self::{gemini::Gemini, messages::Messages, responses::Responses};
use crate::dialect::{Decoded, Encoded, StreamDecoder, Unsayable};

/// How much of a request the chat form is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// What OpenAI's API has: for vendors to which the body goes as it stands.
    Plain,
    /// Thoughts of earlier turns beside it, as text.
    Thoughts,
    /// The extensions of this gateway beside it: sealed thoughts, marks of caches, further ways of sampling.
    Full,
}

/// The media type of events.
const EVENTS: &str = "text/event-stream; charset=utf-8";

/// What of a request stands in its URL, in a tongue that has it there; empty in all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The model's name.
    pub model: String,
    /// How a streamed answer is framed, where it is to be one.
    pub framing: Option<Framing>,
}

impl Address {
    /// How the answer is wanted, in a word.
    pub fn way(&self) -> &'static str {
        match self.framing {
            None => "",
            Some(Framing::Events) => "events",
            Some(Framing::Array) => "array",
        }
    }
}

/// What a streamed answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Events,
    /// The elements of one JSON array.
    Array,
}

/// A request as a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retold {
    /// The body of a chat request.
    pub chat: Bytes,
    /// Whether other terms than [`Terms::Plain`] would say more.
    pub has_more: bool,
    /// What cannot be said as a chat, and is lost unless the vendor speaks the tongue itself.
    pub unsayable: Option<Unsayable>,
}

/// What an answer is told to.
#[derive(Clone, Debug)]
pub struct Told {
    pub request: RequestId,
    /// The model name that was asked for.
    pub alias: String,
    /// Unix seconds.
    pub asked_at_s: u64,
    /// The request's body as it was sent.
    pub sent: Bytes,
    pub address: Address,
    pub kept: Kept,
}

/// What an answer says of being kept here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Whether it is to be kept: then its end waits until that is done.
    pub is_kept: bool,
    /// The answer it goes on from.
    pub previous: Option<String>,
}

/// In which words an answer comes from the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// As a chat's.
    Chat,
    /// In the client's own, because the vendor speaks them.
    Own,
}

/// Says a streamed answer in a client's words. State is this one stream's.
///
/// It is fed what a relay writes: whole frames, cut anywhere. Besides the answer's own that may be an error event, or
/// what ends an answer early, both always in OpenAI's form.
pub trait Speaker {
    /// Reads a piece and appends what the client is to see.
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut);

    /// There is nothing to say, but the answer still comes.
    fn beat(&mut self, out: &mut BytesMut);

    /// The whole answer, once it is complete and its end waits until it is kept.
    fn closing(&mut self) -> Option<String> {
        None
    }

    /// Tells the end that waited, and whether the answer is kept.
    fn close(&mut self, is_kept: bool, out: &mut BytesMut) {
        let _ = (is_kept, out);
    }
}

/// What clients speak. See the module's first lines.
pub trait Tongue: Sync {
    /// Reads a request. What is no request of this tongue at all is an error; what only some vendor understands is not.
    fn read(&self, address: &Address, body: &[u8], terms: Terms) -> Result<Retold, BodyError>;

    /// The headers of a client's request that go along where the vendor speaks the tongue.
    fn along(&self) -> &'static [&'static str] {
        &[]
    }

    /// A chat's whole answer in this tongue; `None` where it is none.
    fn whole(&self, told: &Told, answer: &[u8]) -> Option<Bytes>;

    /// Whoever says a streamed answer.
    fn speaker(&self, told: &Told, words: Words) -> Box<dyn Speaker>;

    /// The media type of a streamed answer.
    fn stream_media(&self, told: &Told) -> &'static str {
        let _ = told;
        EVENTS
    }

    /// How a failure is told, with its status; `None`: as OpenAI does.
    fn error(&self, error: &PublicError, request: RequestId) -> Option<(u16, Bytes)> {
        let _ = (error, request);
        None
    }

    /// The event that tells of a failure within a stream.
    fn error_event(&self, error: &PublicError, out: &mut BytesMut);

    /// The header that bears the request's id beside `x-request-id`.
    fn id_header(&self) -> Option<&'static str> {
        None
    }
}

/// The tongue of an operation; `None`: OpenAI's own form of it.
pub fn of(operation: Operation) -> Option<&'static dyn Tongue> {
    match operation {
        Operation::Messages => Some(&Messages),
        Operation::Responses => Some(&Responses),
        Operation::GenerateContent => Some(&Gemini),
        _ => None,
    }
}

/// The tongue in which failures at a path are told.
pub fn of_path(path: &str) -> Option<&'static dyn Tongue> {
    let within =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let tongues: [(&str, &'static dyn Tongue); 2] = [("/v1/messages", &Messages), ("/v1beta", &Gemini)];
    tongues.into_iter().find(|(prefix, _)| within(prefix)).map(|(_, tongue)| tongue)
}

/// A request in a tongue that its vendor speaks too.
#[derive(Clone, Copy, Debug)]
pub struct OwnAsk<'a> {
    pub call: &'a Call,
    /// The body as the client sent it.
    pub body: &'a Bytes,
    /// Headers that go along, names in lower case.
    pub along: &'a [(&'static str, String)],
    /// The provider's name of the model.
    pub real_model: &'a str,
    pub capabilities: &'a Capabilities,
    pub site: Site<'a>,
}

/// How a vendor takes what is said in a tongue of its own: bytes go through but for what must differ.
pub trait Own: Sync {
    fn encode(&self, ask: OwnAsk<'_>) -> Result<Encoded, Unsayable>;

    /// Reads a whole answer of status 2xx; its body is the vendor's under the alias.
    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault>;

    /// A decoder for one stream of status 2xx; what it writes are the vendor's events under the alias.
    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder>;
}
