//! A provider's key on its way into the database: it comes in and is never shown again.

use nexus_core::id::CredentialId;
use nexus_keystore::{opaque::OpaqueDigests, root::CryptoFailed, secret::Secret, vault::Vault};
use nexus_store::repo::{credential::SealedSecret, provider::SealedText};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use utoipa::ToSchema;

use crate::{admin::check::Check, reload::credential_place};

/// Bytes in the longest key; the configuration file knows the same.
const KEY_BYTES_MAX: usize = 8192;

/// A key must be this long for its last four characters to be told.
const TELLING_BYTES_MIN: usize = 16;

/// Digits of a fingerprint.
const FINGERPRINT_DIGITS: usize = 12;

/// The key of a provider, as a request says it. It has no `Debug` and no `Serialize`.
#[derive(ToSchema)]
#[schema(as = ProviderKey, value_type = String, min_length = 1, max_length = 8192, pattern = r"^([!-~]+|\s*\{[\s\S]*)$")]
pub struct KeyText(Secret);

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Secret::new(text)))
    }
}

impl KeyText {
    pub fn new(text: String) -> Self {
        Self(Secret::new(text))
    }

    pub fn check(&self, check: &mut Check, pointer: &str) {
        let text = self.0.expose();
        let is_sendable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !(1..=KEY_BYTES_MAX).contains(&text.len()) || !is_sendable && !is_account(text) {
            let most = KEY_BYTES_MAX;
            let kinds = "visible ASCII characters, nor the JSON object of an account";
            check.flaw(pointer, format!("is not 1 to {most} {kinds}; copy it anew"));
        }
    }

    /// A variable in the place of a key, as exported configuration has it.
    pub fn is_reference(&self) -> bool {
        self.0.expose().contains("${")
    }

    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

/// What keys are sealed with, and what people recognise them by.
#[derive(Clone, Copy)]
pub struct Sealer<'a> {
    pub vault: &'a Vault,
    pub digests: &'a OpaqueDigests,
}

impl Sealer<'_> {
    /// The key sealed for this generation of its row.
    pub fn seal(
        &self,
        id: CredentialId,
        generation: i64,
        key: &Secret,
    ) -> Result<SealedSecret, CryptoFailed> {
        let sealed = self.vault.seal(key, credential_place(id, generation))?.into_text();
        Ok(SealedSecret {
            sealed: SealedText(sealed),
            generation,
            last_four: last_four(key.expose()).to_owned(),
            fingerprint: self.fingerprint(key),
        })
    }

    /// Whether this key is what stands there sealed.
    pub fn is_sealed(&self, id: CredentialId, there: &SealedSecret, key: &Secret) -> bool {
        let opened = self.vault.open(&there.sealed.0, credential_place(id, there.generation));
        opened.is_ok_and(|opened| opened.expose() == key.expose())
    }

    /// The same for the same key in this installation, and of no use in another.
    fn fingerprint(&self, key: &Secret) -> String {
        let labelled = Secret::new(format!("provider key\n{}", key.expose()));
        let digest = self.digests.digest(labelled.expose());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        hex.chars().take(FINGERPRINT_DIGITS).collect()
    }
}

/// Whether a key is an account that is exchanged for what can stand in a header.
fn is_account(key: &str) -> bool {
    key.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(key).is_ok()
}

/// Nothing of a key so short that four characters would give it away, nor of an account, whose end says nothing.
fn last_four(key: &str) -> &str {
    if key.len() < TELLING_BYTES_MIN || is_account(key) {
        return "";
    }
    key.get(key.len() - 4..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use nexus_core::id::Uuid;
    use nexus_keystore::root::RootSecret;

    use super::*;

    #[test]
    fn a_key_is_known_by_its_end_and_fingerprint_and_opens_in_its_generation_only() {
        let root = RootSecret::random().ok().unwrap();
        let (vault, digests) = (Vault::new(&root).ok().unwrap(), OpaqueDigests::new(&root).ok().unwrap());
        let sealer = Sealer { vault: &vault, digests: &digests };
        let (id, key) = (CredentialId(Uuid::nil()), Secret::new("sk-0123456789abcdef".to_owned()));
        let [first, second] = [0, 1].map(|generation| sealer.seal(id, generation, &key).ok().unwrap());
        assert_eq!((first.last_four.as_str(), first.fingerprint.len()), ("cdef", 12));
        assert_eq!(first.fingerprint, second.fingerprint);
        let other = sealer.seal(id, 0, &Secret::new("sk-0123456789abcdeg".to_owned())).ok().unwrap();
        assert_ne!(first.fingerprint, other.fingerprint);
        assert!(sealer.is_sealed(id, &second, &key));
        assert!(!sealer.is_sealed(id, &SealedSecret { generation: 0, ..second }, &key));
    }

    #[test]
    fn four_characters_are_told_of_long_keys_only() {
        let account = r#"{"client_email":"a@b", "x":1}"#;
        for (key, told) in
            [("", ""), ("abcd", ""), ("123456789012345", ""), ("1234567890123456", "3456"), (account, "")]
        {
            assert_eq!(last_four(key), told, "{key}");
        }
    }

    #[test]
    fn a_key_can_stand_in_a_header_or_is_the_object_of_an_account() {
        let long = "x".repeat(KEY_BYTES_MAX + 1);
        for (key, is_taken) in [
            ("sk-1", true),
            ("{\n  \"private_key\": \"-----BEGIN PRIVATE KEY-----\"\n}", true),
            ("", false),
            ("sk 1", false),
            ("sk-1\n", false),
            ("sk-é", false),
            ("{ \"a\": ", false),
            ("[ 1 ]", false),
            (&long, false),
        ] {
            let mut check = Check::default();
            KeyText::new(key.to_owned()).check(&mut check, "/key");
            assert_eq!(check.finish().is_ok(), is_taken, "{key}");
        }
    }
}
