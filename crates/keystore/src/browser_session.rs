//! The tokens of a sign-in at the console: one in a cookie, one against forged requests.
//!
//! A token is 256 random bits, so its plain SHA-256 is as good as the token to find it by, and is all that
//! is stored.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest as sha256};

use crate::{entropy, root::CryptoFailed, secret::Secret};

/// Makes a token (43 characters that may stand in a cookie or a header), with its digest.
pub fn mint() -> Result<(Secret, String), CryptoFailed> {
    let token = Secret::new(URL_SAFE_NO_PAD.encode(entropy::random::<32>()?));
    let digest = digest(token.expose());
    Ok((token, digest))
}

/// What is stored of a token: hexadecimal SHA-256.
pub fn digest(token: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in sha256(&SHA256, token.as_bytes()).as_ref() {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_digest_and_is_like_no_other() {
        let minted: Vec<_> = (0..100).map(|_| mint().unwrap_or_else(|error| panic!("{error}"))).collect();
        for (i, (token, own)) in minted.iter().enumerate() {
            assert_eq!(token.expose().len(), 43);
            assert!(token.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            assert_eq!(digest(token.expose()), *own);
            assert!(minted.iter().skip(i + 1).all(|(_, other)| other != own));
        }
    }

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn the_digest_is_sha_256_in_hexadecimal() {
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
