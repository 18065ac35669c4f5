//! An access key in the forms it is written in.
//!
//! What cannot be read is never repeated.

use nexus_keystore::{
    secret::Secret,
    sigv4::{AccessKey, unix_seconds},
};
use serde::Deserialize;

use crate::access::lease::Granted;

/// The longest part of a key that is taken, in bytes; session tokens are some thousand.
const PART_MAX_BYTES: usize = 16 * 1024;

/// What is entered as a provider's credential.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entered {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

pub(super) fn of_credential(text: &str) -> Option<AccessKey> {
    let Entered { access_key_id, secret_access_key, session_token } = serde_json::from_str(text).ok()?;
    of_parts(access_key_id, secret_access_key, session_token)
}

/// A key of parts that can be sent and signed with.
pub(super) fn of_parts(id: String, secret: String, token: Option<String>) -> Option<AccessKey> {
    let is_part = |text: &str| {
        (1..=PART_MAX_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let token = token.filter(|token| !token.is_empty());
    if !is_id || !is_part(&id) || !is_part(&secret) || !token.as_deref().is_none_or(is_part) {
        return None;
    }
    Some(AccessKey { id, secret: Secret::new(secret), session_token: token.map(Secret::new) })
}

/// What the metadata services of hosts and containers answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answered {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
    /// Said by hosts only.
    code: Option<String>,
}

/// A session's key and how long it is good for; `None` for anything else.
pub(super) fn of_answer(body: &[u8], now_s: u64) -> Option<Granted<AccessKey>> {
    let Answered { access_key_id, secret_access_key, token, expiration, code } =
        serde_json::from_slice(body).ok()?;
    if code.is_some_and(|code| code != "Success") {
        return None;
    }
    let key = of_parts(access_key_id, secret_access_key, Some(token))?;
    Some(Granted { value: key, lifetime_ms: lifetime_ms(&expiration, now_s)? })
}

/// How long until this time; `None` if it is none, or is over.
pub(super) fn lifetime_ms(expiration: &str, now_s: u64) -> Option<i64> {
    let left_s = unix_seconds(expiration)?.checked_sub(now_s).filter(|left| *left > 0)?;
    i64::try_from(left_s).ok()?.checked_mul(1000)
}
