//! What the vendor's failures say beyond their words: reasons, and when to come back.

use nexus_core::fault::{Class, Fault};
use serde_json::Value;

use super::super::Head;
use crate::part::fault;

/// An answer that is no success.
pub(in crate::dialect) fn of_answer(head: Head<'_>, body: &[u8]) -> Fault {
    let fault = Fault { retry_after_ms: head.retry_after_ms, ..fault::of_answer(head.status, body) };
    told(fault, body)
}

/// A failure told inside an answer of status 200.
pub(crate) fn in_band(body: &[u8]) -> Fault {
    told(fault::in_band(body), body)
}

/// The vendor says "quota" of every limit, and 400 of a key it does not know: its own words decide before the
/// words other vendors use.
fn told(fault: Fault, body: &[u8]) -> Fault {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = said.get(0).unwrap_or(&said).get("error").unwrap_or(&Value::Null);
    let details = error.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let reason = details.iter().find_map(|detail| detail.get("reason")?.as_str()).unwrap_or_default();
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let class = match (reason, error.get("status").and_then(Value::as_str).unwrap_or_default()) {
        ("API_KEY_INVALID" | "API_KEY_EXPIRED" | "ACCESS_TOKEN_EXPIRED", _) => Class::Credential,
        ("BILLING_DISABLED", _) => Class::Billing,
        (_, "RESOURCE_EXHAUSTED") => Class::RateLimited,
        (_, "INVALID_ARGUMENT") if message.contains("exceeds the maximum number of tokens") => {
            Class::ContextLength
        }
        _ => fault.class,
    };
    let retry_after_ms = fault.retry_after_ms.or_else(|| details.iter().find_map(delay_ms));
    Fault { class, retry_after_ms, ..fault }
}

/// `retryDelay`, seconds with perhaps a fraction and an `s`.
fn delay_ms(detail: &Value) -> Option<u64> {
    let seconds = detail.get("retryDelay")?.as_str()?.strip_suffix('s')?;
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: u64 = whole.parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(thousandths.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(status: &str, message: &str, details: &str) -> String {
        format!(r#"{{"error":{{"code":0,"message":"{message}","status":"{status}","details":[{details}]}}}}"#)
    }

    #[test]
    fn a_failure_is_classed_by_the_vendor_s_own_words() {
        let info = |reason: &str| format!(r#"{{"@type":"ErrorInfo","reason":"{reason}"}}"#);
        for (status, body, class) in [
            (400, body("INVALID_ARGUMENT", "no", &info("API_KEY_INVALID")), Class::Credential),
            (400, body("INVALID_ARGUMENT", "API key expired.", &info("API_KEY_INVALID")), Class::Credential),
            (400, body("INVALID_ARGUMENT", "Please use a valid role", ""), Class::BadRequest),
            (
                400,
                body(
                    "INVALID_ARGUMENT",
                    "The input token count (9) exceeds the maximum number of tokens allowed (8).",
                    "",
                ),
                Class::ContextLength,
            ),
            (400, body("FAILED_PRECONDITION", "User location is not supported", ""), Class::BadRequest),
            (401, body("UNAUTHENTICATED", "no", &info("ACCESS_TOKEN_EXPIRED")), Class::Credential),
            (403, body("PERMISSION_DENIED", "no", ""), Class::Credential),
            (403, body("PERMISSION_DENIED", "no", &info("BILLING_DISABLED")), Class::Billing),
            (404, body("NOT_FOUND", "models/x is not found", ""), Class::ModelNotFound),
            (429, body("RESOURCE_EXHAUSTED", "You exceeded your current quota", ""), Class::RateLimited),
            (500, body("INTERNAL", "no", ""), Class::Internal),
            (503, body("UNAVAILABLE", "The model is overloaded", ""), Class::Overloaded),
            (504, body("DEADLINE_EXCEEDED", "no", ""), Class::Timeout),
            (400, "<html>".to_owned(), Class::BadAnswer),
            (429, format!("[{}]", body("RESOURCE_EXHAUSTED", "quota", "")), Class::RateLimited),
        ] {
            let head = Head { status, ..Head::default() };
            assert_eq!(of_answer(head, body.as_bytes()).class, class, "{status} {body}");
        }
        let told = body("RESOURCE_EXHAUSTED", "You exceeded your current quota", "");
        assert_eq!(in_band(told.as_bytes()).class, Class::RateLimited);
    }

    #[test]
    fn when_to_come_back_is_read_from_the_head_and_else_from_the_body() {
        for (delay, head, expected) in [
            ("34.4s", None, Some(34_400)),
            ("48s", None, Some(48_000)),
            ("0.123456789s", None, Some(123)),
            ("48s", Some(1_000), Some(1_000)),
            ("48", None, None),
            ("soon", None, None),
            ("-1s", None, None),
            ("99999999999999999999s", None, None),
        ] {
            let body = body("RESOURCE_EXHAUSTED", "no", &format!(r#"{{"retryDelay":"{delay}"}}"#));
            let head = Head { status: 429, retry_after_ms: head, ..Head::default() };
            assert_eq!(of_answer(head, body.as_bytes()).retry_after_ms, expected, "{delay}");
        }
    }
}
