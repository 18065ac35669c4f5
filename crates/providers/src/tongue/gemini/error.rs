//! Failures in Google's shape: a status of its RPCs by name, and the gateway's own word for it as the reason.

use bytes::Bytes;
use nexus_wire::{
    conversation::members::Members,
    error::{ErrorCode, PublicError},
};
use serde_json::value::RawValue;

use crate::part::object::{Object, array};

/// A failure before an answer, with its status.
pub(super) fn told(error: &PublicError) -> (u16, Bytes) {
    let row = error.code.row();
    let message = if error.message.is_empty() { row.message } else { &error.message };
    let message = match error.param.as_deref() {
        Some(param) if !message.contains(param) => format!("{param}: {message}"),
        _ => message.to_owned(),
    };
    let reason = error.said_code.as_deref().or(row.code).unwrap_or_default();
    (row.status, Bytes::from(shaped(row.status, &message, reason)))
}

/// The event that tells of a failure within a stream, from the error in OpenAI's form.
pub(super) fn event(error: &RawValue) -> String {
    let said = Members::read(error.get()).unwrap_or_default();
    let code = said.word("code");
    let row = ErrorCode::ALL.iter().map(|known| known.row());
    let row = row.clone().find(|row| row.code == Some(&*code)).or_else(|| {
        let kind = said.word("type");
        row.clone().find(|row| row.kind == kind)
    });
    let status = row.unwrap_or(ErrorCode::Internal.row()).status;
    shaped(status, &said.word("message"), &code)
}

fn shaped(code: u16, message: &str, reason: &str) -> String {
    let error = Object::default().count("code", u64::from(code)).text("message", message);
    let error = error.text("status", status(code));
    let error = match reason {
        "" => error,
        reason => {
            let info = Object::default().text("@type", "type.googleapis.com/google.rpc.ErrorInfo");
            let info = info.text("reason", &reason.to_ascii_uppercase()).text("domain", "nexus").done();
            error.raw("details", &array(&[info]))
        }
    };
    Object::default().raw("error", &error.done()).done()
}

/// The RPCs' name of an HTTP status.
fn status(code: u16) -> &'static str {
    match code {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        504 => "DEADLINE_EXCEEDED",
        501.. => "UNAVAILABLE",
        _ => "INVALID_ARGUMENT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_status_that_the_vendor_s_clients_know() {
        let expected = [
            (401, "UNAUTHENTICATED"),
            (401, "UNAUTHENTICATED"),
            (403, "PERMISSION_DENIED"),
            (403, "PERMISSION_DENIED"),
            (404, "NOT_FOUND"),
            (404, "NOT_FOUND"),
            (404, "NOT_FOUND"),
            (404, "NOT_FOUND"),
            (405, "INVALID_ARGUMENT"),
            (421, "INVALID_ARGUMENT"),
            (400, "INVALID_ARGUMENT"),
            (400, "INVALID_ARGUMENT"),
            (413, "INVALID_ARGUMENT"),
            (415, "INVALID_ARGUMENT"),
            (422, "INVALID_ARGUMENT"),
            (409, "ABORTED"),
            (409, "ABORTED"),
            (429, "RESOURCE_EXHAUSTED"),
            (429, "RESOURCE_EXHAUSTED"),
            (400, "INVALID_ARGUMENT"),
            (400, "INVALID_ARGUMENT"),
            (502, "UNAVAILABLE"),
            (502, "UNAVAILABLE"),
            (503, "UNAVAILABLE"),
            (504, "DEADLINE_EXCEEDED"),
            (500, "INTERNAL"),
        ];
        assert_eq!(expected.len(), ErrorCode::ALL.len());
        for (code, (status, word)) in ErrorCode::ALL.into_iter().zip(expected) {
            let (said, body) = told(&PublicError::new(code));
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let error = &body["error"];
            assert_eq!((said, error["status"].as_str()), (status, Some(word)), "{code:?}");
            assert_eq!(
                (&error["code"], error["message"].as_str()),
                (&status.into(), Some(code.row().message))
            );
            let reason = code.row().code.map(str::to_ascii_uppercase);
            assert_eq!(error["details"][0]["reason"].as_str(), reason.as_deref());
        }
    }

    #[test]
    fn a_failure_within_a_stream_keeps_its_words() {
        for (error, code, status) in [
            (r#"{"message":"m","type":"server_error","code":"overloaded"}"#, 503, "UNAVAILABLE"),
            (r#"{"message":"m","type":"timeout_error","code":"timeout"}"#, 504, "DEADLINE_EXCEEDED"),
            (r#"{"message":"m","type":"rate_limit_error","code":null}"#, 429, "RESOURCE_EXHAUSTED"),
            (r#"{"message":"m","type":"of the future","code":"other"}"#, 500, "INTERNAL"),
        ] {
            let told = event(&RawValue::from_string(error.to_owned()).unwrap());
            let told: serde_json::Value = serde_json::from_str(&told).unwrap();
            let error = &told["error"];
            assert_eq!((error["code"].as_u64(), &error["status"]), (Some(code), &status.into()), "{told}");
            assert_eq!(error["message"], "m");
        }
    }
}
