//! A root secret from the operator, and the keys derived from it.
//!
//! A derived key belongs to one [`Purpose`] and one context; a new use of a root is a new purpose, never
//! an old one again. Labels are fixed for ever: what they sign and seal outlives the program.

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::hkdf;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::entropy;

/// Bytes of content a root secret must have at least.
pub const MIN_ROOT_BYTES: usize = 32;

/// Fewer different bytes than this among 32 or more is no random value: at random, the chance is below 10^-10.
const MIN_DISTINCT_BYTES: usize = 8;

/// Words of sample values in documents and templates, compared without case and punctuation.
const SAMPLE_WORDS: [&str; 9] = [
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "placeholder",
    "yoursecret",
    "examplesecret",
    "notasecret",
    "supersecret",
];

/// Why a value may not be a root secret. Says nothing of the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WeakRoot {
    #[error("is shorter than 32 bytes; make one with `openssl rand -base64 32`")]
    Short,
    #[error("is a sample value from a document; make one with `openssl rand -base64 32`")]
    Sample,
    #[error("repeats itself instead of being random; make one with `openssl rand -base64 32`")]
    Repetitive,
}

/// The operating system gave no random bytes, or ring refused a derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the system's cryptography failed: it gave no random bytes or refused a key")]
pub struct CryptoFailed;

/// What a derived key is for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// Signs tokens; the context is the hour.
    TokenSigning,
    /// Seals columns; the context is the key version's name.
    Sealing,
    /// Wraps data keys; no context.
    Wrapping,
    /// Digests keys in their short form; no context.
    OpaqueDigest,
    /// Makes the secrets with which requests are signed; no context.
    SigningSecret,
    /// Signs cursors; no context.
    Cursor,
    /// Makes the secrets webhooks are signed with; no context.
    WebhookSecret,
    /// Tags what nodes share outside the database; no context.
    SharedState,
    /// Proves that two roots are the same one; no context.
    RootCheck,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Purpose::TokenSigning => b"nexus/1/token-signing",
            Purpose::Sealing => b"nexus/1/sealing",
            Purpose::Wrapping => b"nexus/1/wrapping",
            Purpose::OpaqueDigest => b"nexus/1/opaque-digest",
            Purpose::SigningSecret => b"nexus/1/signing-secret",
            Purpose::Cursor => b"nexus/1/cursor",
            Purpose::WebhookSecret => b"nexus/1/webhook-secret",
            Purpose::SharedState => b"nexus/1/shared-state",
            Purpose::RootCheck => b"nexus/1/root-check",
        }
    }
}

/// 32 bytes derived from a root; wiped when dropped.
pub(crate) struct DerivedKey(Zeroizing<[u8; 32]>);

impl DerivedKey {
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A root secret, kept only as the HKDF-SHA-256 pseudorandom key extracted from it.
pub struct RootSecret(hkdf::Prk);

impl RootSecret {
    /// From text as it stands in an environment variable: base64 (either alphabet, padded or not) of at
    /// least 32 bytes is decoded, anything else is taken as its bytes. White space around it is ignored.
    /// The error is to be printed behind the variable's name.
    pub fn from_text(text: &str) -> Result<Self, WeakRoot> {
        let text = text.trim_ascii();
        let decoded = [STANDARD, URL_SAFE].iter().find_map(|alphabet| decode(alphabet, text));
        let content: &[u8] = decoded.as_ref().map_or(text.as_bytes(), |bytes| bytes);
        if is_sample(text) || is_sequence(content) {
            return Err(WeakRoot::Sample);
        }
        if content.len() < MIN_ROOT_BYTES {
            return Err(WeakRoot::Short);
        }
        if is_repetitive(text.as_bytes()) || is_repetitive(content) {
            return Err(WeakRoot::Repetitive);
        }
        Ok(Self::extract(content))
    }

    /// A throw-away root: what it signs and seals is lost with the process.
    pub fn random() -> Result<Self, CryptoFailed> {
        Ok(Self::extract(entropy::random::<MIN_ROOT_BYTES>()?.as_ref()))
    }

    /// The key for one purpose and context.
    pub(crate) fn derive(&self, purpose: Purpose, context: &[u8]) -> Result<DerivedKey, CryptoFailed> {
        // Labels hold no NUL, so label and context cannot run into each other.
        let mut key = Zeroizing::new([0; 32]);
        expand(&self.0, &[purpose.label(), b"\0", context], key.as_mut())?;
        Ok(DerivedKey(key))
    }

    fn extract(content: &[u8]) -> Self {
        Self(hkdf::Salt::new(hkdf::HKDF_SHA256, b"nexus/1/root").extract(content))
    }
}

/// The length of an output, for ring.
struct Bytes(usize);

impl hkdf::KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(prk: &hkdf::Prk, info: &[&[u8]], out: &mut [u8]) -> Result<(), CryptoFailed> {
    prk.expand(info, Bytes(out.len())).and_then(|okm| okm.fill(out)).map_err(|_| CryptoFailed)
}

fn decode(alphabet: &base64::alphabet::Alphabet, text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = Zeroizing::new(GeneralPurpose::new(alphabet, config).decode(text).ok()?);
    (bytes.len() >= MIN_ROOT_BYTES).then_some(bytes)
}

fn is_sample(text: &str) -> bool {
    let letters: Zeroizing<String> = Zeroizing::new(
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect(),
    );
    SAMPLE_WORDS.iter().any(|word| letters.contains(word))
}

/// Counting up or down, byte by byte: `00 01 02 ...`, `0123456789:;<=...`.
fn is_sequence(content: &[u8]) -> bool {
    let steps = |by: u8| content.iter().zip(content.iter().skip(1)).all(|(a, b)| b.wrapping_sub(*a) == by);
    content.len() > 1 && (steps(1) || steps(1u8.wrapping_neg()))
}

fn is_repetitive(content: &[u8]) -> bool {
    let distinct = (0..=u8::MAX).filter(|byte| content.contains(byte)).count();
    let has_period = |period: usize| content.iter().zip(content.iter().skip(period)).all(|(a, b)| a == b);
    distinct < MIN_DISTINCT_BYTES || (1..=content.len().div_ceil(2)).any(has_period)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [u8; 32] = *b"\x1f\xd0\x8c\x3b\xe2\x47\x90\x0a\x5d\xbb\x61\xf4\x29\x8e\x13\xc7\x72\xa9\x04\xdf\x36\x58\xeb\x9c\x41\x0f\xb6\x7a\xd3\x25\x88\xfe";

    fn key(root: &RootSecret, purpose: Purpose, context: &[u8]) -> [u8; 32] {
        *root.derive(purpose, context).unwrap().bytes()
    }

    fn token_key(text: &str) -> [u8; 32] {
        key(&RootSecret::from_text(text).ok().unwrap(), Purpose::TokenSigning, b"h1")
    }

    #[test]
    fn the_same_bytes_are_the_same_root_however_written() {
        let config = |padded| GeneralPurposeConfig::new().with_encode_padding(padded);
        let plain = GeneralPurpose::new(&STANDARD, config(true)).encode(GOOD);
        let expected = token_key(&plain);
        for alphabet in [&STANDARD, &URL_SAFE] {
            for padded in [true, false] {
                let text = GeneralPurpose::new(alphabet, config(padded)).encode(GOOD);
                assert_eq!(token_key(&text), expected, "{text}");
                assert_eq!(token_key(&format!(" {text}\n")), expected, "{text}");
            }
        }
        assert_ne!(token_key("a pass phrase of more than thirty-two bytes"), expected);
    }

    #[test]
    fn weak_values_are_refused_by_words_that_do_not_repeat_them() {
        let base64 = |bytes: &[u8]| GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new()).encode(bytes);
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        for (text, weak) in [
            (String::new(), WeakRoot::Short),
            ("   ".into(), WeakRoot::Short),
            ("qK3v9ZpW1xR7tB5nM2cL8dF4gH6jS0a".into(), WeakRoot::Short),
            (base64(&GOOD[..21]), WeakRoot::Short),
            ("change-me-change-me-change-me-please".into(), WeakRoot::Sample),
            ("CHANGE_THIS_to_a_long_random_string!".into(), WeakRoot::Sample),
            ("your-secret-key-of-at-least-32-bytes".into(), WeakRoot::Sample),
            ("changeme".into(), WeakRoot::Sample),
            (base64(&ascending), WeakRoot::Sample),
            (base64(&descending), WeakRoot::Sample),
            ("0123456789:;<=>?@ABCDEFGHIJKLMNOPQ".into(), WeakRoot::Sample),
            ("a".repeat(32), WeakRoot::Repetitive),
            ("a".repeat(400), WeakRoot::Repetitive),
            (base64(&[0; 32]), WeakRoot::Repetitive),
            (base64(&[0xa7; 48]), WeakRoot::Repetitive),
            ("0123456789abcdef".repeat(4), WeakRoot::Repetitive),
            ("pass word 1234567 ".repeat(2), WeakRoot::Repetitive),
        ] {
            assert_eq!(RootSecret::from_text(&text).err(), Some(weak), "{text}");
            assert!(weak.to_string().contains("`openssl rand -base64 32`"));
        }
    }

    #[test]
    fn a_key_belongs_to_its_root_its_purpose_and_its_context() {
        let root = || RootSecret::extract(&GOOD);
        let keys = [
            key(&root(), Purpose::TokenSigning, b"h1"),
            key(&root(), Purpose::TokenSigning, b"h2"),
            key(&root(), Purpose::TokenSigning, b""),
            key(&root(), Purpose::Sealing, b"h1"),
            key(&root(), Purpose::RootCheck, b"h1"),
            key(&root(), Purpose::Wrapping, b"h1"),
            key(&root(), Purpose::OpaqueDigest, b"h1"),
            key(&root(), Purpose::SigningSecret, b"h1"),
            key(&root(), Purpose::Cursor, b"h1"),
            key(&RootSecret::random().ok().unwrap(), Purpose::TokenSigning, b"h1"),
            key(&RootSecret::random().ok().unwrap(), Purpose::TokenSigning, b"h1"),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|b| a != b), "{i}");
        }
        assert_eq!(keys[0], key(&root(), Purpose::TokenSigning, b"h1"));
    }

    #[test]
    fn the_published_hkdf_vectors_hold() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/wycheproof/hkdf_sha256_test.json");
        let Ok(text) = std::fs::read_to_string(path) else {
            return println!("hkdf vectors: absent");
        };
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut count = 0;
        for group in vectors["testGroups"].as_array().unwrap() {
            for test in group["tests"].as_array().unwrap() {
                let bytes = |name: &str| crate::hex(test[name].as_str().unwrap());
                let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &bytes("salt")).extract(&bytes("ikm"));
                let mut out = vec![0; usize::try_from(test["size"].as_u64().unwrap()).unwrap()];
                let is_made = expand(&prk, &[&bytes("info")], &mut out).is_ok();
                assert_eq!(is_made && out == bytes("okm"), test["result"] == "valid", "{}", test["tcId"]);
                count += 1;
            }
        }
        println!("hkdf vectors: {count} ran");
        assert!(count > 0);
    }
}
