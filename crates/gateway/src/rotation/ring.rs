//! A vault's data keys, kept as the database has them.
//!
//! Reading the rows and taking them is one step: no older list takes the place of a newer one. Where the
//! root was moved by somebody else, the vault keeps the keys it has and the node serves on with them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use nexus_keystore::{
    keyring::{CannotUnwrap, Wrapped, WrappedKey},
    vault::Vault,
};
use nexus_store::{
    AnyConnection, Store, StoreError,
    repo::{
        data_key::{self, DataKey},
        setting,
    },
};

use crate::boot::ROOT_CHECK;

/// Whose root the database is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    Ours,
    /// Its data keys were wrapped anew under another root since this vault was made.
    Moved,
}

impl Root {
    /// As the stored check value says. A database without one was never sealed.
    pub fn of(conn: &mut AnyConnection, vault: &Vault) -> Result<Self, StoreError> {
        let stored = setting::find(conn, ROOT_CHECK)?;
        let is_ours = stored.is_none_or(|stored| vault.verify_check_value(&stored).is_ok());
        Ok(if is_ours { Root::Ours } else { Root::Moved })
    }
}

/// Gives the vault these data keys; those that do not unwrap come back.
pub fn take(vault: &Vault, keys: Vec<DataKey>) -> Vec<CannotUnwrap> {
    let row = |key: DataKey| WrappedKey {
        name: key.id,
        wrapped: Wrapped::from_text(key.wrapped.0),
        created_at_ms: key.created_at_ms,
        is_retired: key.retired_at_ms.is_some(),
    };
    vault.replace_keys(keys.into_iter().map(row).collect())
}

/// A vault that follows the database. Shared by the threads that read it.
pub struct Ring {
    vault: Arc<Vault>,
    told: Mutex<Told>,
}

/// What was logged already.
#[derive(Default)]
struct Told {
    damaged: BTreeSet<String>,
    has_moved: bool,
}

impl Ring {
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault, told: Mutex::default() }
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Takes the data keys of the state of the database that `read` sees.
    pub fn follow<T>(
        &self,
        store: &Store,
        read: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<(Root, T), StoreError> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (root, keys, value) = store
            .read_blocking(|conn| Ok((Root::of(conn, &self.vault)?, data_key::list(conn)?, read(conn)?)))?;
        match root {
            Root::Ours => told.damaged(take(&self.vault, keys)),
            Root::Moved => told.moved(),
        }
        Ok((root, value))
    }
}

impl Told {
    fn damaged(&mut self, damaged: Vec<CannotUnwrap>) {
        for error in damaged.iter().filter(|error| !self.damaged.contains(&error.name)) {
            tracing::error!(%error, "a data key does not unwrap; what is sealed under it does not open");
        }
        self.damaged = damaged.into_iter().map(|error| error.name).collect();
        self.has_moved = false;
    }

    fn moved(&mut self) {
        if !std::mem::replace(&mut self.has_moved, true) {
            tracing::warn!(
                "the database was moved to another `DB_ENCRYPTION_KEY`; this node serves on with the keys it \
                 has; restart it with the new value"
            );
        }
    }
}
