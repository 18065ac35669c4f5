//! What a provider's failure says: its words from the many shapes they come in, and its class.
//!
//! Words decide only where the status leaves it open; a body that cannot be read never blames the caller.

use nexus_core::fault::{Class, Fault, Said};
use serde_json::Value;

use super::scrub::scrub;

/// A failure by HTTP status.
pub(crate) fn of_answer(status: u16, body: &[u8]) -> Fault {
    let said = said(body);
    let class = class(status, said.as_ref());
    Fault {
        status: Some(status),
        said: said.map(Box::new),
        ..Fault::new(class, format!("the provider answered with status {status}"))
    }
}

/// A failure told inside an answer of status 200.
pub(crate) fn in_band(body: &[u8]) -> Fault {
    let said = said(body);
    let class = match &said {
        Some(said) => class_in_band(said),
        None => Class::Internal,
    };
    Fault {
        said: said.map(Box::new),
        ..Fault::new(class, "the provider reported an error inside its answer")
    }
}

/// The provider's words: OpenAI's `{"error":{..}}`, a bare string under `error` (Ollama), a flat object
/// (vLLM, API gateways, DashScope), `detail` (Mistral, FastAPI), the first of an array, `base_resp` (MiniMax).
pub(crate) fn said(body: &[u8]) -> Option<Said> {
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
    })
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

/// The class of an answer with this status.
fn class(status: u16, said: Option<&Said>) -> Class {
    if let Some(class) = said.and_then(|said| by_words(status, said)) {
        return class;
    }
    match status {
        400 | 404 | 409 | 415 | 422 if said.is_none() => Class::BadAnswer,
        401 | 403 => Class::Credential,
        402 => Class::Billing,
        404 => Class::ModelNotFound,
        408 | 504 | 524 => Class::Timeout,
        413 => Class::TooLarge,
        429 => Class::RateLimited,
        // 409: a conflict inside the provider, which its own SDKs try again. 498: Groq has no capacity.
        409 | 498 | 503 | 520..=523 | 529 => Class::Overloaded,
        424 | 499 | 500..=599 => Class::Internal,
        405 => Class::BadAnswer,
        400..=499 => Class::BadRequest,
        _ => Class::BadAnswer,
    }
}

fn class_in_band(said: &Said) -> Class {
    let code = said.code.as_deref().unwrap_or_default();
    if let Ok(status) = code.parse::<u16>()
        && (400..600).contains(&status)
    {
        return class(status, Some(said));
    }
    if let Some(class) = by_words(400, said) {
        return class;
    }
    let words =
        format!("{code} {} {}", said.kind.as_deref().unwrap_or_default(), said.message).to_ascii_lowercase();
    let tells = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    if tells(&["rate_limit", "rate limit", "too many requests", "throttl"]) {
        Class::RateLimited
    } else if tells(&["overloaded", "capacity", "unavailable"]) {
        Class::Overloaded
    } else if tells(&["timeout", "timed out"]) {
        Class::Timeout
    } else if tells(&["invalid_request"]) {
        Class::BadRequest
    } else {
        Class::Internal
    }
}

/// Words, and the statuses under which they are believed.
struct Sign {
    class: Class,
    statuses: &'static [u16],
    /// `code` or `type`, in lower case.
    codes: &'static [&'static str],
    /// Parts of the message, in lower case.
    words: &'static [&'static str],
}

const SIGNS: &[Sign] = &[
    Sign {
        class: Class::ContextLength,
        statuses: &[400, 413, 422, 500],
        codes: &["context_length_exceeded", "context_window_exceeded"],
        words: &[
            "maximum context length",
            "context length exceeded",
            "exceeds the context",
            "context window",
            "prompt is too long",
            "input is too long",
            "exceed context limit",
        ],
    },
    Sign {
        class: Class::ContentFilter,
        statuses: &[400, 403, 422],
        // OpenAI and Azure; DashScope; Zhipu; MiniMax.
        codes: &[
            "content_filter",
            "content_policy_violation",
            "responsibleaipolicyviolation",
            "data_inspection_failed",
            "datainspectionfailed",
            "1301",
            "1026",
        ],
        words: &[
            "content management policy",
            "content policy",
            "content filtering policy",
            "flagged by",
            "requires moderation",
            "content exists risk",
        ],
    },
    Sign {
        class: Class::Billing,
        statuses: &[400, 403, 429],
        // OpenAI; DeepSeek; Zhipu; MiniMax; Moonshot; Anthropic.
        codes: &[
            "insufficient_quota",
            "insufficient_balance",
            "billing_hard_limit_reached",
            "billing_not_active",
            "arrearage",
            "1113",
            "1008",
            "exceeded_current_quota_error",
            "billing_error",
        ],
        words: &[
            "insufficient balance",
            "insufficient credit",
            "exceeded your current quota",
            "credit balance is too low",
            "account is in arrears",
            "reached your specified api usage limits",
        ],
    },
    Sign {
        class: Class::Credential,
        statuses: &[400],
        codes: &[
            "invalid_api_key",
            "authentication_error",
            "invalid_authentication_error",
            "permission_error",
            "1004",
        ],
        words: &["api key not valid", "incorrect api key", "invalid api key", "invalid api-key"],
    },
    Sign { class: Class::TooLarge, statuses: &[400, 413], codes: &["request_too_large"], words: &[] },
    Sign {
        class: Class::ModelNotFound,
        statuses: &[400, 403, 422],
        codes: &[
            "model_not_found",
            "deploymentnotfound",
            "model_not_exist",
            "invalid_model",
            "not_found_error",
        ],
        words: &[
            "model not exist",
            "model does not exist",
            "model not found",
            "is not a valid model",
            "model identifier is invalid",
            "invalid model",
        ],
    },
];

fn by_words(status: u16, said: &Said) -> Option<Class> {
    let lower = |word: &Option<String>| word.as_deref().unwrap_or_default().to_ascii_lowercase();
    let (code, kind, message) = (lower(&said.code), lower(&said.kind), said.message.to_ascii_lowercase());
    SIGNS
        .iter()
        .find(|sign| {
            sign.statuses.contains(&status)
                && (sign.codes.iter().any(|known| *known == code || *known == kind)
                    || sign.words.iter().any(|words| message.contains(words)))
        })
        .map(|sign| sign.class)
}

#[cfg(test)]
mod tests;
