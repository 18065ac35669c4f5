//! Embeddings in the vendor's words: a batch of whole requests.
//!
//! A text that is too long is a fault of the request, never cut in silence.

use bytes::Bytes;
use nexus_core::fault::Fault;
use nexus_wire::conversation::members::Members;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Consumed, Encoded, Unsayable, bad_answer,
        embedder::{EmbedAsk, Embedded, Embedder},
    },
    fault,
    request::model_path,
    usage::Tally,
};

/// AI Studio's.
#[derive(Clone, Copy, Debug)]
pub(in crate::dialect) struct StudioEmbedder;

/// The most requests of a batch.
const STUDIO_BATCH: usize = 100;

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<Request<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialect) struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_truncate: Option<bool>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Part<'a>; 1],
}

#[derive(Serialize)]
struct Part<'a> {
    text: &'a str,
}

#[derive(Deserialize)]
pub(in crate::dialect) struct Vector {
    pub(in crate::dialect) values: Vec<f32>,
}

impl<'a> Request<'a> {
    pub(in crate::dialect) fn new(model: Option<&'a str>, text: &'a str, ask: &EmbedAsk<'_>) -> Self {
        Self {
            content: Content { parts: [Part { text }] },
            output_dimensionality: ask.dimensions,
            auto_truncate: model.is_none().then_some(false),
            model,
        }
    }
}

impl Embedder for StudioEmbedder {
    fn batch_max(&self, _: &str) -> usize {
        STUDIO_BATCH
    }

    fn encode(&self, ask: EmbedAsk<'_>) -> Result<Encoded, Unsayable> {
        let path = model_path(ask.real_model, "models")?;
        let model = path.trim_start_matches('/');
        let requests = ask.texts.iter().map(|text| Request::new(Some(model), text, &ask)).collect();
        encoded(format!("{path}:batchEmbedContents"), &Batch { requests })
    }

    fn decode(&self, _: EmbedAsk<'_>, body: &Bytes) -> Result<Embedded, Fault> {
        let said = read(body)?;
        let vectors = said.raw("embeddings").and_then(|vectors| serde_json::from_str(vectors.get()).ok());
        let vectors: Vec<Vector> = vectors.ok_or_else(no_embeddings)?;
        let vectors = vectors.into_iter().map(|vector| vector.values).collect();
        Ok(Embedded { vectors, consumed: told(&said) })
    }
}

pub(in crate::dialect) fn encoded(path: String, body: &impl Serialize) -> Result<Encoded, Unsayable> {
    let body = serde_json::to_vec(body).map_err(|_| Unsayable {
        param: "input".to_owned(),
        message: "the request cannot be said to this model".to_owned(),
    })?;
    Ok(Encoded { path, headers: Vec::new(), body: body.into() })
}

pub(in crate::dialect) fn read(body: &Bytes) -> Result<Members<'_>, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
    let said = Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
    if said.raw("error").is_some() {
        return Err(fault::in_band(body));
    }
    Ok(said)
}

pub(in crate::dialect) fn no_embeddings() -> Fault {
    bad_answer("the provider's answer has no embeddings")
}

/// What an answer says about its tokens; older models say nothing.
pub(in crate::dialect) fn told(said: &Members<'_>) -> Consumed {
    let mut tally = Tally::default();
    if let Some(usage) = said.raw("usageMetadata") {
        tally.note(usage);
    }
    tally.consumed()
}
