//! The secrets webhooks are signed with, and the signatures, as the Standard Webhooks specification has them.
//!
//! A secret is derived from its webhook's id and a generation, so it is shown once and never stored; the next
//! generation is another secret.

use base64::{Engine, engine::general_purpose::STANDARD};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    crypto::Hs256,
    root::{CryptoFailed, Purpose, RootSecret},
    secret::Secret,
};

/// In front of a secret, so that people and scanners know what it is.
const PREFIX: &str = "whsec_";

/// Derives webhook secrets from `NEXUS_SECRET_KEY`, and signs with them.
pub struct WebhookSecrets(Hs256);

impl WebhookSecrets {
    pub fn new(root: &RootSecret) -> Result<Self, CryptoFailed> {
        Ok(Self(Hs256::new(&root.derive(Purpose::WebhookSecret, b"")?)))
    }

    /// The secret of a webhook: behind the prefix, the base64 of the HMAC key's 32 bytes.
    pub fn secret(&self, webhook: Uuid, generation: u32) -> Secret {
        let encoded = Zeroizing::new(STANDARD.encode(self.key(webhook, generation)));
        Secret::new(format!("{PREFIX}{}", *encoded))
    }

    /// The signature of a message: `v1,` and the base64 of the HMAC-SHA-256 over id, time and body, a full stop
    /// between each two.
    pub fn sign(&self, webhook: Uuid, generation: u32, message: &str, at_s: i64, body: &str) -> String {
        let key = Hs256::of(&self.key(webhook, generation));
        let signed = format!("{message}.{at_s}.{body}");
        format!("v1,{}", STANDARD.encode(key.digest(signed.as_bytes())))
    }

    fn key(&self, webhook: Uuid, generation: u32) -> Zeroizing<[u8; 32]> {
        let mut message = [0; 20];
        let (id, count) = message.split_at_mut(16);
        id.copy_from_slice(webhook.as_bytes());
        count.copy_from_slice(&generation.to_be_bytes());
        Zeroizing::new(self.0.digest(&message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(root: &str) -> WebhookSecrets {
        let root = RootSecret::from_text(root).unwrap_or_else(|weak| panic!("{weak}"));
        WebhookSecrets::new(&root).ok().unwrap()
    }

    const OURS: &str = "a root for the tests, 32 bytes or more";

    #[test]
    fn a_secret_belongs_to_its_root_its_webhook_and_its_generation() {
        let other = "another root for the tests, as long";
        let all = [(OURS, 1, 1), (OURS, 1, 2), (OURS, 2, 1), (other, 1, 1)].map(|(root, id, generation)| {
            secrets(root).secret(Uuid::from_u128(id), generation).expose().to_owned()
        });
        for (at, one) in all.iter().enumerate() {
            assert_eq!(STANDARD.decode(one.strip_prefix(PREFIX).unwrap()).unwrap().len(), 32);
            assert!(all.iter().skip(at + 1).all(|other| other != one));
        }
    }

    #[test]
    fn whoever_has_the_secret_verifies_the_signature_as_the_specification_says() {
        let (secrets, id) = (secrets(OURS), Uuid::from_u128(1));
        let shown = secrets.secret(id, 3).expose().to_owned();
        let key = STANDARD.decode(shown.strip_prefix(PREFIX).unwrap()).unwrap();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        let signature = secrets.sign(id, 3, "msg_1", 1_700_000_000, r#"{"a":1}"#);
        let tag = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
        ring::hmac::verify(&key, br#"msg_1.1700000000.{"a":1}"#, &tag).unwrap();
        for (message, at_s, body) in [
            ("msg_2", 1_700_000_000, r#"{"a":1}"#),
            ("msg_1", 1, r#"{"a":1}"#),
            ("msg_1", 1_700_000_000, "{}"),
        ] {
            assert_ne!(secrets.sign(id, 3, message, at_s, body), signature);
        }
        assert_ne!(secrets.sign(id, 4, "msg_1", 1_700_000_000, r#"{"a":1}"#), signature);
    }
}
