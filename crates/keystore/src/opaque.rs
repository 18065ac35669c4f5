//! Keys in their short form, for tools that limit a key's length: `sk-nexus-`, 43 random characters, 6 of
//! checksum.
//!
//! The text says nothing of its rights: they are found by its digest, which is all that is stored. The
//! checksum lets a scanner tell a leaked key from a look-alike and proves nothing.

use crate::{
    crypto::Hs256,
    entropy,
    root::{CryptoFailed, Purpose, RootSecret},
    secret::Secret,
};

/// What tools insist on; [`crate::bearer::token`] takes it off.
const TOOL_PREFIX: &str = "sk-";
const PREFIX: &str = "nexus-";
/// Digits of base 62, in the order of their values.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Random digits; 62^43 is just above 2^256.
const DIGITS: usize = 43;
/// Digits of base 62 that hold any CRC-32.
const CHECKSUM_DIGITS: u32 = 6;

/// Makes a key.
pub fn mint() -> Result<Secret, CryptoFailed> {
    // Room for all of it at once: a text that grew would leave its beginning behind.
    let mut text = String::with_capacity(80);
    text.push_str(TOOL_PREFIX);
    text.push_str(PREFIX);
    let before = text.len();
    while text.len() < before + DIGITS {
        let chance = entropy::random::<64>()?;
        let missing = before + DIGITS - text.len();
        text.extend(chance.iter().filter_map(|byte| fair_digit(*byte)).take(missing));
    }
    let sum = checksum(text.get(before..).unwrap_or_default());
    text.extend(sum);
    Ok(Secret::new(text))
}

/// Whether a text, with `sk-` in front or without, is meant to be a key in short form. Such a one is never a
/// token.
pub fn looks_like(text: &str) -> bool {
    plain(text).starts_with(PREFIX)
}

/// Whether it is one that may have been minted, by length, alphabet and checksum.
pub fn is_well_formed(text: &str) -> bool {
    let Some((random, sum)) = plain(text).strip_prefix(PREFIX).and_then(|rest| rest.split_at_checked(DIGITS))
    else {
        return false;
    };
    random.bytes().all(|byte| ALPHABET.contains(&byte)) && checksum(random).into_iter().eq(sum.chars())
}

/// Turns keys into the digests by which they are found. The key of the digests is derived from
/// `NEXUS_SECRET_KEY`: a stolen table of digests cannot be tried against, nor put into another installation.
pub struct OpaqueDigests(Hs256);

impl OpaqueDigests {
    pub fn new(root: &RootSecret) -> Result<Self, CryptoFailed> {
        Ok(Self(Hs256::new(&root.derive(Purpose::OpaqueDigest, b"")?)))
    }

    /// HMAC-SHA-256 of a key; the same with `sk-` in front and without.
    pub fn digest(&self, text: &str) -> [u8; 32] {
        self.0.digest(plain(text).as_bytes())
    }
}

fn plain(text: &str) -> &str {
    text.strip_prefix(TOOL_PREFIX).unwrap_or(text)
}

/// A digit for a byte, or none for the few bytes that would make some digits likelier than others.
fn fair_digit(byte: u8) -> Option<char> {
    let (turn, digit) = (usize::from(byte) / ALPHABET.len(), usize::from(byte) % ALPHABET.len());
    (turn < 256 / ALPHABET.len()).then(|| ALPHABET.get(digit).copied().map(char::from)).flatten()
}

/// CRC-32 (ISO-HDLC) of the random characters, the highest digit first.
fn checksum(random: &str) -> [char; CHECKSUM_DIGITS as usize] {
    let sum = crc32fast::hash(random.as_bytes());
    let mut place = 62_u32.pow(CHECKSUM_DIGITS - 1);
    [(); CHECKSUM_DIGITS as usize].map(|()| {
        let digit = sum / place % 62;
        place /= 62;
        ALPHABET.get(digit as usize).copied().map_or('0', char::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minted() -> String {
        mint().unwrap_or_else(|error| panic!("{error}")).expose().to_owned()
    }

    fn digests(root: &str) -> OpaqueDigests {
        OpaqueDigests::new(&RootSecret::from_text(root).unwrap_or_else(|weak| panic!("{weak}"))).ok().unwrap()
    }

    const OURS: &str = "a root for the tests, 32 bytes or more";

    #[test]
    fn a_minted_key_is_well_formed_and_like_no_other() {
        let keys: Vec<_> = (0..200).map(|_| minted()).collect();
        for (i, key) in keys.iter().enumerate() {
            assert_eq!(key.len(), 58, "{key}");
            assert!(key.starts_with("sk-nexus-") && looks_like(key) && is_well_formed(key), "{key}");
            assert!(is_well_formed(&key[3..]) && looks_like(&key[3..]), "{key}");
            assert!(keys.iter().skip(i + 1).all(|other| other != key));
        }
        let used: std::collections::BTreeSet<_> = keys.iter().flat_map(|key| key[9..52].bytes()).collect();
        assert_eq!(used.len(), ALPHABET.len());
    }

    #[test]
    fn each_digit_is_as_likely_as_any_other() {
        let mut counts = std::collections::BTreeMap::new();
        for digit in (0..=u8::MAX).filter_map(fair_digit) {
            *counts.entry(digit).or_insert(0) += 1;
        }
        assert!(counts.len() == 62 && counts.values().all(|count| *count == 4), "{counts:?}");
    }

    #[test]
    fn each_single_changed_character_is_found() {
        let key = minted();
        for at in 0..key.len() {
            for other in (0x20..0x7f).filter(|other| *other != key.as_bytes()[at]) {
                let mut bytes = key.clone().into_bytes();
                bytes[at] = other;
                let text = String::from_utf8(bytes).unwrap();
                assert!(!is_well_formed(&text), "{text}");
            }
        }
        for text in [
            "",
            "sk-",
            "sk-nexus-",
            "nexus-",
            &key[..57],
            &format!("{key}0"),
            &format!("sk-{key}"),
            &format!(" {key}"),
            &format!("sk-nexus-{}", "\u{1f680}".repeat(13)),
            "sk-nexus-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(!is_well_formed(text), "{text}");
        }
    }

    /// CRC-32 of 43 zeros by another program: 0x7849568f.
    #[test]
    fn the_checksum_is_the_one_scanners_compute() {
        let zeros = "0".repeat(DIGITS);
        assert!(is_well_formed(&format!("sk-nexus-{zeros}2CZclj")));
    }

    #[test]
    fn only_the_prefix_makes_it_look_like_one() {
        for (text, expected) in [
            ("sk-nexus-x", true),
            ("nexus-x", true),
            ("sk-nexus", false),
            ("SK-nexus-x", false),
            ("sk-Nexus-x", false),
            ("sk-proj-x", false),
            ("eyJhbGciOi.nexus-.x", false),
            ("", false),
        ] {
            assert_eq!(looks_like(text), expected, "{text}");
        }
    }

    #[test]
    fn a_digest_is_of_the_key_and_the_root() {
        let (key, other) = (minted(), minted());
        let ours = digests(OURS);
        assert_eq!(ours.digest(&key), digests(OURS).digest(&key[3..]));
        assert_ne!(ours.digest(&key), ours.digest(&other));
        assert_ne!(ours.digest(&key), digests("another root for the tests, as long").digest(&key));
    }
}
