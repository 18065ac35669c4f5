//! Signing a request as AWS wants it: Signature Version 4, with the signature in a header.
//!
//! What is signed must be what is sent: every header given here goes over the wire unchanged, and so do
//! path, query and body. Time and place are arguments.

mod canonical;
mod moment;

use ring::{digest, hmac};

use crate::secret::Secret;

pub use self::moment::unix_seconds;
use self::{canonical::CanonicalRequest, moment::Moment};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// An access key, which for a session has a token too. It has no `Debug`: two of the three are secrets.
pub struct AccessKey {
    pub id: String,
    pub secret: Secret,
    pub session_token: Option<Secret>,
}

/// Where and when a signature counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    pub region: &'a str,
    /// The service's name for signing, which need not be its name in addresses.
    pub service: &'a str,
    /// Unix seconds; a signature is good for some minutes before and after.
    pub at_s: u64,
}

/// How a path is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segments {
    /// Without `.`, `..` and empty segments, as all services want it but one.
    Normalised,
    /// As they stand, for S3.
    AsTheyStand,
}

/// What is signed. It has no `Debug`: a body is somebody's words.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    /// As it is sent, percent-encoded once; the signature encodes it once more.
    pub path: &'a str,
    pub segments: Segments,
    /// What follows `?`, as it is sent.
    pub query: &'a str,
    /// `host` at least. Names in any case.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// The headers that prove who sends the request; they go over the wire beside those it has.
pub struct Proof {
    /// `x-amz-date`
    pub date: String,
    /// `authorization`
    pub authorization: String,
}

/// Signs the request. A session's token is signed too: send it as `x-amz-security-token`.
pub fn sign(key: &AccessKey, scope: Scope<'_>, request: Request<'_>) -> Proof {
    let moment = Moment::of(scope.at_s);
    let date = moment.stamp();
    let token = key.session_token.as_ref().map(Secret::expose);
    let mut headers = request.headers.to_vec();
    headers.push(("x-amz-date", &date));
    headers.extend(token.map(|token| ("x-amz-security-token", token)));
    let canonical = CanonicalRequest::of(&request, &headers);
    let place = format!("{}/{}/{}/aws4_request", moment.day(), scope.region, scope.service);
    let said = format!("{ALGORITHM}\n{date}\n{place}\n{}", hex_digest(canonical.text.as_bytes()));
    let signature = hex(signing_key(key, &moment.day(), scope).sign(said.as_bytes()).as_ref());
    let authorization = format!(
        "{ALGORITHM} Credential={}/{place}, SignedHeaders={}, Signature={signature}",
        key.id, canonical.signed_headers
    );
    Proof { date, authorization }
}

struct SigningKey(hmac::Key);

impl SigningKey {
    fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    fn sign(&self, text: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, text)
    }
}

/// The key that signs this day's requests to this service of this region.
fn signing_key(key: &AccessKey, day: &str, scope: Scope<'_>) -> SigningKey {
    let secret = Secret::new(format!("AWS4{}", key.secret.expose()));
    [day, scope.region, scope.service, "aws4_request"]
        .iter()
        .fold(SigningKey::new(secret.expose().as_bytes()), |key, part| {
            SigningKey::new(key.sign(part.as_bytes()).as_ref())
        })
}

fn hex_digest(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
