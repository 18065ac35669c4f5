//! Sign-in by OpenID Connect (Core 1.0), the pure pieces: what is sent out, what comes back, what is believed.
//!
//! Nothing here fetches anything; and nothing an identity provider says is believed but what the caller names
//! in [`Expected`].

mod discovery;
mod id_token;
mod key_set;

#[cfg(test)]
mod forge;
#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};

pub use self::{
    discovery::{ClientAuth, Discovery, Unusable, discovery_url},
    id_token::{Expected, Identity, MAX_ID_TOKEN_BYTES, Refused, verify_id_token},
    key_set::{KeySet, NoKeySet},
};
use crate::{entropy, root::CryptoFailed, secret::Secret};

/// A proof key for one sign-in (RFC 7636, method S256).
pub struct Pkce {
    /// Goes to the token endpoint, at the end; until then only this side may know it.
    pub verifier: Secret,
    /// Goes to the authorization endpoint, at the start.
    pub challenge: String,
}

impl Pkce {
    pub fn new() -> Result<Self, CryptoFailed> {
        let verifier = Secret::new(fresh()?);
        let challenge = challenge(verifier.expose());
        Ok(Self { verifier, challenge })
    }
}

/// A text nobody can guess, for `state` or `nonce`: 43 characters that may stand in a URL or a cookie.
pub fn fresh() -> Result<String, CryptoFailed> {
    Ok(URL_SAFE_NO_PAD.encode(entropy::random::<32>()?))
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}
