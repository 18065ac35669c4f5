//! Sealing credentials and content keys anew under the current data key, a batch at a time.
//!
//! A text is replaced only where it still is the one that was opened, and only while the key it was sealed
//! under is the current one: two nodes do not seal back and forth.

use std::collections::HashSet;

use nexus_core::id::CredentialId;
use nexus_keystore::{root::CryptoFailed, vault::Vault};
use nexus_store::{
    AnyConnection, StoreError,
    repo::{
        content,
        credential::{self, Credential},
        data_key,
        provider::SealedText,
    },
};

use super::{Rotation, RotationError, ring::Root};
use crate::{contents::key_place, reload::credential_place};

/// Credentials sealed anew in one transaction.
const BATCH: u32 = 50;

/// A text as it stands and as it is to stand.
struct Anew {
    id: CredentialId,
    stands: SealedText,
    sealed: SealedText,
}

impl Rotation {
    /// Seals every credential anew that is not under the current key. One that does not open stays as it is.
    pub(super) fn reseal(&self) -> Result<(), RotationError> {
        let mut shut = HashSet::new();
        while self.reseal_batch(&mut shut)? {}
        self.reseal_content_keys()
    }

    /// The same of the teams' content keys, of which there are few.
    fn reseal_content_keys(&self) -> Result<(), RotationError> {
        let vault = self.ring.vault();
        let version = vault.current_version();
        let others =
            self.store.read_blocking(|conn| content::keys_sealed_under_other_than(conn, &version))?;
        for key in others {
            let place = key_place(&key);
            let Ok(opened) = vault.open(&key.sealed.0, place) else { continue };
            let sealed = SealedText(vault.seal(&opened, place)?.into_text());
            self.store.write_blocking(|conn| match seals(conn, vault, &version)? {
                true => content::reseal(conn, &key, &sealed),
                false => Ok(()),
            })?;
        }
        Ok(())
    }

    /// One batch; false where nothing is left to do. `shut` gathers those that do not open.
    pub(super) fn reseal_batch(&self, shut: &mut HashSet<CredentialId>) -> Result<bool, RotationError> {
        let vault = self.ring.vault();
        let version = vault.current_version();
        let limit = BATCH.saturating_add(u32::try_from(shut.len()).unwrap_or(u32::MAX));
        let others = self.store.read_blocking(|conn| {
            let others = |conn| credential::sealed_under_other_than(conn, &version, limit);
            if seals(conn, vault, &version)? { others(conn) } else { Ok(Vec::new()) }
        })?;
        let mut batch = Vec::new();
        for other in others {
            if !shut.contains(&other.id) {
                match anew(vault, other)? {
                    Ok(anew) => batch.push(anew),
                    Err(id) => drop(shut.insert(id)),
                }
            }
        }
        if batch.is_empty() {
            return Ok(false);
        }
        let is_current = self.store.write_blocking(|conn| {
            let is_current = seals(conn, vault, &version)?;
            for Anew { id, stands, sealed } in batch.iter().filter(|_| is_current) {
                credential::reseal(conn, *id, stands, sealed)?;
            }
            Ok(is_current)
        })?;
        Ok(is_current)
    }
}

/// The credential sealed anew, or its id where it does not open.
fn anew(vault: &Vault, credential: Credential) -> Result<Result<Anew, CredentialId>, CryptoFailed> {
    let Credential { id, secret, .. } = credential;
    let place = credential_place(id, secret.generation);
    let Ok(opened) = vault.open(&secret.sealed.0, place) else { return Ok(Err(id)) };
    let sealed = SealedText(vault.seal(&opened, place)?.into_text());
    Ok(Ok(Anew { id, stands: secret.sealed, sealed }))
}

/// Whether this key version is the one that seals, as the database has it.
fn seals(conn: &mut AnyConnection, vault: &Vault, version: &str) -> Result<bool, StoreError> {
    let keys = data_key::list(conn)?;
    let newest = keys.iter().rfind(|key| key.retired_at_ms.is_none());
    Ok(newest.is_some_and(|key| key.id == version) && Root::of(conn, vault)? == Root::Ours)
}
