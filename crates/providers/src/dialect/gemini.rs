//! The Gemini dialect as AI Studio speaks it: a request is put together anew, and so is every answer.
//!
//! What becomes of each member is written in [`member::MEMBERS`]. Thoughts are shown as
//! `reasoning_content`. The signatures that let the model go on from them stand in
//! `extra_content.google.thought_signature` of a call or a message, as on the vendor's own surface in OpenAI's
//! form: a client that sends a message back as it came sends them along, and no other vendor takes them for
//! its own.

mod answer;
pub(super) mod embedding;
mod fault;
pub(crate) mod grounding;
mod logprobs;
mod media;
pub mod member;
mod model;
mod piece;
mod request;
mod stream;
mod thinking;
mod tool;
mod turn;
mod usage;

use bytes::Bytes;
use nexus_core::{
    call::{Call, Operation},
    endpoint::Endpoint,
    fault::Fault,
    site::Site,
};

use self::embedding::StudioEmbedder;
pub(super) use self::{
    answer::decode,
    fault::of_answer,
    request::{body, model_path, percent_encoded, verb},
    stream::stream,
};
pub(crate) use self::{fault::in_band, piece::objects, usage::Tally};
use super::{
    Ask, AuthScheme, Decoded, Dialect, Encoded, Head, Listing, StreamDecoder, Unsayable, embedder::Embedder,
    member::Row,
};
use crate::{
    part::listing,
    registry::Kind,
    tongue::{Own, gemini::own},
};

/// Which of the vendor's two surfaces is spoken to. They differ in what they fetch themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    Studio,
    Vertex,
}

/// The vendor's own API with an API key.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

impl Gemini {
    pub const ID: &str = "gemini";
    /// For the registry.
    pub(crate) const KIND: Kind = Kind {
        id: Self::ID,
        name: "Google Gemini (AI Studio)",
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        is_local: false,
        options: &[],
    };
}

impl Dialect for Gemini {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn auth(&self) -> AuthScheme {
        AuthScheme::Header("x-goog-api-key")
    }

    fn members(&self) -> Vec<Row> {
        member::MEMBERS.to_vec()
    }

    fn encode(&self, ask: Ask<'_>) -> Result<Encoded, Unsayable> {
        let path = model_path(ask.real_model, "models")? + verb(ask.request.is_stream);
        Ok(Encoded { path, headers: Vec::new(), body: body(ask, Surface::Studio)?.into() })
    }

    fn decode(&self, call: &Call, body: &Bytes) -> Result<Decoded, Fault> {
        decode(call, body)
    }

    fn listing(&self, endpoint: &Endpoint, _: Site<'_>) -> Option<Listing> {
        Some(Listing { endpoint: endpoint.clone(), path: "/models?pageSize=1000".to_owned() })
    }

    fn listed(&self, body: &[u8]) -> Result<Vec<String>, Fault> {
        listing::names(body, "models", "name", "models/")
    }

    fn stream(&self, call: &Call) -> Box<dyn StreamDecoder> {
        stream(call)
    }

    fn own(&self, operation: Operation, _: &str, _: Site<'_>) -> Option<&dyn Own> {
        (operation == Operation::GenerateContent).then_some(&OWN)
    }

    fn embedder(&self) -> Option<&dyn Embedder> {
        Some(&StudioEmbedder)
    }

    fn fault(&self, head: Head<'_>, body: &[u8]) -> Fault {
        of_answer(head, body)
    }
}

/// Spoken to in its own words.
const OWN: own::Host =
    own::Host { path: |real_model, _, is_stream| Ok(model_path(real_model, "models")? + verb(is_stream)) };
