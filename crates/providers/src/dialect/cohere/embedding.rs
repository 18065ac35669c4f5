//! Embeddings in the vendor's words.
//!
//! The vendor wants to know what the vectors are for: the provider's option says it, since OpenAI's words
//! cannot. Texts too long for the model are refused, never cut in silence.

use bytes::Bytes;
use nexus_core::{
    fault::Fault,
    usage::{Doubt, Usage},
};
use nexus_wire::conversation::members::Members;
use serde::Serialize;

use super::{
    super::{
        Consumed, Encoded, Unsayable, bad_answer,
        embedder::{EmbedAsk, Embedded, Embedder},
    },
    Cohere,
};
use crate::part::fault;

/// As many texts as the vendor takes at once.
const BATCH_MAX: usize = 96;

/// What vectors are for, unless the provider's option says otherwise.
const USUAL_PURPOSE: &str = "search_document";

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    texts: &'a [String],
    input_type: &'a str,
    embedding_types: [&'static str; 1],
    truncate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
}

impl Embedder for Cohere {
    fn batch_max(&self, _real_model: &str) -> usize {
        BATCH_MAX
    }

    fn encode(&self, ask: EmbedAsk<'_>) -> Result<Encoded, Unsayable> {
        let request = Request {
            model: ask.real_model,
            texts: ask.texts,
            input_type: ask.site.options.option(Self::PURPOSE).unwrap_or(USUAL_PURPOSE),
            embedding_types: ["float"],
            truncate: "NONE",
            output_dimension: ask.dimensions,
        };
        let body = serde_json::to_vec(&request).map_err(|_| Unsayable {
            param: "input".to_owned(),
            message: "the input cannot be said to this model".to_owned(),
        })?;
        Ok(Encoded { path: "/embed".to_owned(), headers: Vec::new(), body: body.into() })
    }

    fn decode(&self, _ask: EmbedAsk<'_>, body: &Bytes) -> Result<Embedded, Fault> {
        let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
        let said =
            Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
        if said.raw("message").is_some() || said.raw("error").is_some() {
            return Err(fault::in_band(body));
        }
        let float = said.object("embeddings").ok().flatten().and_then(|embeddings| embeddings.raw("float"));
        let vectors = float.and_then(|vectors| serde_json::from_str(vectors.get()).ok());
        let vectors = vectors.ok_or_else(|| bad_answer("the provider's answer has no `embeddings.float`"))?;
        let meta = said.object("meta").ok().flatten();
        Ok(Embedded { vectors, consumed: meta.map(|meta| consumed(&meta)).unwrap_or_default() })
    }
}

/// What is billed.
fn consumed(meta: &Members<'_>) -> Consumed {
    let Some(raw) = meta.raw("billed_units") else { return Consumed::default() };
    let count = Members::read(raw.get()).and_then(|units| super::usage::count(&units, "input_tokens"));
    Consumed {
        usage: count.map(|input| Usage::text(input, 0)),
        doubt: count.is_none().then_some(Doubt::Nonsense),
        raw: Some(Box::from(raw.get())),
        ..Consumed::default()
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
            real_model: "embed-v4.0",
            known_as: "embed-v4.0",
            site,
        })
    }

    #[test]
    fn texts_are_said_with_what_they_are_for() {
        let encoded = |options: &[(&str, &str)], dimensions| {
            with_ask(options, dimensions, |ask| Cohere.encode(ask).unwrap())
        };
        let usual = encoded(&[], None);
        assert_eq!((usual.path.as_str(), usual.headers.len()), ("/embed", 0));
        let begin = r#"{"model":"embed-v4.0","texts":["a","b"],"input_type":"#;
        let end = r#","embedding_types":["float"],"truncate":"NONE""#;
        assert_eq!(usual.body, format!(r#"{begin}"search_document"{end}}}"#));
        let said = encoded(&[("input_type", "clustering")], Some(256));
        assert_eq!(said.body, format!(r#"{begin}"clustering"{end},"output_dimension":256}}"#));
    }

    #[test]
    fn vectors_come_with_what_is_billed_or_the_answer_is_a_fault() {
        let decoded = |body: &'static str| {
            with_ask(&[], None, |ask| Cohere.decode(ask, &Bytes::from_static(body.as_bytes())))
        };
        let embedded = decoded(
            r#"{"id":"1","embeddings":{"float":[[0.5,-1],[2e-3]]},"texts":["a","b"],"meta":{"billed_units":{"input_tokens":4}}}"#,
        );
        let embedded = embedded.unwrap();
        assert_eq!(embedded.vectors, [vec![0.5, -1.0], vec![0.002]]);
        assert_eq!(embedded.consumed.usage, Some(Usage::text(4, 0)));
        assert_eq!(embedded.consumed.raw.as_deref(), Some(r#"{"input_tokens":4}"#));
        let uncounted = decoded(r#"{"embeddings":{"float":[]}}"#).unwrap();
        assert_eq!(uncounted.consumed, Consumed::default());
        let nonsense = decoded(r#"{"embeddings":{"float":[]},"meta":{"billed_units":{"input_tokens":-1}}}"#);
        assert_eq!(nonsense.unwrap().consumed.doubt, Some(Doubt::Nonsense));
        for (body, class) in [
            ("<html>", Class::BadAnswer),
            (r#"{"embeddings":[[1]]}"#, Class::BadAnswer),
            (r#"{"embeddings":{"float":[["a"]]}}"#, Class::BadAnswer),
            (r#"{"message":"too many requests"}"#, Class::RateLimited),
        ] {
            assert_eq!(decoded(body).unwrap_err().class, class, "{body}");
        }
    }
}
