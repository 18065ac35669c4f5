//! Keeps the world current: a thread that asks the database whether anything has changed, and puts a new
//! world in place when it has. While the database is away, the last world stands.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use nexus_engine::{
    shared::Shared,
    world::{Credential, World},
};
use nexus_keystore::vault::{Place, Vault};
use nexus_store::{
    Store, StoreError,
    world::{self, StoredWorld},
};

/// Between two looks at the database: a change is in force well within a second.
const PERIOD: Duration = Duration::from_millis(250);

/// Builds worlds from the database.
pub struct Loader {
    pub store: Store,
    pub vault: Arc<Vault>,
    pub shared: Arc<Shared>,
}

impl Loader {
    /// Reads the database and puts the world it describes in force. Returns its revision.
    pub fn load(&self) -> Result<i64, StoreError> {
        let current = self.shared.worlds.current();
        let now_ms = self.shared.clock.unix_ms();
        let stored = self.store.read_blocking(|conn| world::load(conn, Some(&current.snapshot), now_ms))?;
        let revision = stored.revision;
        self.put_in_force(stored);
        Ok(revision)
    }

    fn put_in_force(&self, stored: StoredWorld) {
        let mut credentials = HashMap::new();
        for (provider, sealed) in stored.credentials {
            match self.vault.open(&sealed.0, credential_place(provider.0)) {
                Ok(secret) => {
                    credentials.insert(provider, Credential(Arc::new(secret)));
                }
                Err(error) => tracing::error!(%provider, %error, "a provider's credential does not open"),
            }
        }
        let (world, unspoken) = World::assemble(stored.snapshot, &credentials, &self.shared.meters);
        for provider in unspoken {
            tracing::error!(provider, "a provider is of a kind that is not spoken here; it gets no requests");
        }
        self.shared.worlds.replace(world);
        tracing::info!(revision = stored.revision, "a new world is in force");
    }
}

/// Where a provider's key stands in the database.
pub fn credential_place(provider: uuid::Uuid) -> Place {
    Place { table: "service_providers", column: "api_key_sealed", row: provider }
}

/// The thread. Dropping it stops it.
pub struct Reloading {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Reloading {
    /// Starts looking for changes after `revision`; `each_round` is called on every look.
    pub fn start(
        loader: Loader,
        revision: i64,
        each_round: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("nexus-reload".into()).spawn(move || {
            let mut looking = Looking { loader, revision, is_away: false };
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                looking.look();
                each_round();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

struct Looking {
    loader: Loader,
    revision: i64,
    is_away: bool,
}

impl Looking {
    fn look(&mut self) {
        let revision = self.loader.store.read_blocking(world::revision);
        let loaded = match revision {
            Ok(revision) if revision == self.revision => Ok(revision),
            Ok(_) => self.loader.load(),
            Err(error) => Err(error),
        };
        match loaded {
            Ok(revision) => {
                self.revision = revision;
                if std::mem::take(&mut self.is_away) {
                    tracing::info!("the database is back");
                }
            }
            // Said once, not four times a second.
            Err(error) if !self.is_away => {
                self.is_away = true;
                tracing::error!(%error, "the database is away; requests are served from the last known world");
            }
            Err(_) => {}
        }
    }
}
