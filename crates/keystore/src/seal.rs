//! AES-256-GCM over bytes: `nonce (12) | ciphertext | tag (16)`.
//!
//! Each sealing draws a fresh random 96-bit nonce, so one key may seal 2^32 times and not more.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::{entropy, root::CryptoFailed};

/// Associated bytes of several parts, each behind its length: no two lists of parts write the same bytes.
pub(crate) fn bound_to(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

pub(crate) struct SealingKey(LessSafeKey);

impl SealingKey {
    /// Of exactly 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, CryptoFailed> {
        UnboundKey::new(&AES_256_GCM, key).map(|key| Self(LessSafeKey::new(key))).map_err(|_| CryptoFailed)
    }

    /// Seals `plaintext` so that it opens only with the same `associated` bytes.
    pub(crate) fn seal(&self, associated: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoFailed> {
        self.seal_under(*entropy::random::<NONCE_LEN>()?, associated, plaintext)
    }

    /// None if a bit of the key, of `associated` or of `sealed` is another than when it was sealed.
    pub(crate) fn open(&self, associated: &[u8], sealed: Vec<u8>) -> Option<Zeroizing<Vec<u8>>> {
        let mut buffer = Zeroizing::new(sealed);
        let nonce = Nonce::assume_unique_for_key(*buffer.first_chunk()?);
        let opened = self.0.open_within(nonce, Aad::from(associated), &mut buffer, NONCE_LEN..).ok()?;
        let length = opened.len();
        buffer.truncate(length);
        Some(buffer)
    }

    fn seal_under(
        &self,
        nonce: [u8; NONCE_LEN],
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoFailed> {
        // Room for all of it at once: a buffer that grew would leave the plaintext behind.
        let mut sealed = Vec::with_capacity(NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let text = sealed.get_mut(NONCE_LEN..).unwrap_or_default();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(associated), text)
            .map_err(|_| CryptoFailed)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealingKey {
        SealingKey::new(&[7; 32]).ok().unwrap()
    }

    #[test]
    fn what_was_sealed_opens_and_no_two_sealings_are_alike() {
        for plaintext in [&b""[..], b"a", b"sk-live-provider-key", &[0xff; 5000]] {
            let [a, b] = [(); 2].map(|()| key().seal(b"place", plaintext).unwrap());
            assert_ne!(a, b);
            assert_eq!(a.len(), NONCE_LEN + plaintext.len() + 16);
            assert_eq!(key().open(b"place", a).unwrap().as_slice(), plaintext);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_keeps_it_shut() {
        let sealed = key().seal(b"place", b"secret").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key().open(b"place", flipped).is_none(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(key().open(b"place", sealed[..length].to_vec()).is_none(), "cut to {length}");
        }
        assert!(key().open(b"place", [&sealed[..], &[0]].concat()).is_none());
        assert!(key().open(b"palace", sealed.clone()).is_none());
        assert!(SealingKey::new(&[8; 32]).ok().unwrap().open(b"place", sealed).is_none());
    }

    #[test]
    fn only_256_bit_keys_seal() {
        for (bytes, is_key) in [(0, false), (16, false), (31, false), (32, true), (33, false)] {
            assert_eq!(SealingKey::new(&vec![1; bytes]).is_ok(), is_key, "{bytes}");
        }
    }

    #[test]
    fn the_published_aes_gcm_vectors_hold() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/wycheproof/aes_gcm_test.json");
        let Ok(text) = std::fs::read_to_string(path) else {
            return println!("aes-gcm vectors: absent");
        };
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let is_ours = |group: &serde_json::Value| {
            group["ivSize"] == 96 && group["keySize"] == 256 && group["tagSize"] == 128
        };
        let mut count = 0;
        for group in vectors["testGroups"].as_array().unwrap().iter().filter(|group| is_ours(group)) {
            for test in group["tests"].as_array().unwrap() {
                let bytes = |name: &str| crate::hex(test[name].as_str().unwrap());
                let key = SealingKey::new(&bytes("key")).ok().unwrap();
                let sealed = [bytes("iv"), bytes("ct"), bytes("tag")].concat();
                let opened = key.open(&bytes("aad"), sealed.clone());
                if test["result"] == "valid" {
                    assert_eq!(opened.unwrap().as_slice(), bytes("msg"), "{}", test["tcId"]);
                    let nonce = bytes("iv").try_into().unwrap();
                    let made = key.seal_under(nonce, &bytes("aad"), &bytes("msg")).unwrap();
                    assert_eq!(made, sealed, "{}", test["tcId"]);
                } else {
                    assert!(opened.is_none(), "{}", test["tcId"]);
                }
                count += 1;
            }
        }
        println!("aes-gcm vectors: {count} ran");
        assert!(count > 0);
    }
}
