//! Cursors: places in a list, signed, so that a client hands back only what it was given.
//!
//! What is inside can be read by anybody who decodes it and holds no secret. Whoever signs puts in what the
//! place belongs to (list, filters, reach) and compares when it comes back.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    crypto::Hs256,
    root::{CryptoFailed, Purpose, RootSecret},
};

/// Characters in the longest cursor looked at.
pub const MAX_CURSOR_BYTES: usize = 4096;

const TAG_BYTES: usize = 32;

/// Signs and opens cursors. Every node of an installation takes every other's.
pub struct Cursors(Hs256);

impl Cursors {
    pub fn new(root: &RootSecret) -> Result<Self, CryptoFailed> {
        Ok(Self(Hs256::new(&root.derive(Purpose::Cursor, b"")?)))
    }

    /// A cursor that holds these bytes; they should be few, see [`MAX_CURSOR_BYTES`].
    pub fn sign(&self, bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([self.0.tag(bytes).as_ref(), bytes].concat())
    }

    /// The bytes in a cursor of ours.
    pub fn open(&self, cursor: &str) -> Option<Vec<u8>> {
        if cursor.len() > MAX_CURSOR_BYTES {
            return None;
        }
        let signed = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, bytes) = signed.split_at_checked(TAG_BYTES)?;
        self.0.is_tag(bytes, tag).then(|| bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors(root: &str) -> Cursors {
        Cursors::new(&RootSecret::from_text(root).unwrap_or_else(|weak| panic!("{weak}"))).ok().unwrap()
    }

    const OURS: &str = "a root for the tests, 32 bytes or more";

    #[test]
    fn a_cursor_opens_on_every_node_and_only_as_it_was_given() {
        for bytes in [&b""[..], b"keys|1800000000000|0190", &[0xff; 3000]] {
            let cursor = cursors(OURS).sign(bytes);
            assert_eq!(cursors(OURS).open(&cursor).as_deref(), Some(bytes));
            assert_eq!(cursors("another root for the tests, as long").open(&cursor), None);
            assert_eq!(cursors(OURS).open(&format!("{cursor}A")), None);
            assert_eq!(cursors(OURS).open(&cursor[1..]), None);
        }
        let signed = URL_SAFE_NO_PAD.decode(cursors(OURS).sign(b"place")).unwrap();
        for bit in 0..signed.len() * 8 {
            let mut flipped = signed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(cursors(OURS).open(&URL_SAFE_NO_PAD.encode(flipped)), None, "bit {bit}");
        }
    }

    #[test]
    fn any_other_text_is_no_cursor() {
        let longest = cursors(OURS).sign(&vec![7; MAX_CURSOR_BYTES / 4 * 3 - TAG_BYTES]);
        assert_eq!(longest.len(), MAX_CURSOR_BYTES);
        assert!(cursors(OURS).open(&longest).is_some());
        let too_long = cursors(OURS).sign(&vec![7; MAX_CURSOR_BYTES / 4 * 3 - TAG_BYTES + 1]);
        for text in ["", "=", "null", "\u{1f680}", &"A".repeat(43), &"A".repeat(60), &too_long] {
            assert_eq!(cursors(OURS).open(text), None, "{text}");
        }
    }
}
