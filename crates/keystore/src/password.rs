//! Passwords of people who sign in at the console, hashed with Argon2id.
//!
//! A stored hash is a PHC string of exactly our parameters; another one verifies nobody, so that a row
//! cannot make us spend more memory. Unknown people cost the same time as known ones.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use ring::hmac;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{entropy, root::CryptoFailed, secret::Secret};

/// Characters a password may have.
pub const MIN_CHARS: usize = 12;
/// See [`MIN_CHARS`].
pub const MAX_CHARS: usize = 256;

/// 19 MiB, two passes, one lane: OWASP's password storage cheat sheet, Argon2id, seen 2026-11.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The same in a PHC string.
const PREFIX: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// A password could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CannotHash {
    #[error("a password has at least {MIN_CHARS} characters; choose a longer one")]
    Short,
    #[error("a password has at most {MAX_CHARS} characters; choose a shorter one")]
    Long,
    #[error(transparent)]
    Crypto(#[from] CryptoFailed),
}

/// A new password's hash, to be stored. Takes some 20 ms and 19 MiB: not for a thread that serves requests.
pub fn hash(password: &Secret) -> Result<String, CannotHash> {
    match password.expose().chars().take(MAX_CHARS + 1).count() {
        0..MIN_CHARS => return Err(CannotHash::Short),
        MIN_CHARS..=MAX_CHARS => {}
        _ => return Err(CannotHash::Long),
    }
    let salt = entropy::random::<SALT_BYTES>()?;
    let hash = derive(password, &salt)?;
    Ok(format!("{PREFIX}{}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash)))
}

/// Whether it is the password of a stored hash. `None` is for a person who is unknown or has no password: the
/// answer is no, and takes as long. Costs what [`hash`] costs.
pub fn verify(stored: Option<&str>, password: &Secret) -> bool {
    if password.expose().chars().nth(MAX_CHARS).is_some() {
        return false;
    }
    let known = stored.and_then(parse);
    let (salt, expected) = known.unwrap_or_default();
    let is_same = derive(password, &salt).is_ok_and(|made| is_equal(&made, &expected));
    known.is_some() && is_same
}

fn derive(password: &Secret, salt: &[u8; SALT_BYTES]) -> Result<Zeroizing<[u8; HASH_BYTES]>, CryptoFailed> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES)).map_err(|_| CryptoFailed)?;
    let mut hash = Zeroizing::new([0; HASH_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.expose().as_bytes(), salt, hash.as_mut())
        .map_err(|_| CryptoFailed)?;
    Ok(hash)
}

/// Salt and hash of a PHC string of ours.
fn parse(stored: &str) -> Option<([u8; SALT_BYTES], [u8; HASH_BYTES])> {
    let (salt, hash) = stored.strip_prefix(PREFIX)?.split_once('$')?;
    let bytes = |text| STANDARD_NO_PAD.decode(text).ok();
    Some((bytes(salt)?.try_into().ok()?, bytes(hash)?.try_into().ok()?))
}

/// In constant time: as HMAC keys the two make the same tag only if they are the same.
fn is_equal(one: &[u8; HASH_BYTES], other: &[u8; HASH_BYTES]) -> bool {
    let [one, other] = [one, other].map(|bytes| hmac::Key::new(hmac::HMAC_SHA256, bytes));
    hmac::verify(&other, b"password", hmac::sign(&one, b"password").as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery staple";
    /// Of [`PASSWORD`], by another program.
    const STORED: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$gYJZtjEAJqjg26xdLmknq8/bB7MiWPrE9hsYuA+SkIU";

    fn verifies(stored: Option<&str>, password: &str) -> bool {
        verify(stored, &Secret::new(password.to_owned()))
    }

    #[test]
    fn a_password_verifies_against_its_hash_and_no_other_does() {
        let [one, two] = [(); 2].map(|()| hash(&Secret::new(PASSWORD.to_owned())).unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !one.contains(PASSWORD), "{one}");
        assert!(verifies(Some(&one), PASSWORD) && verifies(Some(&two), PASSWORD));
        for wrong in
            ["", "correct horse battery stapl", "Correct horse battery staple", &format!("{PASSWORD} ")]
        {
            assert!(!verifies(Some(&one), wrong), "{wrong}");
        }
    }

    #[test]
    fn a_hash_made_elsewhere_with_our_parameters_verifies() {
        assert!(verifies(Some(STORED), PASSWORD));
        assert!(!verifies(Some(STORED), "another password"));
    }

    #[test]
    fn whatever_else_is_stored_verifies_nobody() {
        assert!(!verifies(None, PASSWORD));
        assert!(!verifies(None, ""));
        let zeros = format!("{PREFIX}{}${}", "A".repeat(22), "A".repeat(43));
        for stored in [
            "",
            PASSWORD,
            &zeros,
            &STORED.replace("t=2", "t=1"),
            &STORED.replace("m=19456", "m=4194304"),
            &STORED.replace("argon2id", "argon2i"),
            &STORED.replace("v=19", "v=16"),
            &format!("{STORED}="),
            &format!(" {STORED}"),
            &STORED[..STORED.len() - 1],
            &STORED[..STORED.len() - 43],
        ] {
            assert!(!verifies(Some(stored), PASSWORD), "{stored}");
        }
    }

    #[test]
    fn a_password_has_from_12_to_256_characters_whatever_their_bytes() {
        let crab = "\u{1f980}";
        for (password, expected) in [
            (String::new(), Some(CannotHash::Short)),
            ("elevenchars".into(), Some(CannotHash::Short)),
            (crab.repeat(11), Some(CannotHash::Short)),
            (crab.repeat(12), None),
            (crab.repeat(256), None),
            ("x".repeat(257), Some(CannotHash::Long)),
            ("x".repeat(1 << 20), Some(CannotHash::Long)),
        ] {
            let length = password.len();
            assert_eq!(hash(&Secret::new(password)).err(), expected, "{length} bytes");
        }
        assert!(!verifies(Some(STORED), &"x".repeat(257)));
    }
}
