//! The keystore at work: a new data key each hour, credentials sealed anew under it, old keys destroyed.
//!
//! Each step is one transaction that may be the last one this process makes, or run on two nodes at once:
//! after any of them every row opens. A node whose root was moved elsewhere makes, seals and destroys
//! nothing here, so that two roots never work against each other.

mod reseal;
pub mod ring;
pub mod root;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use nexus_engine::port::Clock;
use nexus_keystore::{
    keyring::{is_key_due, may_destroy},
    root::CryptoFailed,
};
use nexus_store::{
    AnyConnection, Store, StoreError,
    repo::{
        audit::{self, Entry, Target},
        content, credential,
        data_key::{self, DataKey},
        idempotency,
        provider::SealedText,
    },
};

use self::ring::{Ring, Root};
use crate::{
    deed,
    nodes::{Presence, UPKEEP},
    upkeep::Upkeep,
};

/// Between two turns.
const TURN: Duration = Duration::from_secs(1);
/// Milliseconds between two looks at the database while no key is due.
const LOOK_MS: u64 = 60_000;

/// Why a turn did not come to its end; the next one begins anew.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Crypto(#[from] CryptoFailed),
}

/// Turns the keys over.
pub struct Rotation {
    store: Store,
    ring: Arc<Ring>,
    clock: Arc<dyn Clock>,
    /// When the newest key in use was made.
    newest_ms: Option<i64>,
    looked_at_ms: Option<i64>,
    /// The keys that could have been destroyed at the look before.
    spent: Vec<String>,
}

impl Rotation {
    pub fn new(store: Store, ring: Arc<Ring>, clock: Arc<dyn Clock>) -> Self {
        Self { store, ring, clock, newest_ms: None, looked_at_ms: None, spent: Vec::new() }
    }

    /// Does what is due. Between two looks it asks nothing but the clock.
    pub fn turn(&mut self) -> Result<(), RotationError> {
        let now_ms = self.clock.unix_ms();
        let has_looked = self.looked_at_ms.is_some_and(|at_ms| now_ms.abs_diff(at_ms) < LOOK_MS);
        if has_looked && !is_key_due(self.newest_ms, now_ms) {
            return Ok(());
        }
        match self.make_key(now_ms)? {
            Root::Ours => {
                self.reseal()?;
                self.destroy(now_ms)?;
            }
            // no key of ours is due: the next look is in a minute
            Root::Moved => self.newest_ms = Some(now_ms),
        }
        self.looked_at_ms = Some(now_ms);
        Ok(())
    }

    /// Makes a data key where one is due, retires those before it, and lets the vault seal under it.
    fn make_key(&mut self, now_ms: i64) -> Result<Root, RotationError> {
        let (root, keys) = self.ring.follow(&self.store, data_key::list)?;
        self.newest_ms = newest_ms(&keys);
        if root == Root::Moved || !is_key_due(self.newest_ms, now_ms) {
            return Ok(root);
        }
        let vault = self.ring.vault();
        let made = vault.make_data_key(now_ms)?;
        let key = DataKey {
            id: made.name,
            wrapped: SealedText(made.wrapped.into_text()),
            created_at_ms: made.created_at_ms,
            retired_at_ms: None,
        };
        self.store.write_blocking(|conn| {
            let keys = data_key::list(conn)?;
            // the root or the keys may have changed since they were looked at
            if Root::of(conn, vault)? == Root::Moved || !is_key_due(newest_ms(&keys), now_ms) {
                return Ok(());
            }
            data_key::insert(conn, &key)?;
            for other in keys.iter().filter(|other| other.retired_at_ms.is_none()) {
                data_key::retire(conn, &other.id, now_ms)?;
            }
            record(conn, "data_key.create", &key.id, now_ms)
        })?;
        let (root, keys) = self.ring.follow(&self.store, data_key::list)?;
        self.newest_ms = newest_ms(&keys);
        Ok(root)
    }

    /// Destroys the retired keys whose time is over and under which nothing was sealed at the look before
    /// either: whoever has read a text that was sealed anew since can still open it.
    fn destroy(&mut self, now_ms: i64) -> Result<(), RotationError> {
        let spent_now = self.store.read_blocking(|conn| spent(conn, now_ms))?;
        let before = std::mem::replace(&mut self.spent, spent_now);
        if !self.spent.iter().any(|name| before.contains(name)) {
            return Ok(());
        }
        self.store.write_blocking(|conn| {
            if Root::of(conn, self.ring.vault())? == Root::Moved {
                return Ok(());
            }
            for name in spent(conn, now_ms)?.iter().filter(|name| before.contains(name)) {
                data_key::delete_retired(conn, name)?;
                record(conn, "data_key.destroy", name, now_ms)?;
            }
            Ok(())
        })?;
        self.ring.follow(&self.store, |_| Ok(()))?;
        Ok(())
    }
}

/// When the newest key that is not retired was made.
fn newest_ms(keys: &[DataKey]) -> Option<i64> {
    keys.iter().filter(|key| key.retired_at_ms.is_none()).map(|key| key.created_at_ms).max()
}

/// The keys that may be destroyed. None while a node may still seal under the root before.
fn spent(conn: &mut AnyConnection, now_ms: i64) -> Result<Vec<String>, StoreError> {
    if root::was_moved_lately(conn, now_ms)? {
        return Ok(Vec::new());
    }
    let mut spent = Vec::new();
    for key in data_key::list(conn)? {
        let is_over = key.retired_at_ms.is_some_and(|at_ms| may_destroy(at_ms, now_ms));
        if is_over
            && !credential::any_sealed_under(conn, &key.id)?
            && !idempotency::any_sealed_under(conn, &key.id)?
            && !content::any_sealed_under(conn, &key.id)?
        {
            spent.push(key.id);
        }
    }
    Ok(spent)
}

fn record(conn: &mut AnyConnection, action: &'static str, key: &str, now_ms: i64) -> Result<(), StoreError> {
    let target = Some(Target { kind: "data_key", id: Some(key.to_owned()) });
    audit::append(conn, &Entry { target, ..deed::of_system(action) }, now_ms)?;
    Ok(())
}

/// The thread that turns the keys over and tends the trail. Dropping it stops it.
pub struct Rotating {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Rotating {
    /// The keys are turned over on every node, for each has its own; the trail is tended by one.
    pub fn start(
        mut rotation: Rotation,
        mut upkeep: Upkeep,
        presence: Arc<Presence>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("nexus-rotation".into()).spawn(move || {
            let (mut keys, mut trail) = (Fortune::default(), Fortune::default());
            loop {
                keys.tell("the data keys cannot be turned over; the present ones stay", rotation.turn());
                if let Some(token) = presence.token(UPKEEP) {
                    trail.tell("the audit trail cannot be tended", upkeep.turn_as(token));
                }
                if stopped.recv_timeout(TURN) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Rotating {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Whether the last turn failed, so that a failure is said once and not every second.
#[derive(Default)]
struct Fortune {
    has_failed: bool,
}

impl Fortune {
    fn tell<E: std::fmt::Display>(&mut self, what: &'static str, turned: Result<(), E>) {
        match turned {
            Ok(()) if std::mem::take(&mut self.has_failed) => tracing::info!("over: {what}"),
            Err(error) if !std::mem::replace(&mut self.has_failed, true) => tracing::error!(%error, "{what}"),
            Ok(()) | Err(_) => {}
        }
    }
}
