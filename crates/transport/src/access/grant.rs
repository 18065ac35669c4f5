//! How an authorisation server is asked for an access token, and how its answer is read (RFC 6749, section 5).
//!
//! Neither what was posted nor the token is ever repeated in a fault.

use std::time::Duration;

use bytes::Bytes;
use nexus_core::fault::{Class, Fault};
use nexus_keystore::secret::Secret;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::lease::Granted;
use crate::{
    egress::Reach,
    fetch::{Errand, Fetched, Fetcher},
};

/// From the first lookup to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 * 1024;
/// What is assumed where the server does not say, in seconds: a token is asked for again often rather than late.
const USUAL_LIFETIME_S: i64 = 5 * 60;
/// The longest word of a server's that is repeated, in bytes.
const WORD_MAX: usize = 64;

/// A question for an access token.
pub(super) struct Question {
    pub(super) url: Url,
    pub(super) reach: Reach,
    /// What is posted: names, and values that are secrets.
    pub(super) form: Vec<(&'static str, Secret)>,
}

/// The members that are read of an answer. Times are texts at some vendors.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<Seconds>,
    /// Unix seconds; in the place of the other at services of Azure's hosts.
    expires_on: Option<Seconds>,
    /// The error's word; its description may repeat what was posted and is not read.
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(i64),
    Text(String),
}

impl Seconds {
    fn number(self) -> Option<i64> {
        match self {
            Self::Number(seconds) => Some(seconds),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// Asks. A refusal is a fault of the credential; that nobody answered is one of the way there.
pub(super) async fn ask(fetcher: Fetcher, question: Question, now_s: u64) -> Result<Granted<Secret>, Fault> {
    let Question { url, reach, form } = question;
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &form {
        body.append_pair(name, value.expose());
    }
    let errand = Errand { url: &url, headers: &[], reach, limit_bytes: ANSWER_MAX, timeout: PATIENCE };
    let body = Bytes::from(body.finish());
    read(&fetcher.post(errand, "application/x-www-form-urlencoded", body).await?, now_s)
}

/// Reads an answer.
pub(super) fn read(fetched: &Fetched, now_s: u64) -> Result<Granted<Secret>, Fault> {
    let status = fetched.status;
    let fault = |class, message| Fault { status: Some(status), ..Fault::new(class, message) };
    let answer: Option<Answer> = serde_json::from_slice(&fetched.body).ok();
    if !(200..300).contains(&status) {
        let word = answer.and_then(|answer| answer.error).filter(|word| is_word(word));
        let said = word.map(|word| format!(" with `{word}`")).unwrap_or_default();
        let class = match status {
            429 => Class::RateLimited,
            500.. => Class::Internal,
            _ => Class::Credential,
        };
        return Err(fault(
            class,
            format!("no access token was had for the credential: status {status}{said}"),
        ));
    }
    let strange = || fault(Class::BadAnswer, "the answer of the authorisation server is no token".to_owned());
    let Answer { access_token, expires_in, expires_on, .. } = answer.ok_or_else(strange)?;
    let token = access_token.filter(|token| !token.is_empty()).ok_or_else(strange)?;
    let now_s = i64::try_from(now_s).unwrap_or(i64::MAX);
    let until = expires_on.and_then(Seconds::number).map(|end_s| end_s.saturating_sub(now_s));
    let seconds = expires_in
        .and_then(Seconds::number)
        .or(until)
        .filter(|seconds| *seconds > 0)
        .unwrap_or(USUAL_LIFETIME_S);
    Ok(Granted { value: Secret::new(token), lifetime_ms: seconds.saturating_mul(1000) })
}

/// An error's word as RFC 6749 has them, which is nothing that was posted.
fn is_word(text: &str) -> bool {
    text.len() <= WORD_MAX && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_token_with_its_lifetime_or_a_fault_that_repeats_nothing() {
        let five_minutes = Ok(300_000);
        for (status, body, expected) in [
            (200, r#"{"access_token":"secret","expires_in":3599,"token_type":"Bearer"}"#, Ok(3_599_000)),
            (200, r#"{"access_token":"secret","expires_in":"3599"}"#, Ok(3_599_000)),
            (200, r#"{"access_token":"secret","expires_on":"1700003599"}"#, Ok(3_599_000)),
            (200, r#"{"access_token":"secret","expires_in":"60","expires_on":1700003599}"#, Ok(60_000)),
            (200, r#"{"access_token":"secret","expires_on":1600000000}"#, five_minutes),
            (200, r#"{"access_token":"secret"}"#, five_minutes),
            (200, r#"{"access_token":"secret","expires_in":0}"#, five_minutes),
            (200, r#"{"access_token":"secret","expires_in":"soon"}"#, five_minutes),
            (200, r#"{"access_token":""}"#, Err((Class::BadAnswer, "no token"))),
            (200, r#"{"error":"secret"}"#, Err((Class::BadAnswer, "no token"))),
            (200, "<html>secret", Err((Class::BadAnswer, "no token"))),
            (302, "", Err((Class::Credential, "status 302"))),
            (
                400,
                r#"{"error":"invalid_grant","error_description":"secret"}"#,
                Err((Class::Credential, "status 400 with `invalid_grant`")),
            ),
            (401, r#"{"error":"Bad Secret: secret"}"#, Err((Class::Credential, "status 401"))),
            (429, "secret", Err((Class::RateLimited, "status 429"))),
            (503, "", Err((Class::Internal, "status 503"))),
        ] {
            let body = Bytes::from_static(body.as_bytes());
            match (read(&Fetched { status, content_type: None, body }, 1_700_000_000), expected) {
                (Ok(granted), Ok(lifetime_ms)) => {
                    assert_eq!((granted.value.expose(), granted.lifetime_ms), ("secret", lifetime_ms));
                }
                (Err(fault), Err((class, end))) => {
                    assert_eq!((fault.class, fault.status), (class, Some(status)), "{fault:?}");
                    assert!(fault.message.ends_with(end) && !fault.message.contains("secret"), "{fault:?}");
                }
                (seen, expected) => panic!("{expected:?} was expected, {:?} came", seen.map(|_| ())),
            }
        }
    }
}
