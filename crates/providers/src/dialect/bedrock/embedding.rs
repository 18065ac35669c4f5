//! Embeddings by `InvokeModel`, in the words of each family: Titan takes one text at a time, Cohere many.
//!
//! Cohere counts tokens in a header only; its texts are counted here.

use bytes::Bytes;
use nexus_core::{fault::Fault, usage::Usage};
use nexus_wire::conversation::members::Members;
use serde::Serialize;

use super::{
    super::{
        Consumed, Encoded, Unsayable, bad_answer,
        embedder::{EmbedAsk, Embedded, Embedder},
    },
    Bedrock, path,
};

/// The most texts that Cohere's models take at once.
const COHERE_TEXTS_MAX: usize = 96;

/// What the texts are for, which OpenAI's API does not say: to be found.
const COHERE_PURPOSE: &str = "search_document";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// `amazon.titan-embed-text-v2` and later can be told how long a vector is to be.
    Titan { has_dimensions: bool },
    /// So can `cohere.embed-v4` and later.
    Cohere { has_dimensions: bool },
}

impl Family {
    fn of(real_model: &str) -> Option<Self> {
        let name = real_model.to_ascii_lowercase();
        if name.contains("titan-embed") {
            return Some(Self::Titan { has_dimensions: name.contains("text-v2") });
        }
        let is_older = ["embed-english-v", "embed-multilingual-v"].iter().any(|part| name.contains(part));
        name.contains("cohere.embed").then_some(Self::Cohere { has_dimensions: !is_older })
    }

    fn has_dimensions(self) -> bool {
        match self {
            Self::Titan { has_dimensions } | Self::Cohere { has_dimensions } => has_dimensions,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TitanRequest<'a> {
    input_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

#[derive(Serialize)]
struct CohereRequest<'a> {
    texts: &'a [String],
    input_type: &'static str,
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
}

impl Embedder for Bedrock {
    fn batch_max(&self, known_as: &str) -> usize {
        match Family::of(known_as) {
            Some(Family::Cohere { .. }) => COHERE_TEXTS_MAX,
            Some(Family::Titan { .. }) | None => 1,
        }
    }

    fn encode(&self, ask: EmbedAsk<'_>) -> Result<Encoded, Unsayable> {
        let unsayable = |param: &str, message: &str| Unsayable {
            param: param.to_owned(),
            message: format!("`{param}` cannot be said to this model's provider: {message}"),
        };
        let family = Family::of(ask.known_as)
            .ok_or_else(|| unsayable("model", "only Titan's and Cohere's models make embeddings there"))?;
        if ask.dimensions.is_some() && !family.has_dimensions() {
            return Err(unsayable("dimensions", "the model's vectors have one length"));
        }
        let body = match family {
            Family::Titan { .. } => {
                let input_text = ask.texts.first().map(String::as_str).unwrap_or_default();
                serde_json::to_vec(&TitanRequest { input_text, dimensions: ask.dimensions })
            }
            Family::Cohere { .. } => serde_json::to_vec(&CohereRequest {
                texts: ask.texts,
                input_type: COHERE_PURPOSE,
                embedding_types: ["float"],
                output_dimension: ask.dimensions,
            }),
        };
        let body = body.map_err(|_| unsayable("input", "it is no text"))?;
        Ok(Encoded { path: path(ask.real_model, "invoke"), headers: Vec::new(), body: body.into() })
    }

    fn decode(&self, _: EmbedAsk<'_>, body: &Bytes) -> Result<Embedded, Fault> {
        let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
        let said =
            Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
        let vectors = vectors(&said).ok_or_else(|| bad_answer("the provider's answer has no embeddings"))?;
        let raw = said.raw("inputTextTokenCount");
        let count = raw.and_then(|count| count.get().parse().ok());
        let usage = count.filter(|count| *count <= Usage::PLAUSIBLE_MAX).map(|count| Usage::text(count, 0));
        let raw = raw.map(|count| format!(r#"{{"inputTextTokenCount":{}}}"#, count.get()).into_boxed_str());
        Ok(Embedded { vectors, consumed: Consumed { usage, raw, ..Consumed::default() } })
    }
}

/// Titan's one vector, or Cohere's many: by their type, or alone.
fn vectors(said: &Members<'_>) -> Option<Vec<Vec<f32>>> {
    if let Some(one) = said.raw("embedding") {
        return Some(vec![serde_json::from_str(one.get()).ok()?]);
    }
    let many = said.raw("embeddings")?;
    let by_type = Members::read(many.get());
    let many = by_type.as_ref().map_or(Some(many), |by_type| by_type.raw("float"))?;
    serde_json::from_str(many.get()).ok()
}

#[cfg(test)]
mod tests {
    use nexus_core::{
        call::{Call, Operation},
        id::{RequestId, Uuid},
        site::Site,
    };

    use super::*;

    const TITAN: &str = "amazon.titan-embed-text-v2:0";
    const TITAN_1: &str = "amazon.titan-embed-text-v1";
    const COHERE: &str = "eu.cohere.embed-v4:0";
    const COHERE_3: &str = "cohere.embed-english-v3";

    fn asked<R>(real_model: &str, dimensions: Option<u32>, then: impl FnOnce(EmbedAsk<'_>) -> R) -> R {
        let call = Call {
            operation: Operation::Embeddings,
            alias: "alias".to_owned(),
            is_stream: false,
            wants_usage: false,
            request: RequestId(Uuid::nil()),
            asked_at_s: 7,
        };
        let texts = ["one \"1\"".to_owned(), "two".to_owned()];
        let texts = texts.get(..Bedrock.batch_max(real_model).min(2)).unwrap();
        then(EmbedAsk {
            call: &call,
            texts,
            dimensions,
            user: Some("u"),
            real_model,
            known_as: real_model,
            site: Site::PLAIN,
        })
    }

    #[test]
    fn texts_are_said_in_the_family_s_words_or_refused_by_name() {
        for (model, dimensions, expected) in [
            (TITAN, None, Ok(r#"/model/amazon.titan-embed-text-v2%3A0/invoke {"inputText":"one \"1\""}"#)),
            (
                TITAN,
                Some(256),
                Ok(
                    r#"/model/amazon.titan-embed-text-v2%3A0/invoke {"inputText":"one \"1\"","dimensions":256}"#,
                ),
            ),
            (TITAN_1, Some(256), Err("dimensions")),
            (
                COHERE,
                Some(512),
                Ok(
                    r#"/model/eu.cohere.embed-v4%3A0/invoke {"texts":["one \"1\"","two"],"input_type":"search_document","embedding_types":["float"],"output_dimension":512}"#,
                ),
            ),
            (COHERE_3, Some(512), Err("dimensions")),
            ("amazon.nova-lite-v1:0", None, Err("model")),
        ] {
            let seen = asked(model, dimensions, |ask| Bedrock.encode(ask));
            let seen = seen.map(|encoded| {
                format!("{} {}", encoded.path, String::from_utf8(encoded.body.to_vec()).unwrap())
            });
            assert_eq!(seen.as_deref().map_err(|unsayable| &*unsayable.param), expected, "{model}");
        }
    }

    #[test]
    fn vectors_are_read_in_the_family_s_words() {
        for (model, body, expected, tokens) in [
            (
                TITAN,
                r#"{"embedding":[0.5,-1],"inputTextTokenCount":3}"#,
                Some(vec![vec![0.5, -1.0]]),
                Some(3),
            ),
            (
                COHERE,
                r#"{"embeddings":{"float":[[1],[2]]},"id":"x","response_type":"embeddings_by_type"}"#,
                Some(vec![vec![1.0], vec![2.0]]),
                None,
            ),
            (
                COHERE_3,
                r#"{"embeddings":[[1],[2]],"texts":["a","b"]}"#,
                Some(vec![vec![1.0], vec![2.0]]),
                None,
            ),
            (TITAN, r#"{"embedding":[1],"inputTextTokenCount":-3}"#, Some(vec![vec![1.0]]), None),
            (TITAN, r#"{"embedding":["x"]}"#, None, None),
            (COHERE, r#"{"embeddings":{"int8":[[1]]}}"#, None, None),
            (TITAN, "{}", None, None),
            (TITAN, "<html>", None, None),
        ] {
            let seen = asked(model, None, |ask| Bedrock.decode(ask, &Bytes::from_static(body.as_bytes())));
            let usage = tokens.map(|tokens| Usage::text(tokens, 0));
            assert_eq!(seen.as_ref().ok().map(|seen| seen.vectors.clone()), expected, "{body}");
            assert_eq!(seen.ok().and_then(|seen| seen.consumed.usage), usage, "{body}");
        }
    }
}
