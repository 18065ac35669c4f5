//! A provider's words from the many shapes they come in, scrubbed of credentials.

use nexus_core::fault::Said;
use serde_json::Value;

use crate::part::scrub::scrub;

/// The provider's words: OpenAI's `{"error":{..}}`, a bare string under `error` (Ollama), a flat object
/// (vLLM, API gateways, DashScope), `detail` (Mistral, FastAPI), the first of an array, `base_resp` (MiniMax).
pub(super) fn said(body: &[u8]) -> Option<Said> {
    let whole: Value = serde_json::from_slice(body).ok()?;
    let whole = whole.get(0).unwrap_or(&whole);
    let top = whole.as_object()?;
    let inner = top.get("error").filter(|error| !error.is_null()).unwrap_or(whole);
    let from = inner.get("base_resp").unwrap_or(inner);
    let word = |name: &str| from.get(name).or_else(|| top.get(name)).and_then(scalar);
    let message = text(from)?;
    Some(Said {
        message: scrub(&message),
        kind: word("type").or_else(|| word("status")).map(|kind| scrub(&kind)),
        param: from.get("param").and_then(scalar).or_else(|| location(from)).map(|param| scrub(&param)),
        code: ["code", "statusCode", "status_code"].into_iter().find_map(word).map(|code| scrub(&code)),
        more: MORE.iter().filter_map(|name| Some((*name, more(from.get(name)?)?))).collect(),
    })
}

/// What a filter found (Azure); what was generated that is no call (Groq).
const MORE: &[&str] = &["innererror", "failed_generation"];

/// The longest further member that is kept, in bytes.
const MORE_MAX_BYTES: usize = 4096;

fn more(value: &Value) -> Option<Box<str>> {
    let mut value = value.clone();
    scrub_all(&mut value);
    let text = value.to_string();
    (!value.is_null() && text.len() <= MORE_MAX_BYTES).then(|| text.into_boxed_str())
}

/// No deeper than a body was read.
fn scrub_all(value: &mut Value) {
    match value {
        Value::String(text) => *text = scrub(text),
        Value::Array(values) => values.iter_mut().for_each(scrub_all),
        Value::Object(members) => members.values_mut().for_each(scrub_all),
        _ => {}
    }
}

/// The words in a value: a string, or what stands where messages usually do.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let parts: Vec<String> = parts.iter().filter_map(text).collect();
            (!parts.is_empty()).then(|| parts.join("; "))
        }
        Value::Object(_) => ["message", "msg", "detail", "status_msg"]
            .into_iter()
            .find_map(|name| value.get(name).and_then(text)),
        _ => None,
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The member at fault, from the first `loc` of a list of details, without `body`.
fn location(value: &Value) -> Option<String> {
    let details = value.pointer("/message/detail").or_else(|| value.get("detail"))?;
    let steps = details.get(0)?.get("loc")?.as_array()?;
    let steps: Vec<String> = steps.iter().filter_map(scalar).filter(|step| step != "body").collect();
    (!steps.is_empty()).then(|| steps.join("."))
}
