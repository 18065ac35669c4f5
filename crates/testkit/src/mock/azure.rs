//! What Azure OpenAI says otherwise than OpenAI: paths with deployments, filters, and errors of its gateway.
//!
//! The script stands in the deployment's name, wherever that is: in the path of a dated version, else in the body.

use serde_json::{Value, json};

use super::ask::{Ask, Complaint, complain};
use super::render::Event;
use super::surface::Surface;
use crate::script::Script;

/// Whether a path is one of Azure's for chats.
pub(crate) fn is_asked(path: &str) -> bool {
    path.contains("/openai/") && path.ends_with("/chat/completions")
}

/// Reads a request; a dated version wants its date, and hears nothing of the body's `model`.
pub(crate) fn read(path: &str, body: &[u8], default: &Script) -> Result<Ask, Complaint> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let Some((_, rest)) = path.split_once("/openai/deployments/") else {
        return Ok(Ask { surface: Surface::Azure, ..Ask::read(body, default)? });
    };
    if !query.split('&').any(|pair| pair.starts_with("api-version=20")) {
        return complain("Resource not found: the `api-version` is missing", "api-version");
    }
    let deployment = unescaped(rest.split('/').next().unwrap_or_default());
    let mut body: Value = serde_json::from_slice(body)
        .map_err(|why| Complaint { message: format!("the body is no JSON: {why}"), param: None })?;
    if let Some(members) = body.as_object_mut() {
        members.insert("model".to_owned(), json!(deployment));
    }
    Ok(Ask { surface: Surface::Azure, ..Ask::read(body.to_string().as_bytes(), default)? })
}

/// A segment of a path without its percent escapes.
fn unescaped(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn harmless() -> Value {
    let safe = json!({"filtered": false, "severity": "safe"});
    json!({"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe})
}

fn of_prompt() -> Value {
    json!([{"prompt_index": 0, "content_filter_results": harmless()}])
}

/// A whole answer of OpenAI's with what the filters found.
pub(crate) fn filtered(body: &str) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(members) = body.as_object_mut() {
        members.insert("prompt_filter_results".to_owned(), of_prompt());
    }
    for choice in body.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(members) = choice.as_object_mut() {
            members.insert("content_filter_results".to_owned(), harmless());
        }
    }
    body.to_string()
}

/// A stream of OpenAI's behind the chunk that says only what the filter found in the prompt.
pub(crate) fn prefaced(events: Vec<Event>) -> Vec<Event> {
    let preface = json!({
        "choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": of_prompt(),
    });
    let preface = Event { name: None, json: preface.to_string(), tokens: 0 };
    let filtered = |event: Event| Event {
        json: event.json.replace(r#""logprobs":null"#, r#""content_filter_results":{},"logprobs":null"#),
        ..event
    };
    std::iter::once(preface).chain(events.into_iter().map(filtered)).collect()
}

/// The body of an error; the gateway in front of the models has a shape of its own.
pub(crate) fn error(status: u16, code: Option<&str>, message: &str, param: Option<&str>) -> Value {
    match (status, code) {
        (401, _) => json!({"statusCode": status, "message": message}),
        (400, Some("content_filter")) => {
            let found = json!({"jailbreak": {"filtered": true, "detected": true}});
            json!({"error": {
                "message": message, "type": null, "param": "prompt", "code": "content_filter", "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": found},
            }})
        }
        (404, _) => json!({"error": {"code": "DeploymentNotFound", "message": message}}),
        _ => {
            let code = code.map_or_else(|| status.to_string(), str::to_owned);
            json!({"error": {"code": code, "message": message, "param": param}})
        }
    }
}
