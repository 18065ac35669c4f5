//! HMAC-SHA-256 by ring, for the JWT library and for the keystore itself; and RSA for what others verify.
//!
//! Every other algorithm is refused here whatever a token's header says, and so is a key below 32 bytes,
//! which the JWT library would take even when empty. Nothing is ever verified with RSA.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature::{self, Signer, Verifier},
};
use ring::{hmac, rand::SystemRandom, rsa, signature::RSA_PKCS1_SHA256};

use crate::root::DerivedKey;

/// Bytes in the shortest key that may sign.
const MIN_KEY_BYTES: usize = 32;

/// HS256 with its key; the key's two blocks are hashed once, when it is made.
pub(crate) struct Hs256(hmac::Key);

impl Hs256 {
    pub(crate) fn new(key: &DerivedKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.bytes()))
    }

    /// With a key that is derived already.
    pub(crate) fn of(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A key for tags nobody will look at.
    pub(crate) fn decoy() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &[0; MIN_KEY_BYTES]))
    }

    pub(crate) fn tag(&self, message: &[u8]) -> hmac::Tag {
        #[cfg(test)]
        work::note(message.len());
        hmac::sign(&self.0, message)
    }

    /// A tag as plain bytes.
    pub(crate) fn digest(&self, message: &[u8]) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.tag(message).as_ref());
        bytes
    }

    /// Compares in constant time.
    pub(crate) fn is_tag(&self, message: &[u8], tag: &[u8]) -> bool {
        #[cfg(test)]
        work::note(message.len());
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

/// Counts what this thread computed, so that a test can compare what refusals cost without a clock.
#[cfg(test)]
pub(crate) mod work {
    use std::cell::RefCell;

    thread_local! {
        static DONE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn note(message_bytes: usize) {
        DONE.with_borrow_mut(|done| done.push(message_bytes));
    }

    /// The length of each message a tag was computed over since the last call.
    pub(crate) fn done() -> Vec<usize> {
        DONE.take()
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.tag(message).as_ref().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), signature::Error> {
        if self.is_tag(message, tag) { Ok(()) } else { Err(signature::Error::new()) }
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// RS256 with its key.
struct Rs256(rsa::KeyPair);

impl Signer<Vec<u8>> for Rs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let mut signed = vec![0; self.0.public().modulus_len()];
        let done = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signed);
        done.map(|()| signed).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

/// Makes ring the JWT library's cryptography for this process. May be called any number of times; must
/// have been called before the library signs or verifies, or it panics.
pub(crate) fn install() {
    // An error says only that a provider is there already.
    let _ = PROVIDER.install_default();
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key: &EncodingKey| match algorithm {
        Algorithm::RS256 => Ok(Box::new(rs256(key.as_bytes())?)),
        _ => Ok(Box::new(hs256(algorithm, key.as_bytes())?)),
    },
    verifier_factory: |algorithm, key: &DecodingKey| Ok(Box::new(hs256(algorithm, key.try_get_as_bytes()?)?)),
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(unsupported()),
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: |_, _| Err(unsupported()),
        ed_pub_components_from_private_key: |_, _| Err(unsupported()),
        compute_digest: |_, _| Err(unsupported()),
    },
};

fn hs256(algorithm: &Algorithm, key: &[u8]) -> Result<Hs256, Error> {
    if *algorithm != Algorithm::HS256 {
        return Err(unsupported());
    }
    if key.len() < MIN_KEY_BYTES {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key)))
}

/// `key` is PKCS #8.
fn rs256(key: &[u8]) -> Result<Rs256, Error> {
    rsa::KeyPair::from_pkcs8(key).map(Rs256).map_err(|_| ErrorKind::InvalidKeyFormat.into())
}

fn unsupported() -> Error {
    ErrorKind::UnsupportedAlgorithm.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hs256_with_a_full_key_may_sign_or_verify() {
        install();
        install();
        for (algorithm, key_bytes, is_accepted) in [
            (Algorithm::HS256, 32, true),
            (Algorithm::HS256, 31, false),
            (Algorithm::HS256, 0, false),
            (Algorithm::HS384, 64, false),
            (Algorithm::HS512, 64, false),
            (Algorithm::RS256, 64, false),
            (Algorithm::ES256, 64, false),
            (Algorithm::EdDSA, 64, false),
        ] {
            let key = vec![7; key_bytes];
            let signed = jsonwebtoken::crypto::sign(b"message", &EncodingKey::from_secret(&key), algorithm);
            assert_eq!(signed.is_ok(), is_accepted, "sign {algorithm:?} {key_bytes}");
            let signature = signed.unwrap_or_default();
            let verified = jsonwebtoken::crypto::verify(
                &signature,
                b"message",
                &DecodingKey::from_secret(&key),
                algorithm,
            );
            assert_eq!(verified.unwrap_or(false), is_accepted, "verify {algorithm:?} {key_bytes}");
        }
    }

    #[test]
    fn a_tag_covers_every_byte_of_the_message() {
        let key = hs256(&Algorithm::HS256, &[7; 32]).unwrap();
        let tag = key.tag(b"message");
        assert!(key.is_tag(b"message", tag.as_ref()));
        assert!(!key.is_tag(b"messagf", tag.as_ref()));
        assert!(!key.is_tag(b"message", &tag.as_ref()[..31]));
        assert!(!key.is_tag(b"message", b""));
    }

    /// Wycheproof's vectors with whole tags; the JWT library never truncates one.
    #[test]
    fn the_published_hmac_vectors_hold() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/wycheproof/hmac_sha256_test.json");
        let Ok(text) = std::fs::read_to_string(path) else {
            return println!("hmac vectors: absent");
        };
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut count = 0;
        for group in vectors["testGroups"].as_array().unwrap() {
            for test in group["tests"].as_array().unwrap().iter().filter(|_| group["tagSize"] == 256) {
                let bytes = |name: &str| crate::hex(test[name].as_str().unwrap());
                let key = Hs256(hmac::Key::new(hmac::HMAC_SHA256, &bytes("key")));
                let is_valid = key.is_tag(&bytes("msg"), &bytes("tag"));
                assert_eq!(is_valid, test["result"] == "valid", "{}", test["tcId"]);
                assert_eq!(is_valid, key.tag(&bytes("msg")).as_ref() == bytes("tag"));
                count += 1;
            }
        }
        println!("hmac vectors: {count} ran");
        assert!(count > 0);
    }
}
