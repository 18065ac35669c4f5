//! The secrets with which callers sign their requests.
//!
//! A secret is derived from its key's id and a generation, so it is shown once and never stored; the next
//! generation is another secret, and the one before is worth nothing where the generation says so.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    crypto::Hs256,
    root::{CryptoFailed, Purpose, RootSecret},
    secret::Secret,
};

/// Derives signing secrets from `NEXUS_SECRET_KEY`.
pub struct SigningSecrets(Hs256);

impl SigningSecrets {
    pub fn new(root: &RootSecret) -> Result<Self, CryptoFailed> {
        Ok(Self(Hs256::new(&root.derive(Purpose::SigningSecret, b"")?)))
    }

    /// The secret of a key: 43 characters of base64url. The HMAC key of a signature is this text's bytes as
    /// they stand, not what they decode to.
    pub fn secret(&self, key: Uuid, generation: u32) -> Secret {
        let mut message = [0; 20];
        let (id, count) = message.split_at_mut(16);
        id.copy_from_slice(key.as_bytes());
        count.copy_from_slice(&generation.to_be_bytes());
        Secret::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(self.0.digest(&message))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(root: &str, key: u128, generation: u32) -> String {
        let root = RootSecret::from_text(root).unwrap_or_else(|weak| panic!("{weak}"));
        SigningSecrets::new(&root).ok().unwrap().secret(Uuid::from_u128(key), generation).expose().to_owned()
    }

    const OURS: &str = "a root for the tests, 32 bytes or more";

    #[test]
    fn a_secret_belongs_to_its_root_its_key_and_its_generation() {
        let secrets = [
            secret(OURS, 1, 0),
            secret(OURS, 1, 1),
            secret(OURS, 1, 256),
            secret(OURS, 2, 0),
            secret(OURS, 1 << 96, 0),
            secret("another root for the tests, as long", 1, 0),
        ];
        for (i, own) in secrets.iter().enumerate() {
            assert_eq!(own.len(), 43);
            assert!(secrets.iter().skip(i + 1).all(|other| own != other), "{i}");
        }
        assert_eq!(secrets[0], secret(OURS, 1, 0));
    }

    /// Made by another program: a secret outlives the one that showed it.
    #[test]
    fn a_secret_stays_the_same_for_ever() {
        assert_eq!(secret(OURS, 1, 2), "JtvuKId5bLG720gqAgzJTwxaN4MTBytrRHu47RSByF4");
    }
}
