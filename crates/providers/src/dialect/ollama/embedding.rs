//! Embeddings in the vendor's words. Texts too long for the model are refused, never cut in silence.

use bytes::Bytes;
use nexus_core::{fault::Fault, usage::Usage};
use nexus_wire::conversation::members::Members;
use serde::Serialize;

use super::{
    super::{
        Consumed, Encoded, Unsayable, bad_answer,
        embedder::{EmbedAsk, Embedded, Embedder},
    },
    Ollama,
};
use crate::part::fault;

/// As many texts as one exchange is given: the server takes any number, one after the other.
const BATCH_MAX: usize = 256;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [String],
    truncate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<&'a str>,
}

#[derive(Serialize)]
struct Options {
    num_ctx: u64,
}

impl Embedder for Ollama {
    fn batch_max(&self, _real_model: &str) -> usize {
        BATCH_MAX
    }

    fn encode(&self, ask: EmbedAsk<'_>) -> Result<Encoded, Unsayable> {
        let option = |name| ask.site.options.option(name);
        let context = option(Self::CONTEXT).and_then(|tokens| tokens.parse().ok());
        let request = Request {
            model: ask.real_model,
            input: ask.texts,
            truncate: false,
            dimensions: ask.dimensions,
            options: context.map(|num_ctx| Options { num_ctx }),
            keep_alive: option(Self::KEEP_ALIVE),
        };
        let body = serde_json::to_vec(&request).map_err(|_| Unsayable {
            param: "input".to_owned(),
            message: "the input cannot be said to this model".to_owned(),
        })?;
        Ok(Encoded { path: "/api/embed".to_owned(), headers: Vec::new(), body: body.into() })
    }

    fn decode(&self, _ask: EmbedAsk<'_>, body: &Bytes) -> Result<Embedded, Fault> {
        let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
        let said =
            Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
        if said.raw("error").is_some() {
            return Err(fault::in_band(body));
        }
        let vectors = said.raw("embeddings").and_then(|vectors| serde_json::from_str(vectors.get()).ok());
        let vectors = vectors.ok_or_else(|| bad_answer("the provider's answer has no `embeddings`"))?;
        let count = said.raw("prompt_eval_count").map(|count| count.get());
        let consumed = Consumed {
            usage: count
                .and_then(|count| count.parse().ok())
                .filter(|count| *count <= Usage::PLAUSIBLE_MAX)
                .map(|input| Usage::text(input, 0)),
            raw: count.map(|count| format!("{{\"prompt_eval_count\":{count}}}").into_boxed_str()),
            ..Consumed::default()
        };
        Ok(Embedded { vectors, consumed })
    }
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

    /// Runs with a request for two texts of a provider with these options.
    fn with_ask<T>(options: &[(&str, &str)], dimensions: Option<u32>, run: impl Fn(EmbedAsk<'_>) -> T) -> T {
        let call = Call {
            operation: Operation::Embeddings,
            alias: "alias".to_owned(),
            is_stream: false,
            wants_usage: false,
            request: RequestId(Uuid::nil()),
            asked_at_s: 0,
        };
        let texts = ["a".to_owned(), "b".to_owned()];
        let options: Options = options.iter().copied().collect();
        let site = Site { region: None, options: &options, base_path: "" };
        run(EmbedAsk {
            call: &call,
            texts: &texts,
            dimensions,
            user: None,
            real_model: "bge-m3",
            known_as: "bge-m3",
            site,
        })
    }

    #[test]
    fn texts_are_said_with_the_provider_s_options() {
        let encoded = |options: &[(&str, &str)], dimensions| {
            with_ask(options, dimensions, |ask| Ollama.encode(ask).unwrap())
        };
        let usual = encoded(&[], None);
        assert_eq!((usual.path.as_str(), usual.headers.len()), ("/api/embed", 0));
        assert_eq!(usual.body, r#"{"model":"bge-m3","input":["a","b"],"truncate":false}"#);
        assert_eq!(
            encoded(&[("num_ctx", "8192"), ("keep_alive", "10m")], Some(256)).body,
            r#"{"model":"bge-m3","input":["a","b"],"truncate":false,"dimensions":256,"options":{"num_ctx":8192},"keep_alive":"10m"}"#
        );
    }

    #[test]
    fn vectors_come_with_their_count_or_the_answer_is_a_fault() {
        let decoded = |body: &'static str| {
            with_ask(&[], None, |ask| Ollama.decode(ask, &Bytes::from_static(body.as_bytes())))
        };
        let embedded =
            decoded(r#"{"model":"m","embeddings":[[0.5,-1],[2e-3]],"prompt_eval_count":8}"#).unwrap();
        assert_eq!(embedded.vectors, [vec![0.5, -1.0], vec![0.002]]);
        assert_eq!(embedded.consumed.usage, Some(Usage::text(8, 0)));
        assert_eq!(embedded.consumed.raw.as_deref(), Some(r#"{"prompt_eval_count":8}"#));
        assert_eq!(decoded(r#"{"embeddings":[]}"#).unwrap().consumed, Consumed::default());
        for (body, class) in [
            ("<html>", Class::BadAnswer),
            (r#"{"embeddings":{"a":1}}"#, Class::BadAnswer),
            (r#"{"error":"the input length exceeds the context length"}"#, Class::ContextLength),
        ] {
            assert_eq!(decoded(body).unwrap_err().class, class, "{body}");
        }
    }
}
