//! The vault: seals secrets for the database, and is the one door through which they come back.
//!
//! A sealed secret is `v1.<key version>.<base64url of nonce, ciphertext, tag>` and opens only in the place
//! it was sealed for. Key version `root-1` is derived from `DB_ENCRYPTION_KEY` and keeps its meaning for ever.

use std::{fmt, mem};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    crypto::Hs256,
    root::{CryptoFailed, Purpose, RootSecret},
    seal::SealingKey,
    secret::Secret,
};

const FORMAT: &str = "v1";
const ROOT_1: &str = "root-1";
const CHECKED: &[u8] = b"nexus root check";

/// Where a sealed secret lives. It opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub table: &'static str,
    pub column: &'static str,
    pub row: Uuid,
}

/// A sealed secret, as text for a database column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(String);

impl Sealed {
    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The sealed text does not open here. One error for every reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the sealed value does not open: it was altered, belongs to another row, or was sealed under another \
     `DB_ENCRYPTION_KEY`; enter the secret again or restore the row"
)]
pub struct CannotOpen;

/// The database was sealed under another root secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("`DB_ENCRYPTION_KEY` is not the one this database was sealed with; start with that one")]
pub struct WrongRoot;

/// Seals and opens with keys derived from `DB_ENCRYPTION_KEY`.
pub struct Vault {
    root_1: SealingKey,
    check: Hs256,
}

impl Vault {
    pub fn new(root: &RootSecret) -> Result<Self, CryptoFailed> {
        Ok(Self {
            root_1: SealingKey::new(&root.derive(Purpose::Sealing, ROOT_1.as_bytes())?)?,
            check: Hs256::new(&root.derive(Purpose::RootCheck, b"")?),
        })
    }

    /// Seals a secret for its place.
    pub fn seal(&self, secret: &Secret, place: Place) -> Result<Sealed, CryptoFailed> {
        let sealed = self.root_1.seal(&associated(ROOT_1, place), secret.expose().as_bytes())?;
        Ok(Sealed(format!("{FORMAT}.{ROOT_1}.{}", URL_SAFE_NO_PAD.encode(sealed))))
    }

    /// Opens what stands in a place.
    pub fn open(&self, sealed: &str, place: Place) -> Result<Secret, CannotOpen> {
        let (version, encoded) = sealed
            .strip_prefix(FORMAT)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.split_once('.'))
            .ok_or(CannotOpen)?;
        let sealed = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| CannotOpen)?;
        let key = self.key(version).ok_or(CannotOpen)?;
        let mut opened = key.open(&associated(version, place), sealed).ok_or(CannotOpen)?;
        match String::from_utf8(mem::take(&mut opened)) {
            Ok(text) => Ok(Secret::new(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(CannotOpen)
            }
        }
    }

    /// A value to be stored beside what this vault seals. It tells nothing about the root secret, and lets
    /// a node with another one refuse to start.
    pub fn check_value(&self) -> String {
        format!("{FORMAT}.{}", URL_SAFE_NO_PAD.encode(self.check.tag(CHECKED)))
    }

    /// Whether the stored value is this vault's.
    pub fn verify_check_value(&self, stored: &str) -> Result<(), WrongRoot> {
        stored
            .strip_prefix(FORMAT)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok())
            .filter(|tag| self.check.is_tag(CHECKED, tag))
            .map(drop)
            .ok_or(WrongRoot)
    }

    fn key(&self, version: &str) -> Option<&SealingKey> {
        (version == ROOT_1).then_some(&self.root_1)
    }
}

/// What the seal is bound to: each part behind its length, so that no two places write the same bytes.
fn associated(version: &str, place: Place) -> Vec<u8> {
    let parts = [FORMAT, version, place.table, place.column].map(str::as_bytes);
    let mut bytes = Vec::new();
    for part in parts.iter().chain([&place.row.as_bytes().as_slice()]) {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-provider-key-\u{1f680}";
    const PLACE: Place = Place { table: "service_providers", column: "api_key", row: Uuid::from_u128(1) };

    fn vault(text: &str) -> Vault {
        Vault::new(&RootSecret::from_text(text).ok().unwrap()).ok().unwrap()
    }

    fn ours() -> Vault {
        vault("a root for the tests, 32 bytes or more")
    }

    fn opens(vault: &Vault, sealed: &str, place: Place) -> bool {
        match vault.open(sealed, place) {
            Ok(secret) => {
                assert_eq!(secret.expose(), KEY);
                true
            }
            Err(CannotOpen) => false,
        }
    }

    #[test]
    fn a_secret_opens_in_its_place_and_in_no_other() {
        let sealed = ours().seal(&Secret::new(KEY.into()), PLACE).unwrap().into_text();
        assert!(sealed.starts_with("v1.root-1."), "{sealed}");
        for (place, is_open) in [
            (PLACE, true),
            (Place { row: Uuid::from_u128(2), ..PLACE }, false),
            (Place { column: "api_key_2", ..PLACE }, false),
            (Place { table: "service_provider", column: "sapi_key", ..PLACE }, false),
            (Place { table: "keys", ..PLACE }, false),
        ] {
            assert_eq!(opens(&ours(), &sealed, place), is_open, "{place:?}");
        }
        assert!(!opens(&vault("another root for the tests, as long"), &sealed, PLACE));
    }

    #[test]
    fn any_other_text_does_not_open() {
        let sealed = ours().seal(&Secret::new(KEY.into()), PLACE).unwrap().to_string();
        for length in 0..sealed.len() {
            assert!(!opens(&ours(), &sealed[..length], PLACE), "cut to {length}");
        }
        for at in 0..sealed.len() {
            for other in [b'A', b'B', b'.', b'=', b' ', b'~'] {
                let mut bytes = sealed.clone().into_bytes();
                if bytes[at] != other {
                    bytes[at] = other;
                    let text = String::from_utf8(bytes).unwrap();
                    assert!(!opens(&ours(), &text, PLACE), "{text}");
                }
            }
        }
        let (_, encoded) = sealed.rsplit_once('.').unwrap();
        for text in [
            encoded.to_owned(),
            format!("v2.root-1.{encoded}"),
            format!("v1.root-2.{encoded}"),
            format!("v1..{encoded}"),
            format!("v1.root-1.{encoded}="),
            format!("v1.root-1.{encoded}\n"),
            format!(" {sealed}"),
            String::new(),
            KEY.to_owned(),
        ] {
            assert!(!opens(&ours(), &text, PLACE), "{text}");
        }
    }

    #[test]
    fn sealed_bytes_that_are_no_text_do_not_open() {
        let sealed = ours().root_1.seal(&associated(ROOT_1, PLACE), &[0xff, 0xfe]).unwrap();
        let text = format!("v1.root-1.{}", URL_SAFE_NO_PAD.encode(sealed));
        assert_eq!(ours().open(&text, PLACE).err(), Some(CannotOpen));
    }

    #[test]
    fn another_root_is_told_by_the_check_value() {
        let stored = ours().check_value();
        assert_eq!(stored, ours().check_value());
        assert_eq!(ours().verify_check_value(&stored), Ok(()));
        let other = vault("another root for the tests, as long");
        for stored in [other.check_value().as_str(), "", "v1.", "v1", &stored[3..], &stored[..20]] {
            assert_eq!(ours().verify_check_value(stored), Err(WrongRoot), "{stored}");
        }
    }
}
