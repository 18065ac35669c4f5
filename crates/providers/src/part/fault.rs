//! What a provider's failure says: its words from the many shapes they come in, and its class.
//!
//! Words decide only where the status leaves it open; a body that cannot be read never blames the caller.

mod sign;
mod words;

use nexus_core::fault::{Class, Fault, Said};

use self::{sign::by_words, words::said};

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

#[cfg(test)]
mod tests;
