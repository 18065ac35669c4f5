//! Failures in Anthropic's shape: one kind a status, and no other word for programs to read.

use bytes::Bytes;
use nexus_core::id::RequestId;
use nexus_wire::{
    conversation::members::Members,
    error::{ErrorCode, PublicError},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::part::object::Object;

const API: &str = "api_error";
const OVERLOADED: &str = "overloaded_error";
const TIMEOUT: &str = "timeout_error";
const REQUEST: &str = "invalid_request_error";
const LIMIT: &str = "rate_limit_error";

/// A failure before an answer, with its status.
pub(super) fn told(error: &PublicError, request: RequestId) -> (u16, Bytes) {
    let status = match error.code {
        ErrorCode::Overloaded => 529,
        _ => error.status(),
    };
    let message = if error.message.is_empty() { error.code.row().message } else { &error.message };
    let inner = Object::of(kind(status)).text("message", &named(message, error.param.as_deref())).done();
    let body = Object::of("error").raw("error", &inner).text("request_id", &request.to_string()).done();
    (status, Bytes::from(body))
}

/// The data of the event that tells of a failure within a stream.
pub(super) fn data(error: &PublicError) -> String {
    let json = error.to_json();
    let said = serde_json::from_slice::<Envelope<'_>>(&json);
    said.map_or_else(|_| String::new(), |said| event(said.error))
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
}

/// The same from the error in OpenAI's form.
pub(super) fn event(error: &RawValue) -> String {
    let said = Members::read(error.get()).unwrap_or_default();
    let kind = match (&*said.word("type"), &*said.word("code")) {
        (_, "overloaded") => OVERLOADED,
        (REQUEST, _) => REQUEST,
        (LIMIT | "insufficient_quota", _) => LIMIT,
        (TIMEOUT, _) => TIMEOUT,
        _ => API,
    };
    Object::of("error").raw("error", &Object::of(kind).text("message", &said.word("message")).done()).done()
}

fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => LIMIT,
        504 => TIMEOUT,
        529 => OVERLOADED,
        500.. => API,
        _ => REQUEST,
    }
}

/// The message with the member at fault, which this shape has no place for.
fn named(message: &str, param: Option<&str>) -> String {
    match param {
        Some(param) if !message.contains(param) => format!("{param}: {message}"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::id::Uuid;

    use super::*;

    #[test]
    fn every_failure_has_a_kind_that_the_vendor_s_clients_know() {
        let expected = [
            (401, "authentication_error"),
            (401, "authentication_error"),
            (403, "permission_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (404, "not_found_error"),
            (404, "not_found_error"),
            (404, "not_found_error"),
            (405, REQUEST),
            (421, REQUEST),
            (400, REQUEST),
            (400, REQUEST),
            (413, "request_too_large"),
            (415, REQUEST),
            (422, REQUEST),
            (409, REQUEST),
            (409, REQUEST),
            (429, LIMIT),
            (429, LIMIT),
            (400, REQUEST),
            (400, REQUEST),
            (502, API),
            (502, API),
            (529, OVERLOADED),
            (504, TIMEOUT),
            (500, API),
        ];
        assert_eq!(expected.len(), ErrorCode::ALL.len());
        for (code, (status, kind)) in ErrorCode::ALL.into_iter().zip(expected) {
            let (said, body) = told(&PublicError::new(code), RequestId(Uuid::nil()));
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((said, body["error"]["type"].as_str()), (status, Some(kind)), "{code:?}");
            assert_eq!(body["error"]["message"], code.row().message);
            assert!(body["type"] == "error" && body["request_id"].is_string());
        }
    }

    #[test]
    fn the_member_at_fault_is_named_once() {
        for (message, param, expected) in [
            ("it is bad", Some("model"), "model: it is bad"),
            ("`model` is bad", Some("model"), "`model` is bad"),
            ("it is bad", None, "it is bad"),
        ] {
            assert_eq!(named(message, param), expected);
        }
    }

    #[test]
    fn a_failure_within_a_stream_keeps_its_words() {
        for (error, kind) in [
            (r#"{"message":"m","type":"server_error","code":"overloaded"}"#, OVERLOADED),
            (r#"{"message":"m","type":"server_error","code":"upstream_error"}"#, API),
            (r#"{"message":"m","type":"timeout_error","code":"timeout"}"#, TIMEOUT),
            (r#"{"message":"m","type":"rate_limit_error","code":null}"#, LIMIT),
            (r#"{"message":"m","type":"invalid_request_error","code":null}"#, REQUEST),
        ] {
            let told = event(&RawValue::from_string(error.to_owned()).unwrap());
            assert_eq!(told, format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"m"}}}}"#));
        }
    }
}
