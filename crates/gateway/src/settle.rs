//! What a database is told and asked before anything stands on it; where it is away at the start, the node serves what
//! was kept of the world on its disk, and this comes later.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use nexus_config::{load::Flags, settings::Settings};
use nexus_engine::port::Clock;
use nexus_keystore::{opaque::OpaqueDigests, vault::Vault};
use nexus_store::{Door, Store, StoreError, kept::KeptWorld, world};

use crate::{
    admin::credentials::Sealer,
    alerts::Findings,
    apply::{File, Workshop},
    boot,
    clock::SystemClock,
    dice::WorkerDice,
    rotation::{Rotation, ring::Ring},
    start::StartError,
};

/// Between two looks whether there is anything new to keep.
const KEEP: Duration = Duration::from_secs(2);

/// What has to be done with a database first.
pub struct Settling {
    pub store: Store,
    pub vault: Arc<Vault>,
    pub ring: Arc<Ring>,
    pub clock: Arc<SystemClock>,
    pub findings: Findings,
    /// Where the configuration is read again from when the database comes later.
    pub file: Option<PathBuf>,
    pub flags: Flags,
}

impl Settling {
    /// Brings the schema up to date, makes sure of the root secret, turns the keys over, and recalls what is usual.
    /// From here on nothing is sealed under the root itself.
    pub fn prepare(&self) -> Result<(), StartError> {
        boot::bring_up_to_date(&self.store)?;
        boot::check_root(&self.store, &self.vault)?;
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        Rotation::new(self.store.clone(), Arc::clone(&self.ring), clock).turn()?;
        Ok(self.findings.recall(&self.store)?)
    }

    /// What the configuration file says is made so.
    pub fn apply(&self, settings: &mut Settings, digests: &OpaqueDigests) -> Result<(), StartError> {
        let sealer = Sealer { vault: &self.vault, digests };
        let workshop = Workshop { store: &self.store, sealer, clock: &*self.clock, dice: &WorkerDice::new() };
        workshop.start(File::take(settings))
    }

    /// Does all of it with a database that was away at the start. A file that cannot be applied is told and no reason
    /// to go on without the database.
    fn catch_up(&self, digests: &OpaqueDigests) -> Result<(), StartError> {
        self.prepare()?;
        let read = boot::settings(self.file.as_deref(), &self.flags);
        match read.and_then(|mut settings| self.apply(&mut settings, digests)) {
            Err(error) if error.is_away() => Err(error),
            Err(error) => {
                tracing::error!(%error, "the configuration file was not applied; the database holds as it is");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Where the first world comes from.
#[expect(clippy::large_enum_variant, reason = "there is one, for a moment")]
pub enum Begin {
    Database,
    /// The database is away.
    Kept {
        world: Store,
        later: Later,
    },
}

/// What is still to be done when the database comes.
pub struct Later {
    settling: Settling,
    door: Door,
}

impl Later {
    /// Tries it; from then on everybody has the database.
    pub fn catch_up(&self, digests: &OpaqueDigests) -> Result<(), StartError> {
        self.settling.catch_up(digests)?;
        self.door.open();
        Ok(())
    }
}

/// Settles with the database, or, where it is away and something was kept of the world, puts that off. With the store
/// everybody else is to have.
pub fn begin(
    settling: Settling,
    settings: &mut Settings,
    digests: &OpaqueDigests,
) -> Result<(Store, Begin), StartError> {
    let store = settling.store.clone();
    match settling.prepare().and_then(|()| settling.apply(settings, digests)) {
        Ok(()) => Ok((store, Begin::Database)),
        Err(error) if !error.is_away() => Err(error),
        Err(error) => {
            let Some((world, at_ms)) = KeptWorld::find(&settings.kept_world())? else { return Err(error) };
            boot::check_root(&world, &settling.vault)?;
            let age_s = settling.clock.unix_ms().saturating_sub(at_ms).div_euclid(1000);
            tracing::error!(%error, age_s, "the database is away; the node starts with the world kept on its disk");
            let (store, door) = store.behind_door();
            Ok((store, Begin::Kept { world, later: Later { settling, door } }))
        }
    }
}

/// The thread that keeps the world on disk as it is in the database. Dropping it stops it.
pub struct Keeping {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeping {
    /// Where the database is a file itself, nothing is kept beside it.
    pub fn start(
        store: Store,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, StartError> {
        if !is_elsewhere(settings) {
            return Ok(None);
        }
        let kept = KeptWorld::open(&settings.kept_world())?;
        let (stop, stopped) = channel::<()>();
        let run = move || {
            let (mut revision, mut has_failed) = (None, false);
            loop {
                match keep(&kept, &store, revision, clock.unix_ms()) {
                    Ok(kept) => (revision, has_failed) = (Some(kept), false),
                    // while the database is away there is nothing new
                    Err(StoreError::Unavailable(_)) => {}
                    Err(error) if !std::mem::replace(&mut has_failed, true) => {
                        tracing::error!(%error, "the world is not kept on disk; a start without the database takes an older one");
                    }
                    Err(_) => {}
                }
                if stopped.recv_timeout(KEEP) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("nexus-keep".into()).spawn(run);
        Ok(Some(Self { stop: Some(stop), thread: Some(thread.map_err(StartError::Thread)?) }))
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn keep(kept: &KeptWorld, store: &Store, known: Option<i64>, now_ms: i64) -> Result<i64, StoreError> {
    let revision = store.read_blocking(world::revision)?;
    if known == Some(revision) { Ok(revision) } else { kept.keep(store, now_ms) }
}

fn is_elsewhere(settings: &Settings) -> bool {
    settings.database_url.expose().starts_with("postgres")
}
