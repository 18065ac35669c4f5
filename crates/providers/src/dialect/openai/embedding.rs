//! Embeddings at a vendor that speaks OpenAI's: the model's name is spliced, and every other byte goes through.
//!
//! A vendor that knows only one way to write vectors is answered for in the way that was asked for. OpenAI itself knows
//! both: its vectors stay as they come.

use bytes::Bytes;
use nexus_core::{call::Call, fault::Fault};
use nexus_wire::{
    embedding::{Answer, EmbeddingRequest, Encoding, as_base64, as_floats},
    splice::{self, Edit},
};

use super::{Quirks, counted};
use crate::{
    dialect::{Consumed, Decoded, bad_answer},
    part::fault,
};

/// The body with the provider's name of the model; `request` must have been read from it.
pub fn encode_embeddings(body: &Bytes, request: &EmbeddingRequest, real_model: &str) -> Bytes {
    let model = splice::model_text(real_model);
    splice::splice(body, &[Edit { place: request.model_place.clone(), text: &model }])
}

/// How the vectors of an answer are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors {
    AsTheyCome,
    AsAsked,
}

/// The answer to `request`, under the name that was asked for.
///
/// # Errors
/// If it is no answer, or lacks a vector.
pub fn decode_embeddings(
    call: &Call,
    request: &EmbeddingRequest,
    body: &Bytes,
    vectors: Vectors,
) -> Result<Decoded, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
    let said = Answer::read(text).map_err(|_| bad_answer("the provider's answer is not JSON"))?;
    if said.error.is_some() {
        return Err(fault::in_band(body));
    }
    if said.count != Some(request.inputs) || said.vectors.len() != request.inputs {
        return Err(bad_answer("the provider's answer has not one embedding for each input"));
    }
    let alias = splice::model_text(&call.alias);
    let mut texts = Vec::new();
    for vector in said.vectors.iter().filter(|_| vectors == Vectors::AsAsked) {
        if let Some(text) = written(vector.raw, request.encoding)? {
            texts.push((vector.place.clone(), text));
        }
    }
    let missing = format!(",\"model\":{alias}");
    let mut edits: Vec<_> = texts.iter().map(|(place, text)| Edit { place: place.clone(), text }).collect();
    match (&said.model, said.closing_brace) {
        (Some(model), _) => edits.push(Edit { place: model.place.clone(), text: &alias }),
        (None, Some(brace)) => edits.push(Edit { place: brace..brace, text: &missing }),
        (None, None) => {}
    }
    edits.sort_by_key(|edit| edit.place.start);
    let consumed = match &said.usage {
        Some(usage) => counted(said.tokens, usage.raw, Quirks::NONE),
        None => Consumed::default(),
    };
    Ok(Decoded { body: splice::splice(body, &edits), consumed, text: String::new() })
}

/// A vector as it was asked for, where it stands otherwise.
fn written(raw: &str, encoding: Encoding) -> Result<Option<String>, Fault> {
    let is_text = raw.starts_with('"');
    let text = match (encoding, is_text) {
        (Encoding::Float, false) | (Encoding::Base64, true) => return Ok(None),
        (Encoding::Float, true) => as_floats(raw),
        (Encoding::Base64, false) => as_base64(raw),
    };
    text.map(Some).ok_or_else(|| bad_answer("the provider's answer has an embedding that is no vector"))
}

#[cfg(test)]
mod tests {
    use nexus_core::{
        call::Operation,
        id::{RequestId, Uuid},
        usage::Usage,
    };

    use super::*;

    fn call() -> Call {
        Call {
            operation: Operation::Embeddings,
            alias: "alias".to_owned(),
            is_stream: false,
            wants_usage: false,
            request: RequestId(Uuid::nil()),
            asked_at_s: 7,
        }
    }

    fn decoded(request: &'static str, answer: &'static str) -> Result<Decoded, Fault> {
        let request = EmbeddingRequest::read(request.as_bytes()).unwrap();
        decode_embeddings(&call(), &request, &Bytes::from_static(answer.as_bytes()), Vectors::AsAsked)
    }

    #[test]
    fn vectors_stay_as_they_come_where_the_vendor_knows_both_ways() {
        let request = br#"{"model":"alias","input":"a","encoding_format":"base64"}"#;
        let request = EmbeddingRequest::read(request).unwrap();
        let answer = Bytes::from_static(br#"{"data":[{"embedding":[1]}],"model":"alias"}"#);
        let decoded = decode_embeddings(&call(), &request, &answer, Vectors::AsTheyCome).unwrap();
        assert_eq!(decoded.body, answer);
    }

    #[test]
    fn a_request_differs_in_the_models_name_only() {
        let body = Bytes::from_static(br#"{"input": ["a"],  "model":"alias","x":{"y":[1.50]}}"#);
        let request = EmbeddingRequest::read(&body).unwrap();
        assert_eq!(
            encode_embeddings(&body, &request, "real\"1"),
            r#"{"input": ["a"],  "model":"real\"1","x":{"y":[1.50]}}"#
        );
    }

    #[test]
    fn an_answer_bears_the_alias_and_the_vectors_as_they_were_asked_for() {
        const FLOAT: &str = r#"{"model":"alias","input":"a"}"#;
        const PACKED: &str = r#"{"model":"alias","input":"a","encoding_format":"base64"}"#;
        for (request, answer, expected) in [
            (
                FLOAT,
                r#"{"model":"real", "data":[{"embedding":[0.10]}],"usage":{"prompt_tokens":3,"total_tokens":3}}"#,
                r#"{"model":"alias", "data":[{"embedding":[0.10]}],"usage":{"prompt_tokens":3,"total_tokens":3}}"#,
            ),
            (
                FLOAT,
                r#"{"data":[{"embedding":"AACAPw=="}]}"#,
                r#"{"data":[{"embedding":[1.0]}],"model":"alias"}"#,
            ),
            (
                PACKED,
                r#"{"data":[{"embedding":[1]}],"model":"real"}"#,
                r#"{"data":[{"embedding":"AACAPw=="}],"model":"alias"}"#,
            ),
            (
                PACKED,
                r#"{"data":[{"embedding":"AACAPw=="}],"model":"real"}"#,
                r#"{"data":[{"embedding":"AACAPw=="}],"model":"alias"}"#,
            ),
        ] {
            let decoded = decoded(request, answer).unwrap();
            assert_eq!(decoded.body, expected);
            let counted = answer.contains("usage").then_some(Usage::text(3, 0));
            assert_eq!(decoded.consumed.usage, counted);
        }
    }

    #[test]
    fn an_answer_without_a_vector_for_each_input_is_a_fault() {
        const TWO: &str = r#"{"model":"alias","input":["a","b"]}"#;
        for answer in [
            r#"{"data":[{"embedding":[1]}]}"#,
            r#"{"data":[{"embedding":[1]},{"index":1}]}"#,
            r#"{"data":[{"embedding":[1]},{"embedding":"?"}]}"#,
            r#"{"data":{}}"#,
            r#"{"error":{"message":"no"}}"#,
            "[]",
            "<html>",
        ] {
            assert!(decoded(TWO, answer).is_err(), "{answer}");
        }
    }
}
