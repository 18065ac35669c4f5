//! Bedrock's `InvokeModel` for embeddings, in the words of Titan's models and of Cohere's.

use serde_json::{Value, json};

use crate::mock::ask::{Complaint, complain, member};
use crate::mock::embeddings::vector;
use crate::mock::tokens::tokens;

/// How long a vector is of which nothing is said.
const USUAL_DIMENSIONS: usize = 8;

/// The body of the answer.
pub(crate) fn answer(body: &[u8]) -> Result<String, Complaint> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|why| Complaint { message: format!("the body is no JSON: {why}"), param: None })?;
    let dimensions = member(&body, "dimensions").or(member(&body, "output_dimension"));
    let dimensions = dimensions.map_or(Some(USUAL_DIMENSIONS as u64), Value::as_u64);
    let Some(dimensions) = dimensions.filter(|count| (1..=4096).contains(count)) else {
        return complain("Malformed input request: dimensions", "dimensions");
    };
    let vector = |text: &str| vector(text, dimensions as usize);
    if let Some(text) = member(&body, "inputText").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        let count = tokens(text).count();
        return Ok(json!({"embedding": vector(text), "inputTextTokenCount": count}).to_string());
    }
    let texts =
        member(&body, "texts").and_then(Value::as_array).filter(|texts| (1..=96).contains(&texts.len()));
    let (Some(texts), Some(_)) = (texts, member(&body, "input_type")) else {
        return complain("Malformed input request: #: required key [inputText] not found", "inputText");
    };
    let vectors: Vec<_> = texts.iter().map(|text| vector(text.as_str().unwrap_or_default())).collect();
    Ok(json!({"embeddings": {"float": vectors}, "response_type": "embeddings_by_type"}).to_string())
}
