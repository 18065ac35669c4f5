//! The Anthropic Messages dialect: a request is put together anew, and so is every answer.
//!
//! What becomes of each member is written in [`member::MEMBERS`]. Thoughts are shown as
//! `reasoning_content`, and once more in `thinking_blocks`, sealed: a client that sends a message back
//! with its `thinking_blocks` lets the model go on from them.

pub(super) mod answer;
mod block;
mod media;
pub mod member;
pub(super) mod model;
mod request;
mod stream;
pub(super) mod thinking;
pub(super) mod tool;
pub(super) mod turn;
pub(crate) mod usage;

use bytes::Bytes;
use nexus_core::{
    call::{Call, Operation},
    endpoint::Endpoint,
    fault::Fault,
    site::Site,
};

pub(super) use self::request::{Host, VERTEX_VERSION, encode};
use super::{
    Ask, AuthScheme, Decoded, Dialect, Encoded, Head, Listing, StreamDecoder, Unsayable, member::Row,
};
use crate::{
    part::fault,
    registry::Kind,
    tongue::{Own, messages::own},
};

/// The vendor's own API; also whatever else speaks it under another endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Anthropic;

impl Anthropic {
    pub const ID: &str = "anthropic";
    /// For the registry.
    pub(crate) const KIND: Kind = Kind {
        id: Self::ID,
        name: "Anthropic",
        base_url: "https://api.anthropic.com/v1",
        key_variables: &["ANTHROPIC_API_KEY"],
        is_local: false,
        options: &[],
    };
}

impl Dialect for Anthropic {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn auth(&self) -> AuthScheme {
        AuthScheme::Header("x-api-key")
    }

    fn members(&self) -> Vec<Row> {
        member::MEMBERS.to_vec()
    }

    fn encode(&self, ask: Ask<'_>) -> Result<Encoded, Unsayable> {
        encode(ask, Host::Anthropic)
    }

    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
        answer::decode(call, body)
    }

    fn listing(&self, endpoint: &Endpoint, _: Site<'_>) -> Option<Listing> {
        Some(Listing { endpoint: endpoint.clone(), path: "/models?limit=1000".to_owned() })
    }

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {
        stream::stream(call)
    }

    fn own(&self, operation: Operation, _: &str, _: Site<'_>) -> Option<&dyn Own> {
        (operation == Operation::Messages).then_some(&own::Host::Anthropic)
    }

    fn fault(&self, head: Head<'_>, body: &[u8]) -> Fault {
        Fault { retry_after_ms: head.retry_after_ms, ..fault::of_answer(head.status, body) }
    }
}
