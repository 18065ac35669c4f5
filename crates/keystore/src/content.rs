//! Content keys: one of each team, under which what its requests and their answers said is sealed.
//!
//! A key lies in the database sealed by the vault; whoever destroys it there has erased everything under it.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    entropy,
    root::CryptoFailed,
    seal::{SealingKey, bound_to},
    secret::Secret,
    vault::CannotOpen,
};

/// What a text is bound to, besides the request it is of.
const FORMAT: &[u8] = b"content v1";

/// What a thing on the shelf is bound to, besides its id and the number of the piece.
const SHELF: &[u8] = b"shelf v1";

/// A team's key, ready to seal and open.
pub struct ContentKey(SealingKey);

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey")
    }
}

impl ContentKey {
    /// Makes a key, as text for the vault to seal.
    pub fn make() -> Result<Secret, CryptoFailed> {
        Ok(Secret::new(URL_SAFE_NO_PAD.encode(*entropy::random::<32>()?)))
    }

    /// The key that was made as this text.
    pub fn of(text: &Secret) -> Result<Self, CannotOpen> {
        let bytes = URL_SAFE_NO_PAD.decode(text.expose()).map(Zeroizing::new).map_err(|_| CannotOpen)?;
        SealingKey::new(&bytes).map(Self).map_err(|_| CannotOpen)
    }

    /// Seals what was said in this request.
    pub fn seal(&self, request: Uuid, said: &[u8]) -> Result<Vec<u8>, CryptoFailed> {
        self.0.seal(&bound_to(&[FORMAT, request.as_bytes()]), said)
    }

    /// What was said in this request.
    pub fn open(&self, request: Uuid, sealed: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
        self.0.open(&bound_to(&[FORMAT, request.as_bytes()]), sealed).ok_or(CannotOpen)
    }

    /// Seals a piece of a thing on the shelf; the thing itself is the piece before the first.
    pub fn seal_piece(&self, thing: &str, number: i64, said: &[u8]) -> Result<Vec<u8>, CryptoFailed> {
        self.0.seal(&bound_to(&[SHELF, thing.as_bytes(), &number.to_be_bytes()]), said)
    }

    /// What the same piece of the same thing says.
    pub fn open_piece(
        &self,
        thing: &str,
        number: i64,
        sealed: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
        let bound = bound_to(&[SHELF, thing.as_bytes(), &number.to_be_bytes()]);
        self.0.open(&bound, sealed).ok_or(CannotOpen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_opens_under_its_teams_key_as_the_same_request_only() {
        let (ours, theirs) = (ContentKey::make().ok().unwrap(), ContentKey::make().ok().unwrap());
        let key = |text| ContentKey::of(text).unwrap();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = key(&ours).seal(one, b"a prompt").unwrap();
        assert_eq!(key(&ours).open(one, sealed.clone()).unwrap().as_slice(), b"a prompt");
        assert_eq!(key(&ours).open(other, sealed.clone()), Err(CannotOpen));
        assert_eq!(key(&theirs).open(one, sealed.clone()), Err(CannotOpen));
        assert!(!sealed.windows(8).any(|bytes| bytes == b"a prompt"));
        let piece = key(&ours).seal_piece("file-1", 2, b"a line").unwrap();
        assert_eq!(key(&ours).open_piece("file-1", 2, piece.clone()).unwrap().as_slice(), b"a line");
        for (thing, number) in [("file-1", 3), ("file-2", 2)] {
            assert_eq!(key(&ours).open_piece(thing, number, piece.clone()), Err(CannotOpen));
        }
        assert!(ContentKey::of(&Secret::new("short".into())).is_err());
        assert!(ContentKey::of(&Secret::new("!".into())).is_err());
    }
}
