//! The vault: seals secrets for the database, and is the one door through which they come back.
//!
//! A sealed secret is `v2.<key version>.<base64url of nonce, ciphertext, tag>` and opens only in the place
//! it was sealed for. Key version `root-1` is derived from `DB_ENCRYPTION_KEY` and keeps its meaning for ever;
//! every other one is a data key of the [`crate::keyring`].

mod place;
#[cfg(test)]
mod tests;

use std::{fmt, mem};

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;
use zeroize::Zeroizing;

pub use self::place::Place;
use crate::{
    crypto::Hs256,
    keyring::{CannotUnwrap, Keyring, WrappedKey, WrappingKey},
    root::{CryptoFailed, Purpose, RootSecret},
    seal::SealingKey,
    secret::Secret,
};

const ROOT_1: &str = "root-1";
const CHECK_FORMAT: &str = "v1";
const CHECKED: &[u8] = b"nexus root check";

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
    "the sealed value does not open: it was altered, belongs to another row or an earlier secret, or was sealed \
     under a key that is gone or another `DB_ENCRYPTION_KEY`; enter the secret again or restore the row"
)]
pub struct CannotOpen;

/// The database was sealed under another root secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("`DB_ENCRYPTION_KEY` is not the one this database was sealed with; start with that one")]
pub struct WrongRoot;

/// Seals and opens with data keys, and with a key derived from `DB_ENCRYPTION_KEY` while there are none.
/// Shared by all threads; sealing and opening take no lock.
pub struct Vault {
    root_1: SealingKey,
    wrapping: WrappingKey,
    check: Hs256,
    data_keys: ArcSwap<Keyring>,
}

impl Vault {
    /// A vault without data keys; [`Vault::replace_keys`] brings them.
    pub fn new(root: &RootSecret) -> Result<Self, CryptoFailed> {
        Ok(Self {
            root_1: SealingKey::new(root.derive(Purpose::Sealing, ROOT_1.as_bytes())?.bytes())?,
            wrapping: WrappingKey::new(root)?,
            check: Hs256::new(&root.derive(Purpose::RootCheck, b"")?),
            data_keys: ArcSwap::default(),
        })
    }

    /// Makes a data key to be stored. This vault has it once it is shown the stored row.
    pub fn make_data_key(&self, now_ms: i64) -> Result<WrappedKey, CryptoFailed> {
        self.wrapping.make(now_ms)
    }

    /// Takes exactly these data keys, in place of those before. The newest that is not retired seals from now
    /// on. Gives back those that do not unwrap; what is sealed under them does not open.
    #[must_use = "a data key that does not unwrap must be told to the operator"]
    pub fn replace_keys(&self, rows: Vec<WrappedKey>) -> Vec<CannotUnwrap> {
        let (ring, damaged) = Keyring::of(&self.wrapping, rows);
        self.data_keys.store(ring.into());
        damaged
    }

    /// The version of the key that seals now.
    pub fn current_version(&self) -> String {
        self.data_keys.load().current().map_or(ROOT_1, |(name, _)| name).to_owned()
    }

    /// The version of the key a text says it is sealed under, where this vault has that key.
    pub fn version_of<'a>(&self, sealed: &'a str) -> Option<&'a str> {
        let (_, version, _) = parts(sealed)?;
        (version == ROOT_1 || self.data_keys.load().find(version).is_some()).then_some(version)
    }

    /// Seals a secret for its place, under the current key.
    pub fn seal(&self, secret: &Secret, place: Place) -> Result<Sealed, CryptoFailed> {
        let ring = self.data_keys.load();
        let (version, key) = ring.current().unwrap_or((ROOT_1, &self.root_1));
        let sealed = key.seal(&place.associated(version), secret.expose().as_bytes())?;
        Ok(Sealed(format!("{}.{version}.{}", place::V2, URL_SAFE_NO_PAD.encode(sealed))))
    }

    /// Opens what stands in a place.
    pub fn open(&self, sealed: &str, place: Place) -> Result<Secret, CannotOpen> {
        let (format, version, encoded) = parts(sealed).ok_or(CannotOpen)?;
        let associated = match format {
            place::V2 => place.associated(version),
            place::V1 if version == ROOT_1 => place.associated_v1().ok_or(CannotOpen)?,
            _ => return Err(CannotOpen),
        };
        let sealed = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| CannotOpen)?;
        let ring = self.data_keys.load();
        let key = if version == ROOT_1 { Some(&self.root_1) } else { ring.find(version) };
        let mut opened = key.and_then(|key| key.open(&associated, sealed)).ok_or(CannotOpen)?;
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
        format!("{CHECK_FORMAT}.{}", URL_SAFE_NO_PAD.encode(self.check.tag(CHECKED)))
    }

    /// Whether the stored value is this vault's.
    pub fn verify_check_value(&self, stored: &str) -> Result<(), WrongRoot> {
        stored
            .strip_prefix(CHECK_FORMAT)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok())
            .filter(|tag| self.check.is_tag(CHECKED, tag))
            .map(drop)
            .ok_or(WrongRoot)
    }
}

/// Format, key version and the encoded rest.
fn parts(sealed: &str) -> Option<(&str, &str, &str)> {
    let (format, rest) = sealed.split_once('.')?;
    let (version, encoded) = rest.split_once('.')?;
    Some((format, version, encoded))
}
