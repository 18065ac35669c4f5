//! What stands for a text where it is looked up by being the same: SHA-256 over its parts.
//!
//! Two lists of parts have the same fingerprint only if they are the same list: every part goes in with its length.

use ring::digest::{Context, SHA256};

/// A fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of these parts, in this order.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_parts_in_the_same_order_have_the_same_fingerprint() {
        let of = |parts: &[&[u8]]| Fingerprint::of(parts.iter().copied());
        let one = of(&[b"ab", b"c"]);
        assert_eq!(one, of(&[b"ab", b"c"]));
        for other in [&[b"a", b"bc" as &[u8]][..], &[b"c", b"ab"], &[b"abc"], &[b"ab", b"c", b""], &[]] {
            assert_ne!(one, of(other), "{other:?}");
        }
    }
}
