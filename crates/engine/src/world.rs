//! The world a request sees: the snapshot and the opened credentials that belong to it.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use nexus_core::{id::ProviderId, snapshot::Snapshot};
use nexus_keystore::secret::Secret;

/// A provider's opened credential. It cannot be printed or serialised.
#[derive(Clone)]
pub struct Credential(pub Arc<Secret>);

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// One immutable world.
#[derive(Debug, Default)]
pub struct World {
    pub snapshot: Snapshot,
    pub credentials: HashMap<ProviderId, Credential>,
}

/// The current world, behind an atomic pointer: replaced whole, read without a lock.
#[derive(Debug)]
pub struct Worlds(ArcSwap<World>);

impl Worlds {
    pub fn new(world: World) -> Self {
        Self(ArcSwap::from_pointee(world))
    }

    /// The world as of now. A request calls this once and keeps what it got.
    pub fn current(&self) -> Arc<World> {
        self.0.load_full()
    }

    /// Puts a new world in the place of the current one.
    pub fn replace(&self, world: World) {
        self.0.store(Arc::new(world));
    }
}
