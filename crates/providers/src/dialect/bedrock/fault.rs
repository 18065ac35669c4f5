//! What the vendor's exceptions mean, whether they come as an answer or inside a stream.
//!
//! An exception is named in a header, and its words are the body: both are needed to tell them apart. Its
//! class is that of the status it usually comes with.

use nexus_core::fault::{Class, Fault};
use nexus_wire::conversation::members::Members;
use serde_json::json;

use super::{
    super::{Head, bad_answer},
    answer::word,
};
use crate::part::{eventstream::Frame, fault, scrub::scrub};

/// The exception's name in lower case without `exception`, and the status that says the same.
const EXCEPTIONS: &[(&str, u16)] = &[
    ("validation", 400),
    ("accessdenied", 403),
    ("expiredtoken", 403),
    ("unrecognizedclient", 403),
    ("invalidsignature", 403),
    ("incompletesignature", 403),
    ("missingauthenticationtoken", 403),
    ("invalidclienttokenid", 403),
    ("resourcenotfound", 404),
    ("modeltimeout", 408),
    ("modelerror", 424),
    ("modelstreamerror", 424),
    ("throttling", 429),
    ("modelnotready", 429),
    ("servicequotaexceeded", 429),
    ("internalserver", 500),
    ("internalfailure", 500),
    ("serviceunavailable", 503),
];

/// An answer of a status that is none.
pub(super) fn of_answer(head: Head<'_>, body: &[u8]) -> Fault {
    let members = std::str::from_utf8(body).ok().and_then(Members::read);
    let in_body = members.as_ref().map(|members| word(members, "__type")).unwrap_or_default();
    let name = head.error_type.unwrap_or(&in_body);
    let fault = match members.as_ref().map(words) {
        Some(words) => said(status_of(name).unwrap_or(head.status), name, &words),
        None => fault::of_answer(head.status, body),
    };
    Fault {
        status: Some(head.status),
        message: format!("the provider answered with status {}", head.status),
        retry_after_ms: head.retry_after_ms,
        ..fault
    }
}

/// A frame that is no event.
pub(super) fn of_frame(frame: &Frame<'_>) -> Fault {
    let members = std::str::from_utf8(frame.payload).ok().and_then(Members::read).unwrap_or_default();
    let name = frame.text(":exception-type").or_else(|| frame.text(":error-code")).unwrap_or_default();
    let told = frame.text(":error-message").unwrap_or_default();
    let words = words(&members);
    let words = if words.is_empty() { told } else { &words };
    let fault = match status_of(name) {
        Some(status) => said(status, name, words),
        None => Fault { class: Class::Internal, ..said(500, name, words) },
    };
    Fault { status: None, message: "the provider reported an error inside its answer".to_owned(), ..fault }
}

/// A stream that cannot be read further.
pub(super) fn broken(broken: crate::part::eventstream::Broken) -> Fault {
    bad_answer(&format!("the provider sent {}", broken.as_str()))
}

fn said(status: u16, name: &str, words: &str) -> Fault {
    if words.is_empty() {
        return fault::of_answer(status, b"");
    }
    let body = json!({"message": words, "type": scrub(bare(name))});
    fault::of_answer(status, body.to_string().as_bytes())
}

/// The exception's name alone: what comes before `:` and behind `#` is an address.
fn bare(name: &str) -> &str {
    let name = name.split(':').next().unwrap_or_default();
    name.rsplit('#').next().unwrap_or_default()
}

fn status_of(name: &str) -> Option<u16> {
    let name = bare(name).to_ascii_lowercase();
    let name = name.strip_suffix("exception").unwrap_or(&name);
    EXCEPTIONS.iter().find(|(known, _)| *known == name).map(|(_, status)| *status)
}

/// The words, which some of the vendor's services write with a capital letter.
fn words(members: &Members<'_>) -> String {
    let words = word(members, "message");
    if words.is_empty() { word(members, "Message").into_owned() } else { words.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_classed_by_its_name_and_words() {
        for (status, name, body, class, words) in [
            (400, "ValidationException", r#"{"message":"x"}"#, Class::BadRequest, "x"),
            (
                400,
                "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/",
                r#"{"message":"The provided model identifier is invalid."}"#,
                Class::ModelNotFound,
                "The provided model identifier is invalid.",
            ),
            (
                400,
                "ValidationException",
                r#"{"message":"Input is too long for requested model."}"#,
                Class::ContextLength,
                "Input is too long for requested model.",
            ),
            (
                403,
                "AccessDeniedException",
                r#"{"Message":"User: arn:aws:sts::1:assumed-role/x is not authorized"}"#,
                Class::Credential,
                "User: [redacted] is not authorized",
            ),
            (403, "ExpiredTokenException", r#"{"message":"expired"}"#, Class::Credential, "expired"),
            (403, "UnrecognizedClientException", r#"{"message":"x"}"#, Class::Credential, "x"),
            (403, "InvalidSignatureException", r#"{"message":"x"}"#, Class::Credential, "x"),
            (404, "ResourceNotFoundException", r#"{"message":"x"}"#, Class::ModelNotFound, "x"),
            (408, "ModelTimeoutException", r#"{"message":"x"}"#, Class::Timeout, "x"),
            (424, "ModelErrorException", r#"{"message":"x"}"#, Class::Internal, "x"),
            (429, "ThrottlingException", r#"{"message":"slow down"}"#, Class::RateLimited, "slow down"),
            (429, "ModelNotReadyException", r#"{"message":"x"}"#, Class::RateLimited, "x"),
            (400, "ServiceQuotaExceededException", r#"{"message":"x"}"#, Class::RateLimited, "x"),
            (
                400,
                "",
                r#"{"__type":"com.amazon.coral#ThrottlingException","message":"x"}"#,
                Class::RateLimited,
                "x",
            ),
            (500, "InternalServerException", r#"{"message":"x"}"#, Class::Internal, "x"),
            (503, "ServiceUnavailableException", r#"{"message":"x"}"#, Class::Overloaded, "x"),
            (503, "AnExceptionOfTheFuture", r#"{"message":"x"}"#, Class::Overloaded, "x"),
            (403, "", "<html>", Class::Credential, ""),
            (400, "ValidationException", "{}", Class::BadAnswer, ""),
            (400, "ValidationException", "", Class::BadAnswer, ""),
        ] {
            let error_type = Some(name).filter(|name| !name.is_empty());
            let head = Head { status, error_type, retry_after_ms: Some(7), ..Head::default() };
            let fault = of_answer(head, body.as_bytes());
            let seen = fault.said.as_ref().map_or("", |said| &said.message);
            assert_eq!((fault.class, seen), (class, words), "{name} {body}");
            assert_eq!((fault.status, fault.retry_after_ms), (Some(status), Some(7)));
            assert!(fault.message.ends_with(&status.to_string()));
        }
    }
}
