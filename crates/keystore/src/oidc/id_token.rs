//! ID tokens (OpenID Connect Core 1.0, section 3.1.3.7): who somebody is, by an identity provider's word.
//!
//! Nothing a token says is read before its signature holds, but for the names of its key and its algorithm;
//! neither can lead to a key that is not in the provider's set.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;
use thiserror::Error;

use super::key_set::{Algorithm, Key, KeySet};

/// Bytes in the longest ID token looked at.
pub const MAX_ID_TOKEN_BYTES: usize = 16 * 1024;

/// Seconds by which the provider's clock may differ from ours.
const LEEWAY_S: i64 = 60;

/// Characters in the longest subject (Core 1.0, section 2).
const MAX_SUBJECT: usize = 255;

/// What an ID token must say, and which of its claims are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    /// What was sent to the authorization endpoint; never empty.
    pub nonce: &'a str,
    /// The claim that lists somebody's groups; they are not looked at without.
    pub groups_claim: Option<&'a str>,
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Unique and unchanging at this issuer; nothing else is.
    pub subject: String,
    /// As the provider writes it. Anybody may have claimed it unless it is verified.
    pub email: Option<String>,
    pub is_email_verified: bool,
    pub name: Option<String>,
    pub groups: Vec<String>,
}

/// Why an ID token is not believed. Holds nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    #[error("the ID token is longer than {MAX_ID_TOKEN_BYTES} bytes")]
    Long,
    #[error("the ID token is malformed")]
    Form,
    #[error("the ID token is not signed with `RS256`, `PS256` or `ES256`, or its key is for another of them")]
    Algorithm,
    #[error("the ID token's key is not among the provider's; fetch them anew")]
    UnknownKey,
    #[error("the ID token's signature does not hold")]
    Signature,
    #[error("the ID token lacks a claim, or one has another type")]
    Claims,
    #[error("the ID token is of another issuer")]
    Issuer,
    #[error("the ID token is made for another client")]
    Audience,
    #[error("the ID token has expired")]
    Expired,
    #[error("the ID token is dated ahead; compare the clocks")]
    Early,
    #[error("the ID token belongs to another sign-in")]
    Nonce,
}

/// Verifies an ID token. `now_s` is Unix seconds. After [`Refused::UnknownKey`] the provider may have new
/// keys; after every other refusal they make no difference.
pub fn verify_id_token(
    token: &str,
    keys: &KeySet,
    expected: &Expected<'_>,
    now_s: i64,
) -> Result<Identity, Refused> {
    if token.len() > MAX_ID_TOKEN_BYTES {
        return Err(Refused::Long);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(Refused::Form)?;
    let (header, claims) = message.split_once('.').ok_or(Refused::Form)?;
    let header: Header = json(&decoded(header)?).ok_or(Refused::Form)?;
    let (claims, signature) = (decoded(claims)?, decoded(signature)?);
    let algorithm = header.algorithm()?;
    let mut fitting = header.fitting(keys, algorithm)?.into_iter();
    if !fitting.any(|key| key.is_signature(algorithm, message.as_bytes(), &signature)) {
        return Err(Refused::Signature);
    }
    let groups = groups(&claims, expected.groups_claim)?;
    let claims: Claims = json(&claims).ok_or(Refused::Claims)?;
    claims.judge(expected, now_s)?;
    let is_email_verified = claims.email_verified.is_some_and(|said| said.is_true());
    let Claims { sub: subject, email, name, .. } = claims;
    Ok(Identity { subject, email, is_email_verified, name, groups })
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// What a verifier must understand; we understand none.
    crit: Option<IgnoredAny>,
}

impl Header {
    fn algorithm(&self) -> Result<Algorithm, Refused> {
        let is_jwt = self.typ.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case("JWT"));
        if !is_jwt || self.crit.is_some() {
            return Err(Refused::Form);
        }
        Algorithm::from_word(&self.alg).ok_or(Refused::Algorithm)
    }

    /// The keys it may be signed with. A token that names none is taken where there is only one.
    fn fitting<'a>(&'a self, keys: &'a KeySet, algorithm: Algorithm) -> Result<Vec<&'a Key>, Refused> {
        let kid = self.kid.as_deref();
        let mut named = keys.named(kid).peekable();
        named.peek().ok_or(Refused::UnknownKey)?;
        let fitting: Vec<_> = named.filter(|key| key.may_verify(algorithm)).collect();
        match fitting.len() {
            0 => Err(Refused::Algorithm),
            2.. if kid.is_none() => Err(Refused::UnknownKey),
            _ => Ok(fitting),
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMore,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
    email: Option<String>,
    email_verified: Option<Said>,
    name: Option<String>,
}

impl Claims {
    fn judge(&self, expected: &Expected<'_>, now_s: i64) -> Result<(), Refused> {
        let audience = self.aud.as_slice();
        let is_ours = audience.iter().any(|client| client == expected.client_id);
        let is_our_party = match &self.azp {
            Some(party) => party == expected.client_id,
            None => audience.len() == 1,
        };
        let latest_s = now_s.saturating_add(LEEWAY_S);
        let rules = [
            (self.iss == expected.issuer, Refused::Issuer),
            (is_ours && is_our_party, Refused::Audience),
            (self.exp > now_s.saturating_sub(LEEWAY_S), Refused::Expired),
            (self.iat <= latest_s && self.nbf.is_none_or(|from_s| from_s <= latest_s), Refused::Early),
            (!expected.nonce.is_empty() && self.nonce.as_deref() == Some(expected.nonce), Refused::Nonce),
            ((1..=MAX_SUBJECT).contains(&self.sub.len()) && self.sub.is_ascii(), Refused::Claims),
        ];
        rules.into_iter().find(|(is_sound, _)| !is_sound).map_or(Ok(()), |(_, refused)| Err(refused))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn as_slice(&self) -> &[String] {
        match self {
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more,
        }
    }
}

/// A yes or no; some providers write it as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Plainly(bool),
    InText(String),
}

impl Said {
    fn is_true(&self) -> bool {
        match self {
            Said::Plainly(said) => *said,
            Said::InText(said) => said == "true",
        }
    }
}

/// The groups in the claim of this name: a text or a list of texts.
fn groups(claims: &[u8], name: Option<&str>) -> Result<Vec<String>, Refused> {
    let Some(name) = name else { return Ok(Vec::new()) };
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(claims).map_err(|_| Refused::Claims)?;
    let Some(member) = members.get(name) else { return Ok(Vec::new()) };
    let groups: Option<OneOrMore> = serde_json::from_str(member.get()).map_err(|_| Refused::Claims)?;
    Ok(groups.map(|groups| groups.as_slice().to_vec()).unwrap_or_default())
}

fn decoded(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Form)
}

/// An object in which no member of ours is repeated.
fn json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}
