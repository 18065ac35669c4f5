//! Moving the database to another `DB_ENCRYPTION_KEY`.
//!
//! Nothing sealed is touched in the last step: the data keys are wrapped anew and the check value replaced in
//! one transaction, so a database is under one root or the other, never between. A node that runs meanwhile
//! keeps its data keys, which stay the same.

use std::sync::Arc;

use nexus_engine::port::Clock;
use nexus_keystore::{
    keyring::{self, CannotRewrap, Wrapped},
    root::{CryptoFailed, RootSecret},
    vault::Vault,
};
use nexus_store::{
    AnyConnection, Store, StoreError,
    repo::{
        audit::{self, Entry},
        content, credential,
        data_key::{self, Rewrapped},
        idempotency,
        provider::SealedText,
        setting,
    },
};

use super::{Rotation, RotationError, ring::Ring};
use crate::{boot::ROOT_CHECK, deed};

/// The key version of what is sealed under the root itself.
pub const ROOT_VERSION: &str = "root-1";

/// The row of the settings table that tells when the root was last moved, in Unix milliseconds.
const MOVED_AT: &str = "db_encryption_key_moved_at";

/// Milliseconds in which every node is restarted under the new root. Until then one may go on to seal under
/// the data keys it has, so none of them is destroyed.
const RESTART_MS: u64 = 86_400_000;

/// What moving the root did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    Now {
        data_keys: usize,
    },
    /// The database is under the new root already.
    Before,
}

/// Why the root was not moved; the database is under the old one as before.
#[derive(Debug, thiserror::Error)]
pub enum CannotMove {
    #[error("the old and the new secret are the same; make a new one with `openssl rand -base64 32`")]
    Same,
    #[error(
        "the old secret is not the one this database was sealed with; name the variable that holds that one"
    )]
    WrongRoot,
    #[error(transparent)]
    DataKey(#[from] CannotRewrap),
    #[error(
        "a credential does not open under the old secret and would be lost; `nexus keystore status` names it: \
         enter its key again or delete it, then try again"
    )]
    Credential,
    #[error(
        "a team's content key does not open under the old secret and its content would be lost; erase it with \
         `DELETE /admin/v1/teams/{{id}}/content`, then try again"
    )]
    Content,
    #[error(
        "answers to idempotency keys are still sealed under the old secret itself; they expire within a day, \
         try again then"
    )]
    Answers,
    #[error("the data keys changed meanwhile; try again")]
    Stale,
    #[error(transparent)]
    Crypto(#[from] CryptoFailed),
    #[error("the database does not do")]
    Store(#[from] StoreError),
}

impl From<RotationError> for CannotMove {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::Store(error) => CannotMove::Store(error),
            RotationError::Crypto(error) => CannotMove::Crypto(error),
        }
    }
}

/// Whether a node may still be running under the root before.
pub(super) fn was_moved_lately(conn: &mut AnyConnection, now_ms: i64) -> Result<bool, StoreError> {
    let at_ms = setting::find(conn, MOVED_AT)?.and_then(|at_ms| at_ms.parse::<i64>().ok());
    Ok(at_ms.is_some_and(|at_ms| now_ms.abs_diff(at_ms) < RESTART_MS))
}

/// Moves the database from one root to the other, beside running nodes or without them.
pub fn move_root(
    store: &Store,
    from: &RootSecret,
    to: &RootSecret,
    clock: Arc<dyn Clock>,
) -> Result<Moved, CannotMove> {
    let (old, new) = (Vault::new(from)?, Vault::new(to)?);
    if old.check_value() == new.check_value() {
        return Err(CannotMove::Same);
    }
    let now_ms = clock.unix_ms();
    let stored = store.read_blocking(|conn| setting::find(conn, ROOT_CHECK))?;
    if stored.as_deref().is_some_and(|stored| new.verify_check_value(stored).is_ok()) {
        return Ok(Moved::Before);
    }
    if stored.is_some_and(|stored| old.verify_check_value(&stored).is_err()) {
        return Err(CannotMove::WrongRoot);
    }
    // a data key is there after that, and nothing that opens is sealed under the root itself
    Rotation::new(store.clone(), Arc::new(Ring::new(Arc::new(old))), clock).turn()?;
    store.write_blocking(|conn| {
        let wrapped = match rewrapped(conn, from, to)? {
            Ok(wrapped) => wrapped,
            // nothing is written yet
            Err(error) => return Ok(Err(error)),
        };
        let check = new.check_value();
        if data_key::replace_all_wrapped(conn, &wrapped, (ROOT_CHECK, &check))? == Rewrapped::Stale {
            return Ok(Err(CannotMove::Stale));
        }
        setting::put(conn, MOVED_AT, &now_ms.to_string())?;
        let detail = Some(format!("{} data keys were wrapped anew", wrapped.len()));
        let entry = Entry { detail, ..deed::of_console("keystore.rotate_root") };
        audit::append(conn, &entry, now_ms)?;
        Ok(Ok(Moved::Now { data_keys: wrapped.len() }))
    })?
}

/// Every data key under the new root, or why some secret would be left behind.
fn rewrapped(
    conn: &mut AnyConnection,
    from: &RootSecret,
    to: &RootSecret,
) -> Result<Result<Vec<(String, SealedText)>, CannotMove>, StoreError> {
    if credential::any_sealed_under(conn, ROOT_VERSION)? {
        return Ok(Err(CannotMove::Credential));
    }
    if content::any_sealed_under(conn, ROOT_VERSION)? {
        return Ok(Err(CannotMove::Content));
    }
    if idempotency::any_sealed_under(conn, ROOT_VERSION)? {
        return Ok(Err(CannotMove::Answers));
    }
    let rewrap = |key: data_key::DataKey| {
        let wrapped = keyring::rewrap(from, to, &key.id, &Wrapped::from_text(key.wrapped.0))?;
        Ok((key.id, SealedText(wrapped.into_text())))
    };
    Ok(data_key::list(conn)?.into_iter().map(rewrap).collect())
}
