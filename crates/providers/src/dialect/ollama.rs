//! The dialect of Ollama's own chat, for what its OpenAI-compatible surface cannot be told: the size of the
//! context and other `options`, how long a model stays loaded, whether it thinks.
//!
//! A request is put together anew, and so is every answer; what becomes of each member is written in
//! [`member::MEMBERS`]. A stream is one JSON text a line.

mod answer;
mod embedding;
pub mod member;
mod request;
mod stream;
mod turn;

use bytes::Bytes;
use nexus_core::{call::Call, endpoint::Endpoint, fault::Fault, site::Site};

use super::{
    Ask, AuthScheme, Decoded, Dialect, Encoded, Head, Listing, StreamDecoder, Unsayable, embedder::Embedder,
    member::Row,
};
use crate::part::{fault, listing};
use crate::registry::{Form, Kind, Known};

/// A server of one's own, or whatever else speaks its API under another endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Ollama;

impl Ollama {
    pub const ID: &str = "ollama-native";
    /// For the registry.
    pub(crate) const KIND: Kind = Kind {
        id: Self::ID,
        name: "Ollama, its own API",
        base_url: "http://127.0.0.1:11434",
        key_variables: &["OLLAMA_API_KEY"],
        is_local: true,
        options: Self::OPTIONS,
    };
    /// The option for the size of the context in tokens, where a request does not say it.
    pub const CONTEXT: &str = "num_ctx";
    /// The option for how long a model stays loaded, where a request does not say it.
    pub const KEEP_ALIVE: &str = "keep_alive";
    const OPTIONS: &[Known] = &[
        Known::optional(
            Self::CONTEXT,
            Form::Count,
            "the size of the context in tokens, where a request does not say it",
        ),
        Known::optional(
            Self::KEEP_ALIVE,
            Form::Span,
            "how long a model stays loaded, where a request does not say it",
        ),
    ];
}

impl Dialect for Ollama {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn auth(&self) -> AuthScheme {
        AuthScheme::Bearer
    }

    fn members(&self) -> Vec<Row> {
        member::MEMBERS.to_vec()
    }

    fn encode(&self, ask: Ask<'_>) -> Result<Encoded, Unsayable> {
        request::encode(ask)
    }

    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
        answer::decode(call, body)
    }

    fn stream_media(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn listing(&self, endpoint: &Endpoint, _: Site<'_>) -> Option<Listing> {
        Some(Listing { endpoint: endpoint.clone(), path: "/api/tags".to_owned() })
    }

    fn listed(&self, body: &[u8]) -> Result<Vec<String>, Fault> {
        listing::names(body, "models", "name", "")
    }

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {
        Box::new(stream::OllamaStream::new(call))
    }

    fn embedder(&self) -> Option<&dyn Embedder> {
        Some(self)
    }

    fn fault(&self, head: Head<'_>, body: &[u8]) -> Fault {
        Fault { retry_after_ms: head.retry_after_ms, ..fault::of_answer(head.status, body) }
    }
}
