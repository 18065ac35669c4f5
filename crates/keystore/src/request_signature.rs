//! Signed requests: our profile of RFC 9421 (HTTP message signatures) with RFC 9530 (`Content-Digest`).
//!
//! A [`Proof`] exists only where signature and body hold: [`verify`] judges the head before a body is read,
//! [`Signed::over`] the body. A proof is good once, and only [`Nonces`] knows whether it was used.
//!
//! The profile: the algorithm is `hmac-sha256`. A signature covers `@method`, `@path`, `@query` and
//! `content-digest`, in any order, each without parameters, and further ones only as far as the caller hands
//! them in. Its parameters are `created` (Unix seconds), `nonce` and `keyid`, and, if wanted, `expires` and
//! `alg`; any other is refused, `tag` too: it says that the signature is made for something else. Of several
//! signatures the first with the right `keyid` counts. Where a label or a parameter is repeated the last one
//! counts (RFC 9651, sections 4.2.2 and 4.2.3.2), for the signature as for its meaning.

mod claim;
mod content_digest;
mod covered;
mod nonces;
mod wrong;

#[cfg(test)]
mod structured_fields;
#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;
use sfv::{Dictionary, Parser};

use self::{claim::Claim, content_digest::ContentDigest};
pub use self::{
    nonces::{Keeper, Mark, NONCES, Nonces, Unfit, Unkept},
    wrong::Wrong,
};
use crate::secret::Secret;

/// Seconds by which `created` may lie before or after our clock.
pub const MAX_AGE_S: i64 = 300;

/// Bytes in the longest of the three header values that is looked at.
pub const MAX_FIELD_BYTES: usize = 8192;

/// Bytes in the shortest secret that may sign.
const MIN_KEY_BYTES: usize = 32;

/// The label under which we sign; a verifier takes any.
const LABEL: &str = "nexus";

/// The head of a request. A header in several lines is given as one, joined with `, `.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    pub method: &'a str,
    /// As it was sent, still escaped.
    pub path: &'a str,
    /// Without the question mark. An empty query and none are signed alike.
    pub query: Option<&'a str>,
    pub signature_input: Option<&'a str>,
    pub signature: Option<&'a str>,
    pub content_digest: Option<&'a str>,
    /// What else a signature may cover, by component name: header fields in lower case, and `@authority` if
    /// it is known.
    pub others: &'a [(&'a str, &'a str)],
}

/// What a valid signature says beside who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Unix seconds by the signer's clock.
    pub created_s: i64,
    /// 8 to 128 characters of ASCII.
    pub nonce: String,
}

/// A head whose signature holds; its body has still to be compared.
#[derive(Debug)]
pub struct Signed {
    proof: Proof,
    digest: ContentDigest,
}

impl Signed {
    /// Compares the body, all of it as it came over the wire, with the digest that was signed.
    pub fn over(self, body: &[u8]) -> Result<Proof, Wrong> {
        if self.digest.is_of(body) { Ok(self.proof) } else { Err(Wrong::DigestMismatch) }
    }
}

/// The three headers that sign a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub content_digest: String,
    pub signature_input: String,
    pub signature: String,
}

/// Verifies a head. `keyid` is the name the signature must give to `key`, `now_s` is Unix seconds. What is
/// cheap is judged first, and the signature last, in constant time.
pub fn verify(request: &Request<'_>, key: &Secret, keyid: &str, now_s: i64) -> Result<Signed, Wrong> {
    let claim = Claim::of(request, keyid)?;
    let proof = claim.proof(now_s)?;
    covered::judge(&claim.input)?;
    let base = covered::base(request, &claim.input)?;
    let digest = ContentDigest::parse(request.content_digest.ok_or(Wrong::DigestMissing)?)?;
    let key = hmac_key(key.expose().as_bytes())?;
    hmac::verify(&key, base.as_bytes(), &claim.tag).map_err(|_| Wrong::Mismatch)?;
    Ok(Signed { proof, digest })
}

/// Signs a request with this body as `keyid`; the headers that `request` bears already are not looked at.
/// Fails where a text cannot stand in a header or the key is one that [`verify`] never takes.
pub fn sign(
    request: &Request<'_>,
    body: &[u8],
    key: &Secret,
    keyid: &str,
    proof: &Proof,
) -> Result<Stamp, Wrong> {
    let content_digest = content_digest::of(body);
    let request = Request { content_digest: Some(&content_digest), ..*request };
    let input = claim::input(keyid, proof)?;
    let base = covered::base(&request, &input)?;
    let tag = hmac::sign(&hmac_key(key.expose().as_bytes())?, base.as_bytes());
    Ok(Stamp {
        signature_input: format!("{LABEL}={}", covered::written(&input)),
        signature: format!("{LABEL}=:{}:", STANDARD.encode(tag)),
        content_digest,
    })
}

/// Refuses a short key: ring takes even an empty one, which everybody knows.
fn hmac_key(bytes: &[u8]) -> Result<hmac::Key, Wrong> {
    if bytes.len() < MIN_KEY_BYTES {
        return Err(Wrong::Mismatch);
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes))
}

/// A header's dictionary; none for one that is malformed or too long.
fn dictionary(field: &str) -> Option<Dictionary> {
    if field.len() > MAX_FIELD_BYTES { None } else { Parser::new(field).parse().ok() }
}
