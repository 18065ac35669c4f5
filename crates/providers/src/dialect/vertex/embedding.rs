//! Embeddings at Vertex AI: `predict`, and `embedContent` for the models after the first of Gemini's.
//!
//! A text that is too long is a fault of the request, never cut in silence.

use bytes::Bytes;
use nexus_core::{
    fault::Fault,
    usage::{Quantity, Usage},
};
use nexus_wire::conversation::members::Members;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::{
        Consumed, Encoded, Unsayable,
        embedder::{EmbedAsk, Embedded, Embedder},
        gemini::{
            self,
            embedding::{Request, Vector, encoded, no_embeddings, read, told},
        },
    },
    place,
};

#[derive(Clone, Copy, Debug)]
pub(super) struct VertexEmbedder;

/// An exchange takes 250 texts and 20 000 tokens, of which nobody knows the number before.
const BATCH: usize = 20;

#[derive(Serialize)]
struct Predict<'a> {
    instances: Vec<Instance<'a>>,
    parameters: Parameters,
}

#[derive(Serialize)]
struct Instance<'a> {
    content: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    auto_truncate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
}

/// Whether a model is asked by `embedContent`, one text an exchange.
fn is_newer(known_as: &str) -> bool {
    let name = known_as.rsplit('/').next().unwrap_or_default();
    name.starts_with("gemini-embedding") && name != "gemini-embedding-001"
}

impl Embedder for VertexEmbedder {
    fn batch_max(&self, known_as: &str) -> usize {
        if known_as.contains("gemini-embedding") { 1 } else { BATCH }
    }

    fn encode(&self, ask: EmbedAsk<'_>) -> Result<Encoded, Unsayable> {
        let model = gemini::model_path(ask.real_model, "publishers/google/models")?;
        let path = format!("{}{model}", place(ask.site)?);
        if let ([text], true) = (ask.texts, is_newer(ask.known_as)) {
            return encoded(path + ":embedContent", &Request::new(None, text, &ask));
        }
        let instances = ask.texts.iter().map(|content| Instance { content }).collect();
        let parameters = Parameters { auto_truncate: false, output_dimensionality: ask.dimensions };
        encoded(path + ":predict", &Predict { instances, parameters })
    }

    fn decode(&self, _: EmbedAsk<'_>, body: &Bytes) -> Result<Embedded, Fault> {
        let said = read(body)?;
        let vector = |raw: &RawValue| serde_json::from_str::<Vector>(raw.get()).map(|vector| vector.values);
        if let Some(one) = said.raw("embedding") {
            let vectors = vec![vector(one).map_err(|_| no_embeddings())?];
            return Ok(Embedded { vectors, consumed: told(&said) });
        }
        said.raw("predictions").ok_or_else(no_embeddings)?;
        let mut tokens = Some(0_u64);
        let mut vectors = Vec::new();
        for prediction in gemini::objects(&said, "predictions") {
            let one = prediction.raw("embeddings").ok_or_else(no_embeddings)?;
            vectors.push(vector(one).map_err(|_| no_embeddings())?);
            tokens = tokens.zip(counted(&prediction)).map(|(sum, count)| sum.saturating_add(count));
        }
        let usage = tokens.map(|tokens| Usage::default().with(Quantity::Input, tokens));
        Ok(Embedded { vectors, consumed: Consumed { usage, ..Consumed::default() } })
    }
}

/// The tokens of one text, which the vendor writes with a fraction at times.
fn counted(prediction: &Members<'_>) -> Option<u64> {
    let embeddings = prediction.object("embeddings").ok().flatten()?;
    let statistics = embeddings.object("statistics").ok().flatten()?;
    let count = statistics.raw("token_count")?.get();
    let count = count.strip_suffix(".0").unwrap_or(count).parse().ok();
    count.filter(|count| *count <= Usage::PLAUSIBLE_MAX)
}

#[cfg(test)]
mod tests {
    use nexus_core::{
        call::{Call, Operation},
        fault::Class,
        id::{RequestId, Uuid},
        site::{Options, Site},
    };

    use super::*;
    use crate::dialect::{Dialect, gemini::Gemini, vertex::Vertex};

    fn ask<T>(
        texts: &[&str],
        dimensions: Option<u32>,
        real_model: &str,
        take: impl FnOnce(EmbedAsk<'_>) -> T,
    ) -> T {
        let options: Options = [("project", "p1")].into_iter().collect();
        let call = Call {
            operation: Operation::Embeddings,
            alias: "a".to_owned(),
            is_stream: false,
            wants_usage: false,
            request: RequestId(Uuid::nil()),
            asked_at_s: 0,
        };
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let site = Site { region: None, options: &options, base_path: "" };
        take(EmbedAsk {
            call: &call,
            texts: &texts,
            dimensions,
            user: None,
            real_model,
            known_as: real_model,
            site,
        })
    }

    #[test]
    fn texts_are_said_in_the_words_of_the_surface_and_the_model() {
        let (studio, vertex) = (Gemini.embedder().unwrap(), Vertex.embedder().unwrap());
        let place = "/projects/p1/locations/global/publishers/google/models";
        for (embedder, model, texts, dimensions, path, body) in [
            (
                studio,
                "gemini-embedding-001",
                &["a", "b"][..],
                Some(8),
                "/models/gemini-embedding-001:batchEmbedContents".to_owned(),
                r#"{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]},"outputDimensionality":8},{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b"}]},"outputDimensionality":8}]}"#,
            ),
            (
                vertex,
                "text-embedding-005",
                &["a", "b"],
                None,
                format!("{place}/text-embedding-005:predict"),
                r#"{"instances":[{"content":"a"},{"content":"b"}],"parameters":{"autoTruncate":false}}"#,
            ),
            (
                vertex,
                "gemini-embedding-001",
                &["a"],
                Some(8),
                format!("{place}/gemini-embedding-001:predict"),
                r#"{"instances":[{"content":"a"}],"parameters":{"autoTruncate":false,"outputDimensionality":8}}"#,
            ),
            (
                vertex,
                "gemini-embedding-2",
                &["a"],
                Some(8),
                format!("{place}/gemini-embedding-2:embedContent"),
                r#"{"content":{"parts":[{"text":"a"}]},"outputDimensionality":8,"autoTruncate":false}"#,
            ),
        ] {
            let encoded = ask(texts, dimensions, model, |ask| embedder.encode(ask)).unwrap();
            assert_eq!((encoded.path, &*encoded.body), (path, body.as_bytes()), "{model}");
            assert!(embedder.batch_max(model) >= texts.len());
        }
        assert_eq!((vertex.batch_max("gemini-embedding-2"), studio.batch_max("x")), (1, 100));
    }

    #[test]
    fn vectors_come_back_in_order_with_what_is_said_of_tokens() {
        let (studio, vertex) = (Gemini.embedder().unwrap(), Vertex.embedder().unwrap());
        for (embedder, answer, vectors, tokens) in [
            (
                studio,
                r#"{"embeddings":[{"values":[1,0.5]},{"values":[]}]}"#,
                vec![vec![1.0, 0.5], vec![]],
                None,
            ),
            (
                studio,
                r#"{"embeddings":[{"values":[1]}],"usageMetadata":{"promptTokenCount":7}}"#,
                vec![vec![1.0]],
                Some(7),
            ),
            (
                vertex,
                r#"{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":5,"truncated":false}}},{"embeddings":{"values":[2],"statistics":{"token_count":6.0}}}],"metadata":{"billableCharacterCount":35}}"#,
                vec![vec![1.0], vec![2.0]],
                Some(11),
            ),
            (vertex, r#"{"predictions":[{"embeddings":{"values":[1]}}]}"#, vec![vec![1.0]], None),
            (
                vertex,
                r#"{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":3}}"#,
                vec![vec![1.0]],
                Some(3),
            ),
        ] {
            let body = Bytes::from_static(answer.as_bytes());
            let embedded = ask(&["a"], None, "m", |ask| embedder.decode(ask, &body)).unwrap();
            assert_eq!(embedded.vectors, vectors, "{answer}");
            assert_eq!(embedded.consumed.usage.map(|usage| usage.tokens()), tokens, "{answer}");
        }
        for (answer, class) in [
            ("{}", Class::BadAnswer),
            ("<html>", Class::BadAnswer),
            (r#"{"embeddings":[{"values":["x"]}],"predictions":[{"embeddings":{}}]}"#, Class::BadAnswer),
            (r#"{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED"}}"#, Class::RateLimited),
        ] {
            for embedder in [studio, vertex] {
                let body = Bytes::from_static(answer.as_bytes());
                let fault = ask(&["a"], None, "m", |ask| embedder.decode(ask, &body)).unwrap_err();
                assert_eq!(fault.class, class, "{answer}");
            }
        }
    }

    #[test]
    fn recorded_embeddings_are_read() {
        let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures");
        for (embedder, file, vectors, tokens) in [
            (Gemini.embedder().unwrap(), "gemini/batchEmbedContents-01.json", 1, None),
            (Gemini.embedder().unwrap(), "gemini/batchEmbedContents-image-01.json", 1, Some(261)),
            (Vertex.embedder().unwrap(), "vertex/v-google-vertex-embedding.json", 2, Some(11)),
        ] {
            let Ok(body) = std::fs::read(format!("{shared}/{file}")) else {
                println!("{file}: absent");
                continue;
            };
            let embedded = ask(&["a"], None, "m", |ask| embedder.decode(ask, &body.into())).unwrap();
            assert_eq!(embedded.vectors.len(), vectors, "{file}");
            assert_eq!(embedded.consumed.usage.map(|usage| usage.tokens()), tokens, "{file}");
        }
    }
}
