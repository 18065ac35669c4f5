//! Data keys: random keys that seal the database's secrets, and lie beside them wrapped under the root.
//!
//! A data key seals only once its row is stored: making one gives the row and changes nothing, and a vault
//! has the keys whose rows it is shown. A key is destroyed by deleting its row; what is still sealed under it
//! is lost, so [`may_destroy`] comes after the last such text is sealed anew.

use std::{collections::HashMap, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use crate::{
    entropy,
    root::{CryptoFailed, Purpose, RootSecret},
    seal::{SealingKey, bound_to},
};

/// Milliseconds for which a data key seals before the next one is made.
pub const KEY_LIFE_MS: i64 = 3_600_000;

/// Milliseconds from a key's retirement until it may be destroyed: every node has seen the newer key by then,
/// and no write under the old one is still on its way.
pub const RETIREMENT_MS: i64 = 600_000;

const FORMAT: &str = "w1";

/// A data key wrapped under the root, as text for a database column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped(String);

impl Wrapped {
    /// Text as it was read from the database.
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A data key as it stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Names the key version in sealed texts; unique for ever, without dots.
    pub name: String,
    pub wrapped: Wrapped,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// It opens, and seals no more.
    pub is_retired: bool,
}

/// A data key's row is not what was stored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the data key `{name}` does not unwrap: it was altered, renamed, or wrapped under another \
     `DB_ENCRYPTION_KEY`; restore its row"
)]
pub struct CannotUnwrap {
    pub name: String,
}

/// A data key could not be moved to another root.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CannotRewrap {
    #[error(transparent)]
    Unwrap(#[from] CannotUnwrap),
    #[error(transparent)]
    Crypto(#[from] CryptoFailed),
}

/// Whether the next data key is to be made. A newest key from the future, after the clock was set back, is
/// as old as it is early.
pub fn is_key_due(newest_created_at_ms: Option<i64>, now_ms: i64) -> bool {
    newest_created_at_ms.is_none_or(|at_ms| now_ms.abs_diff(at_ms) >= KEY_LIFE_MS.unsigned_abs())
}

/// Whether a retired key's time is over. Nothing may be sealed under it any more: that is the caller's to ask.
pub fn may_destroy(retired_at_ms: i64, now_ms: i64) -> bool {
    now_ms.saturating_sub(retired_at_ms) >= RETIREMENT_MS
}

/// Wraps a data key under another root, as long as the old one is known. The key stays the same, and so does
/// everything sealed under it.
pub fn rewrap(
    from: &RootSecret,
    to: &RootSecret,
    name: &str,
    wrapped: &Wrapped,
) -> Result<Wrapped, CannotRewrap> {
    let key = WrappingKey::new(from)?.unwrap(name, wrapped)?;
    Ok(WrappingKey::new(to)?.wrap(name, &key)?)
}

/// The key under which data keys are wrapped, derived from `DB_ENCRYPTION_KEY`.
pub(crate) struct WrappingKey(SealingKey);

impl WrappingKey {
    pub(crate) fn new(root: &RootSecret) -> Result<Self, CryptoFailed> {
        SealingKey::new(root.derive(Purpose::Wrapping, b"")?.bytes()).map(Self)
    }

    /// Makes a data key, and shows it only wrapped.
    pub(crate) fn make(&self, now_ms: i64) -> Result<WrappedKey, CryptoFailed> {
        let chance = entropy::random::<4>()?;
        let name = format!("d{now_ms}-{:08x}", u32::from_be_bytes(*chance));
        let wrapped = self.wrap(&name, entropy::random::<32>()?.as_ref())?;
        Ok(WrappedKey { name, wrapped, created_at_ms: now_ms, is_retired: false })
    }

    fn wrap(&self, name: &str, key: &[u8]) -> Result<Wrapped, CryptoFailed> {
        let sealed = self.0.seal(&associated(name), key)?;
        Ok(Wrapped(format!("{FORMAT}.{}", URL_SAFE_NO_PAD.encode(sealed))))
    }

    fn unwrap(&self, name: &str, wrapped: &Wrapped) -> Result<zeroize::Zeroizing<Vec<u8>>, CannotUnwrap> {
        wrapped
            .0
            .strip_prefix(FORMAT)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok())
            .and_then(|sealed| self.0.open(&associated(name), sealed))
            .ok_or_else(|| CannotUnwrap { name: name.to_owned() })
    }
}

fn associated(name: &str) -> Vec<u8> {
    bound_to(&[FORMAT.as_bytes(), name.as_bytes()])
}

/// The data keys a vault has in the clear.
#[derive(Default)]
pub(crate) struct Keyring {
    keys: HashMap<String, SealingKey>,
    /// The newest that is not retired.
    current: Option<String>,
}

impl Keyring {
    /// Unwraps what can be unwrapped, and says what cannot.
    pub(crate) fn of(wrapping: &WrappingKey, rows: Vec<WrappedKey>) -> (Self, Vec<CannotUnwrap>) {
        let (mut ring, mut damaged) = (Self::default(), Vec::new());
        let mut newest = None;
        for row in rows {
            let unwrapped = wrapping.unwrap(&row.name, &row.wrapped).and_then(|bytes| {
                SealingKey::new(&bytes).map_err(|CryptoFailed| CannotUnwrap { name: row.name.clone() })
            });
            match unwrapped {
                Ok(key) => {
                    let age = (row.created_at_ms, row.name.clone());
                    newest = if row.is_retired { newest } else { newest.max(Some(age)) };
                    ring.keys.insert(row.name, key);
                }
                Err(error) => damaged.push(error),
            }
        }
        ring.current = newest.map(|(_, name)| name);
        (ring, damaged)
    }

    /// The key that seals, with its name.
    pub(crate) fn current(&self) -> Option<(&str, &SealingKey)> {
        let name = self.current.as_deref()?;
        Some((name, self.keys.get(name)?))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&SealingKey> {
        self.keys.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn wrapping(root: &str) -> WrappingKey {
        WrappingKey::new(&self::root(root)).unwrap_or_else(|error| panic!("{error}"))
    }

    fn root(text: &str) -> RootSecret {
        RootSecret::from_text(text).unwrap_or_else(|weak| panic!("{weak}"))
    }

    const OURS: &str = "a root for the tests, 32 bytes or more";
    const OTHER: &str = "another root for the tests, as long";

    fn bytes(wrapping: &WrappingKey, name: &str, wrapped: &Wrapped) -> Option<Vec<u8>> {
        wrapping.unwrap(name, wrapped).ok().map(|bytes| bytes.to_vec())
    }

    #[test]
    fn a_wrapped_key_opens_under_its_name_and_root_and_with_every_bit_in_place() {
        let key = wrapping(OURS).make(NOW_MS).unwrap();
        assert_eq!(bytes(&wrapping(OURS), &key.name, &key.wrapped).unwrap().len(), 32);
        assert_eq!(bytes(&wrapping(OURS), "d1-00000000", &key.wrapped), None);
        assert_eq!(bytes(&wrapping(OURS), "", &key.wrapped), None);
        assert_eq!(bytes(&wrapping(OTHER), &key.name, &key.wrapped), None);
        let text = key.wrapped.clone().into_text();
        let sealed = URL_SAFE_NO_PAD.decode(text.strip_prefix("w1.").unwrap()).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = Wrapped(format!("w1.{}", URL_SAFE_NO_PAD.encode(flipped)));
            assert_eq!(bytes(&wrapping(OURS), &key.name, &flipped), None, "bit {bit}");
        }
        for other in
            ["", "w1.", "w1", &text[3..], &text[..20], &format!("{text}="), &format!("w2.{}", &text[3..])]
        {
            assert_eq!(bytes(&wrapping(OURS), &key.name, &Wrapped(other.to_owned())), None, "{other}");
        }
    }

    #[test]
    fn no_two_keys_are_alike_in_name_or_content() {
        let keys: Vec<_> = (0..50).map(|_| wrapping(OURS).make(NOW_MS).unwrap()).collect();
        for (i, a) in keys.iter().enumerate() {
            let content = |key: &WrappedKey| bytes(&wrapping(OURS), &key.name, &key.wrapped).unwrap();
            assert!(!a.name.contains('.'), "{}", a.name);
            assert!(keys.iter().skip(i + 1).all(|b| a.name != b.name && content(a) != content(b)));
        }
    }

    #[test]
    fn a_rewrapped_key_is_the_same_key_under_the_other_root_only() {
        let key = wrapping(OURS).make(NOW_MS).unwrap();
        let moved = rewrap(&root(OURS), &root(OTHER), &key.name, &key.wrapped).unwrap();
        let content = bytes(&wrapping(OURS), &key.name, &key.wrapped);
        assert_eq!(bytes(&wrapping(OTHER), &key.name, &moved), content);
        assert_eq!(bytes(&wrapping(OURS), &key.name, &moved), None);
        let again = rewrap(&root(OURS), &root(OTHER), &key.name, &moved);
        assert_eq!(again, Err(CannotRewrap::Unwrap(CannotUnwrap { name: key.name })));
    }

    #[test]
    fn the_newest_key_that_is_not_retired_and_not_damaged_seals() {
        let row = |created_at_ms, is_retired| {
            let key = wrapping(OURS).make(NOW_MS).unwrap();
            WrappedKey { created_at_ms, is_retired, ..key }
        };
        let (old, new, retired) = (row(1, false), row(2, false), row(3, true));
        let damaged = WrappedKey { name: "d4-00000000".into(), ..row(4, false) };
        let stranger = WrappedKey { created_at_ms: 5, ..wrapping(OTHER).make(NOW_MS).unwrap() };
        let unwrap = |key: &WrappedKey| CannotUnwrap { name: key.name.clone() };
        for (rows, current, expected) in [
            (vec![], None, vec![]),
            (vec![&retired], None, vec![]),
            (vec![&old, &new, &retired], Some(&new), vec![]),
            (vec![&retired, &new, &old], Some(&new), vec![]),
            (vec![&damaged, &old, &stranger], Some(&old), vec![unwrap(&damaged), unwrap(&stranger)]),
        ] {
            let (ring, refused) = Keyring::of(&wrapping(OURS), rows.iter().copied().cloned().collect());
            assert_eq!(ring.current().map(|(name, _)| name), current.map(|key| key.name.as_str()));
            assert_eq!(refused, expected);
            assert_eq!(ring.keys.len(), rows.len() - refused.len());
        }
    }

    #[test]
    fn a_key_is_made_each_hour_and_destroyed_some_time_after_its_retirement() {
        for (newest, now_ms, is_due) in [
            (None, NOW_MS, true),
            (Some(NOW_MS), NOW_MS, false),
            (Some(NOW_MS), NOW_MS + KEY_LIFE_MS - 1, false),
            (Some(NOW_MS), NOW_MS + KEY_LIFE_MS, true),
            (Some(NOW_MS), NOW_MS - KEY_LIFE_MS + 1, false),
            (Some(NOW_MS), NOW_MS - KEY_LIFE_MS, true),
            (Some(i64::MIN), i64::MAX, true),
        ] {
            assert_eq!(is_key_due(newest, now_ms), is_due, "{newest:?} {now_ms}");
        }
        for (retired_at_ms, now_ms, may) in [
            (NOW_MS, NOW_MS, false),
            (NOW_MS, NOW_MS + RETIREMENT_MS - 1, false),
            (NOW_MS, NOW_MS + RETIREMENT_MS, true),
            (NOW_MS, NOW_MS - RETIREMENT_MS, false),
            (i64::MIN, i64::MAX, true),
        ] {
            assert_eq!(may_destroy(retired_at_ms, now_ms), may, "{retired_at_ms} {now_ms}");
        }
    }
}
