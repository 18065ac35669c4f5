//! `Content-Digest` (RFC 9530): digests of a body's bytes as they came over the wire.
//!
//! Every digest of an algorithm we know must hold; those of other algorithms are passed over, but one of ours
//! must be there.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{Algorithm, SHA256, SHA512, digest};
use sfv::{BareItem, Item, ListEntry};

use super::{Wrong, dictionary};

const ALGORITHMS: [(&str, &Algorithm); 2] = [("sha-256", &SHA256), ("sha-512", &SHA512)];

/// The digests of a body that we can compare; at least one.
#[derive(Debug)]
pub(super) struct ContentDigest(Vec<(&'static Algorithm, Vec<u8>)>);

impl ContentDigest {
    pub(super) fn parse(field: &str) -> Result<Self, Wrong> {
        let mut members = dictionary(field).ok_or(Wrong::DigestMalformed)?;
        let mut known = Vec::new();
        for (name, algorithm) in ALGORITHMS {
            match members.swap_remove(name) {
                Some(ListEntry::Item(Item { bare_item: BareItem::ByteSequence(bytes), .. })) => {
                    known.push((algorithm, bytes));
                }
                Some(_) => return Err(Wrong::DigestMalformed),
                None => {}
            }
        }
        if known.is_empty() { Err(Wrong::DigestAlgorithm) } else { Ok(Self(known)) }
    }

    pub(super) fn is_of(&self, body: &[u8]) -> bool {
        self.0.iter().all(|(algorithm, bytes)| digest(algorithm, body).as_ref() == bytes)
    }
}

/// The header's value for a body.
pub(super) fn of(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(digest(&SHA256, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"hello": "world"}"#;
    const SHA_256: &str = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    /// RFC 9421, appendix B.2.
    const SHA_512: &str =
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
    /// RFC 9530, appendix B.1: the same body with a line's end.
    const WITH_LINE_END: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    const OF_NOTHING: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

    fn check(field: &str, body: &[u8]) -> Result<(), Wrong> {
        let parsed = ContentDigest::parse(field)?;
        if parsed.is_of(body) { Ok(()) } else { Err(Wrong::DigestMismatch) }
    }

    #[test]
    fn every_known_digest_must_hold_and_one_must_be_there() {
        let other = |field: &str| field.replacen(":X", ":Y", 1).replacen(":W", ":X", 1);
        for (field, expected) in [
            (SHA_256.to_owned(), Ok(())),
            (SHA_512.to_owned(), Ok(())),
            (format!("{SHA_256}, {SHA_512}"), Ok(())),
            (format!("  {SHA_512} ,\t{SHA_256}  "), Ok(())),
            (format!("md5=:AAAA:, {SHA_256}"), Ok(())),
            (format!("sha-256=:AAAA:, {SHA_256}"), Ok(())),
            (format!("{SHA_256};q=1"), Ok(())),
            (format!("{SHA_256}, sha-256=:AAAA:"), Err(Wrong::DigestMismatch)),
            (other(SHA_256), Err(Wrong::DigestMismatch)),
            (format!("{SHA_256}, {}", other(SHA_512)), Err(Wrong::DigestMismatch)),
            (format!("{}, {SHA_512}", other(SHA_256)), Err(Wrong::DigestMismatch)),
            ("sha-256=::".to_owned(), Err(Wrong::DigestMismatch)),
            ("sha-256=:X48E:".to_owned(), Err(Wrong::DigestMismatch)),
            (SHA_256.replace("sha-256", "sha-512"), Err(Wrong::DigestMismatch)),
            ("md5=:AAAA:".to_owned(), Err(Wrong::DigestAlgorithm)),
            (SHA_256.replace("sha-256", "sha256"), Err(Wrong::DigestAlgorithm)),
            (String::new(), Err(Wrong::DigestAlgorithm)),
            (SHA_256.replace(':', "\""), Err(Wrong::DigestMalformed)),
            (SHA_256.replace("sha", "SHA"), Err(Wrong::DigestMalformed)),
            ("sha-256".to_owned(), Err(Wrong::DigestMalformed)),
            ("sha-256=(:AAAA:)".to_owned(), Err(Wrong::DigestMalformed)),
            (format!("{SHA_256},"), Err(Wrong::DigestMalformed)),
            (format!("{SHA_256} {SHA_512}"), Err(Wrong::DigestMalformed)),
            ("sha-256=:\u{e9}:".to_owned(), Err(Wrong::DigestMalformed)),
            (format!("{SHA_256}{}", " ".repeat(9000)), Err(Wrong::DigestMalformed)),
        ] {
            assert_eq!(check(&field, BODY), expected, "{field}");
        }
    }

    #[test]
    fn our_own_digest_is_the_published_one() {
        assert_eq!(of(BODY), SHA_256);
        assert_eq!(of(&[BODY, b"\n"].concat()), WITH_LINE_END);
        assert_eq!(of(b""), OF_NOTHING);
        assert_eq!(check(OF_NOTHING, b""), Ok(()));
        assert_eq!(check(OF_NOTHING, b"\n"), Err(Wrong::DigestMismatch));
    }
}
