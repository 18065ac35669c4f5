//! An identity provider's public keys (RFC 7517), as far as ID tokens are signed with them: RSA and P-256.
//!
//! A key is used with the algorithms of its own kind only, so that no header can make one kind of key pass
//! for another. Keys of other kinds are passed over.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// Keys looked at in a set.
const MAX_KEYS: usize = 64;

/// Bytes in each coordinate of a point on P-256.
const COORDINATE_BYTES: usize = 32;

/// What is in front of a point's two coordinates (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// How an ID token may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Ps256,
    Es256,
}

impl Algorithm {
    /// The word in a token's header or a key's `alg`; none for `none`, for shared secrets and all others.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "RS256" => Some(Algorithm::Rs256),
            "PS256" => Some(Algorithm::Ps256),
            "ES256" => Some(Algorithm::Es256),
            _ => None,
        }
    }
}

/// The keys of an identity provider.
#[derive(Clone, Debug)]
pub struct KeySet(Vec<Key>);

/// The document is not a set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the answer is not a set of keys (JWKS)")]
pub struct NoKeySet;

impl KeySet {
    /// Reads the document at `jwks_uri`. One without a key of ours is an empty set.
    pub fn parse(json: &[u8]) -> Result<Self, NoKeySet> {
        let document: Document<'_> = serde_json::from_slice(json).map_err(|_| NoKeySet)?;
        let keys = document.keys.iter().take(MAX_KEYS);
        Ok(Self(keys.filter_map(|key| Key::of(serde_json::from_str(key.get()).ok()?)).collect()))
    }

    /// The keys of this name, or all where a token names none.
    pub(super) fn named<'a>(&'a self, kid: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        self.0.iter().filter(move |key| kid.is_none() || key.kid.as_deref() == kid)
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    kid: Option<String>,
    /// The only algorithm it is for, where the set says so.
    algorithm: Option<Algorithm>,
    public: Public,
}

#[derive(Clone, Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
}

impl Key {
    fn of(jwk: Jwk) -> Option<Self> {
        if jwk.r#use.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let algorithm = match jwk.alg {
            Some(word) => Some(Algorithm::from_word(&word)?),
            None => None,
        };
        let public = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Public::Rsa { n: number(&jwk.n?)?, e: number(&jwk.e?)? },
            ("EC", Some("P-256")) => {
                let mut point = vec![UNCOMPRESSED];
                point.extend(coordinate(&jwk.x?)?);
                point.extend(coordinate(&jwk.y?)?);
                Public::P256(point)
            }
            _ => return None,
        };
        Some(Self { kid: jwk.kid, algorithm, public })
    }

    pub(super) fn may_verify(&self, algorithm: Algorithm) -> bool {
        let is_kind = match self.public {
            Public::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256),
            Public::P256(_) => algorithm == Algorithm::Es256,
        };
        is_kind && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// Whether the signature is this key's; never with an algorithm it [may not](Key::may_verify) be used for.
    /// An RSA key has 2048 to 8192 bits.
    pub(super) fn is_signature(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let is_rsa = |n: &[u8], e: &[u8], parameters: &RsaParameters| {
            RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
        };
        match (&self.public, algorithm) {
            _ if !self.may_verify(algorithm) => false,
            (Public::Rsa { n, e }, Algorithm::Rs256) => is_rsa(n, e, &RSA_PKCS1_2048_8192_SHA256),
            (Public::Rsa { n, e }, Algorithm::Ps256) => is_rsa(n, e, &RSA_PSS_2048_8192_SHA256),
            (Public::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// A number in big-endian bytes without zeros in front; some providers send one.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn coordinate(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == COORDINATE_BYTES)
}
