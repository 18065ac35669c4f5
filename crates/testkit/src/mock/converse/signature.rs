//! Whether a request is signed as AWS wants it, by the one access key the mock knows.
//!
//! The signature is made anew from the request as it arrived: a path, a header or a body that was changed after
//! signing is refused.

use nexus_keystore::secret::Secret;
use nexus_keystore::sigv4::{self, AccessKey, Request as Signed, Scope, Segments};

use crate::http::Request;

/// The access key that requests are to be signed with.
pub const ACCESS_KEY_ID: &str = "AKIAMOCKMOCKMOCKMOCK";
/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "mock/secret+of/an/access+key";

/// How far a request's time may be from ours, in seconds.
const SKEW_S: u64 = 5 * 60;

/// What a request is refused with: the exception's name and its words.
pub(crate) type Refused = (&'static str, String);

/// A request with another kind of credential is none of the signature's business.
pub(crate) fn check(request: &Request, now_s: u64) -> Result<(), Refused> {
    let header = |name: &str| {
        let found = request.head.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let authorization = match header("authorization") {
        Some(text) if text.starts_with("AWS4-HMAC-SHA256 ") => text,
        Some(_) => return Ok(()),
        None if request.head.headers.is_empty() => return Ok(()),
        None => {
            return Err(("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned()));
        }
    };
    let part =
        |name: &str| Some(authorization.split_once(name)?.1.split([',', ' ']).next().unwrap_or_default());
    let incomplete = || ("IncompleteSignatureException", "the authorization header is not whole".to_owned());
    let credential = part("Credential=").ok_or_else(incomplete)?;
    let names = part("SignedHeaders=").ok_or_else(incomplete)?;
    let [id, _, region, service, _] = credential.split('/').collect::<Vec<_>>()[..] else {
        return Err(incomplete());
    };
    if id != ACCESS_KEY_ID {
        let words = format!("The security token included in the request is invalid: {id}");
        return Err(("UnrecognizedClientException", words));
    }
    let at_s = header("x-amz-date").and_then(sigv4::unix_seconds).ok_or_else(incomplete)?;
    if at_s.abs_diff(now_s) > SKEW_S {
        return Err(("InvalidSignatureException", "Signature expired".to_owned()));
    }
    let ours = ["x-amz-date", "x-amz-security-token"];
    let signed = names.split(';').filter(|name| !ours.contains(name));
    let headers: Option<Vec<(&str, &str)>> = signed.map(|name| Some((name, header(name)?))).collect();
    let headers = headers.filter(|headers| headers.iter().any(|(name, _)| *name == "host"));
    let key = AccessKey {
        id: id.to_owned(),
        secret: Secret::new(SECRET_ACCESS_KEY.to_owned()),
        session_token: header("x-amz-security-token").map(|token| Secret::new(token.to_owned())),
    };
    let (path, query) = request.head.path.split_once('?').unwrap_or((&request.head.path, ""));
    let signed = Signed {
        method: &request.head.method,
        path,
        segments: Segments::Normalised,
        query,
        headers: &headers.ok_or_else(incomplete)?,
        body: &request.body,
    };
    if sigv4::sign(&key, Scope { region, service, at_s }, signed).authorization == authorization {
        return Ok(());
    }
    let words = "The request signature we calculated does not match the signature you provided.";
    Err(("InvalidSignatureException", words.to_owned()))
}
