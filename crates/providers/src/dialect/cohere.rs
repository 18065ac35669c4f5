//! The dialect of Cohere's chat, version 2: a request is put together anew, and so is every answer.
//!
//! What becomes of each member is written in [`member::MEMBERS`]. Thoughts are shown as
//! `reasoning_content`, and once more in `thinking_blocks`, from which they go back; a plan before calls is
//! shown as `reasoning_content` alone. Citations are kept under `citations`, as the vendor says them.

mod answer;
mod embedding;
pub mod member;
mod request;
mod stream;
mod turn;
mod usage;

use bytes::Bytes;
use nexus_core::{
    call::Call,
    endpoint::Endpoint,
    fault::{Class, Fault},
    site::Site,
};

use super::{
    Ask, AuthScheme, Decoded, Dialect, Encoded, Head, Listing, StreamDecoder, Unsayable, embedder::Embedder,
    member::Row, ranker::Ranker,
};
use crate::{
    part::{fault, listing},
    registry::{Form, Kind, Known},
};

/// The vendor's own API; also whatever else speaks it under another endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Cohere;

impl Cohere {
    pub const ID: &str = "cohere";
    /// For the registry.
    pub(crate) const KIND: Kind = Kind {
        id: Self::ID,
        name: "Cohere",
        base_url: "https://api.cohere.com/v2",
        key_variables: &["COHERE_API_KEY", "CO_API_KEY"],
        is_local: false,
        options: Self::OPTIONS,
    };
    /// The option for what embeddings are for, which OpenAI's words cannot say.
    pub const PURPOSE: &str = "input_type";
    const OPTIONS: &[Known] = &[Known::optional(
        Self::PURPOSE,
        Form::OneOf(&["search_document", "search_query", "classification", "clustering"]),
        "what embeddings are for: `search_document`, which counts unsaid, `search_query`, `classification` or `clustering`",
    )];
}

/// The vendor's status for a key that is none.
const INVALID_TOKEN: u16 = 498;

impl Dialect for Cohere {
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

    /// The list is of the version before.
    fn listing(&self, endpoint: &Endpoint, _: Site<'_>) -> Option<Listing> {
        let base_path = endpoint.base_path.strip_suffix("/v2").map(|before| format!("{before}/v1").into());
        let endpoint = Endpoint {
            base_path: base_path.unwrap_or_else(|| endpoint.base_path.clone()),
            ..endpoint.clone()
        };
        Some(Listing { endpoint, path: "/models?page_size=1000".to_owned() })
    }

    fn listed(&self, body: &[u8]) -> Result<Vec<String>, Fault> {
        listing::names(body, "models", "name", "")
    }

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {
        stream::stream(call)
    }

    fn embedder(&self) -> Option<&dyn Embedder> {
        Some(self)
    }

    fn ranker(&self) -> Option<Ranker> {
        Some(Ranker::USUAL)
    }

    fn fault(&self, head: Head<'_>, body: &[u8]) -> Fault {
        let fault = fault::of_answer(head.status, body);
        let class = if head.status == INVALID_TOKEN { Class::Credential } else { fault.class };
        Fault { class, retry_after_ms: head.retry_after_ms, ..fault }
    }
}
