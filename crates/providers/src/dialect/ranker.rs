//! How vendors put documents in an order: nearly the same words everywhere, which differ in a name or two.
//!
//! No vendor is asked to say the documents again: where a client wants that, they are taken from its request. An answer
//! that names a document twice, or one that is not there, is a fault: a wrong order is worse than none.

use bytes::Bytes;
use nexus_core::{
    call::Call,
    fault::Fault,
    usage::{Quantity, Usage},
};
use nexus_wire::{chat::BodyError, conversation::members::Members, rerank::RerankRequest};
use serde_json::value::RawValue;

use super::{Consumed, Decoded, bad_answer};
use crate::part::{
    fault,
    object::{Object, array, quoted},
};

/// A vendor's words for reranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranker {
    /// What the number of documents that are wanted is called.
    top: &'static str,
}

impl Ranker {
    /// Cohere, Jina and whatever is compatible with either, as seen in their documents of November 2026.
    pub const USUAL: Self = Self { top: "top_n" };
    /// Voyage.
    pub const VOYAGE: Self = Self { top: "top_k" };
    /// Behind the endpoint's base path, everywhere.
    pub const PATH: &str = "/rerank";

    /// The request in the vendor's words.
    ///
    /// # Errors
    /// If the body is no such request.
    pub fn encode(self, body: &[u8], real_model: &str) -> Result<Bytes, BodyError> {
        let request = RerankRequest::read(body)?;
        let documents: Vec<String> = request.documents.iter().map(|text| quoted(text)).collect();
        let told = Object::default().text("model", real_model).text("query", &request.query);
        let mut told = told.raw("documents", &array(&documents));
        if let Some(count) = request.top_n {
            told = told.count(self.top, count);
        }
        for (name, value) in &request.others {
            told = told.raw_named(name, value.get());
        }
        Ok(told.done().into())
    }

    /// A whole answer in one form for all, under the alias.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(self, call: &Call, asked: &[u8], body: &Bytes) -> Result<Decoded, Fault> {
        let text = std::str::from_utf8(body).map_err(|_| bad_answer("the provider's answer is not UTF-8"))?;
        let said =
            Members::read(text).ok_or_else(|| bad_answer("the provider's answer is not a JSON object"))?;
        if said.raw("error").is_some() {
            return Err(fault::in_band(body));
        }
        let results = said.raw("results").or_else(|| said.raw("data"));
        let results: Option<Vec<&RawValue>> =
            results.and_then(|results| serde_json::from_str(results.get()).ok());
        let results = results.ok_or_else(|| bad_answer("the provider's answer has no `results`"))?;
        let asked = RerankRequest::read(asked).map_err(|_| bad_answer("there was no such request"))?;
        let results = ranked(&results, &asked)?;
        let consumed = consumed(&said);
        let id = match &*said.word("id") {
            "" => format!("rerank-{}", call.request.0.simple()),
            id => id.to_owned(),
        };
        let told = Object::default().text("id", &id).text("model", &call.alias);
        let told = told.raw("results", &array(&results));
        let usage = consumed.usage.unwrap_or_default();
        let (tokens, units) = (usage.prompt_tokens(), usage.of(Quantity::Searches));
        let told = match tokens {
            0 => told,
            tokens => told.raw("usage", &Object::default().count("total_tokens", tokens).done()),
        };
        let told = match units {
            0 => told,
            units => {
                let billed = Object::default().count("search_units", units).done();
                told.raw("meta", &Object::default().raw("billed_units", &billed).done())
            }
        };
        Ok(Decoded { body: told.done().into(), consumed, text: String::new() })
    }
}

/// The results, each of a document that is there and no other is of.
fn ranked(results: &[&RawValue], asked: &RerankRequest<'_>) -> Result<Vec<String>, Fault> {
    let mut is_left = vec![true; asked.documents.len()];
    let mut told = Vec::with_capacity(results.len());
    for result in results {
        let said = Members::read(result.get()).unwrap_or_default();
        let index: Option<usize> = said.raw("index").and_then(|index| index.get().parse().ok());
        let score = said.raw("relevance_score").map(RawValue::get);
        let score = score.filter(|score| score.parse::<f64>().is_ok_and(f64::is_finite));
        let (Some(index), Some(score)) = (index, score) else {
            return Err(bad_answer("the provider's answer has a result without its `index` or score"));
        };
        let (Some(is_left), Some(text)) = (is_left.get_mut(index), asked.documents.get(index)) else {
            return Err(bad_answer("the provider ranked a document that was not sent"));
        };
        if !std::mem::replace(is_left, false) {
            return Err(bad_answer("the provider ranked a document twice"));
        }
        let result = Object::default().count("index", index as u64).raw("relevance_score", score);
        told.push(match asked.wants_documents {
            true => result.raw("document", &Object::default().text("text", text).done()).done(),
            false => result.done(),
        });
    }
    Ok(told)
}

/// What the vendor bills: searches at Cohere, tokens elsewhere.
fn consumed(said: &Members<'_>) -> Consumed {
    let within = |outer: &str, inner: &str| said.object(outer).ok().flatten()?.object(inner).ok().flatten();
    let count = |said: Option<&Members<'_>>, name: &str| -> Option<u64> {
        let text = said?.raw(name)?.get();
        let whole = text.strip_suffix(".0").unwrap_or(text);
        whole.parse().ok().filter(|count| *count <= Usage::PLAUSIBLE_MAX)
    };
    let usage = said.object("usage").ok().flatten();
    let (billed, counted) = (within("meta", "billed_units"), within("meta", "tokens"));
    let searches = count(billed.as_ref(), "search_units");
    let tokens = [
        count(usage.as_ref(), "total_tokens"),
        count(usage.as_ref(), "prompt_tokens"),
        count(billed.as_ref(), "input_tokens"),
        count(counted.as_ref(), "input_tokens"),
    ];
    let raw = said.raw("usage").or_else(|| said.raw("meta")).map(|raw| Box::from(raw.get()));
    let tokens = tokens.into_iter().flatten().next();
    let usage = match (searches, tokens) {
        // who bills searches bills no tokens
        (Some(searches), _) => Some(Usage::default().with(Quantity::Searches, searches)),
        (None, tokens) => tokens.map(|tokens| Usage::text(tokens, 0)),
    };
    Consumed { usage, raw, ..Consumed::default() }
}

#[cfg(test)]
mod tests {
    use nexus_core::{
        call::Operation,
        id::{RequestId, Uuid},
    };

    use super::*;

    const ASKED: &str =
        r#"{"model":"alias","query":"q","documents":["a",{"text":"b \"c\""}],"top_n":2,"truncation":true}"#;

    fn decoded(asked: &str, answer: &str) -> Result<Decoded, Fault> {
        let call = Call {
            request: RequestId(Uuid::nil()),
            operation: Operation::Rerank,
            alias: "alias".to_owned(),
            is_stream: false,
            wants_usage: false,
            asked_at_s: 0,
        };
        Ranker::USUAL.decode(&call, asked.as_bytes(), &Bytes::copy_from_slice(answer.as_bytes()))
    }

    #[test]
    fn a_request_is_said_in_each_vendor_s_words() {
        for (ranker, top) in [(Ranker::USUAL, "top_n"), (Ranker::VOYAGE, "top_k")] {
            let said = ranker.encode(ASKED.as_bytes(), "real").unwrap();
            let expected = format!(
                r#"{{"model":"real","query":"q","documents":["a","b \"c\""],"{top}":2,"truncation":true}}"#
            );
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn an_answer_is_told_in_one_form_and_booked_as_its_vendor_bills() {
        let searches = |count| Some(Usage::default().with(Quantity::Searches, count));
        for (answer, expected, usage) in [
            (
                r#"{"id":"r1","results":[{"index":1,"relevance_score":0.90},{"index":0,"relevance_score":1e-3}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}"#,
                r#"{"id":"r1","model":"alias","results":[{"index":1,"relevance_score":0.90},{"index":0,"relevance_score":1e-3}],"meta":{"billed_units":{"search_units":1}}}"#,
                searches(1),
            ),
            (
                r#"{"model":"jina","usage":{"total_tokens":815},"results":[{"index":0,"document":{"text":"a"},"relevance_score":0.5}]}"#,
                r#"{"id":"rerank-00000000000000000000000000000000","model":"alias","results":[{"index":0,"relevance_score":0.5}],"usage":{"total_tokens":815}}"#,
                Some(Usage::text(815, 0)),
            ),
            (
                r#"{"object":"list","data":[{"relevance_score":0.4,"index":1}],"model":"voyage","usage":{"total_tokens":26}}"#,
                r#"{"id":"rerank-00000000000000000000000000000000","model":"alias","results":[{"index":1,"relevance_score":0.4}],"usage":{"total_tokens":26}}"#,
                Some(Usage::text(26, 0)),
            ),
            (r#"{"id":"x","results":[]}"#, r#"{"id":"x","model":"alias","results":[]}"#, None),
        ] {
            let decoded = decoded(ASKED, answer).unwrap();
            assert_eq!(decoded.body, expected);
            assert_eq!(decoded.consumed.usage, usage, "{answer}");
        }
        let again = ASKED.replace("\"top_n\"", "\"return_documents\":true,\"top_n\"");
        let told = decoded(&again, r#"{"id":"x","results":[{"index":1,"relevance_score":1}]}"#).unwrap();
        let expected = r#"{"id":"x","model":"alias","results":[{"index":1,"relevance_score":1,"document":{"text":"b \"c\""}}]}"#;
        assert_eq!(told.body, expected);
    }

    #[test]
    fn a_wrong_order_is_no_answer() {
        for answer in [
            r#"{"results":[{"index":2,"relevance_score":1}]}"#,
            r#"{"results":[{"index":0,"relevance_score":1},{"index":0,"relevance_score":1}]}"#,
            r#"{"results":[{"index":0}]}"#,
            r#"{"results":[{"index":0,"relevance_score":"high"}]}"#,
            r#"{"detail":"no"}"#,
            r#"{"error":{"message":"no"}}"#,
            "[]",
        ] {
            assert!(decoded(ASKED, answer).is_err(), "{answer}");
        }
    }
}
