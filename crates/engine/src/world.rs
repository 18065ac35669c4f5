//! The world a request sees: the snapshot, and what belongs to its targets outside the core.
//!
//! A world is immutable and replaced whole, so that a request sees one revision to its end.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use nexus_core::{
    catalogue::{Route, Target},
    id::{ProviderId, RouteId},
    snapshot::Snapshot,
};
use nexus_keystore::secret::Secret;
use nexus_providers::{dialect::Dialect, registry};
use nexus_telemetry::{meters::Meters, target::TargetMeters};

/// A provider's opened credential. It cannot be printed or serialised.
#[derive(Clone)]
pub struct Credential(pub Arc<Secret>);

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// What stands behind a target: how to speak to it, with which credential, and where to count.
#[derive(Clone)]
pub struct Backend {
    pub dialect: &'static dyn Dialect,
    pub credential: Option<Credential>,
    pub meters: Arc<TargetMeters>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("dialect", &self.dialect.id()).finish_non_exhaustive()
    }
}

/// One immutable world.
#[derive(Debug, Default)]
pub struct World {
    pub snapshot: Snapshot,
    backends: HashMap<RouteId, Backend>,
}

impl World {
    /// Joins a snapshot with the credentials of its providers. Targets of a kind nobody speaks have
    /// no backend and are never offered; their providers' names are returned for the log.
    pub fn assemble(
        snapshot: Snapshot,
        credentials: &HashMap<ProviderId, Credential>,
        meters: &Meters,
    ) -> (Self, Vec<String>) {
        let mut backends = HashMap::new();
        let mut unspoken = Vec::new();
        for route in snapshot.catalogue.all() {
            for target in &route.targets {
                match backend(route, target, credentials, meters) {
                    Some(backend) => {
                        backends.insert(target.route, backend);
                    }
                    None => unspoken.push(target.provider.name.to_string()),
                }
            }
        }
        unspoken.sort();
        unspoken.dedup();
        (Self { snapshot, backends }, unspoken)
    }

    /// What stands behind a target of this world's catalogue.
    pub fn backend(&self, target: &Target) -> Option<&Backend> {
        self.backends.get(&target.route)
    }
}

fn backend(
    route: &Route,
    target: &Target,
    credentials: &HashMap<ProviderId, Credential>,
    meters: &Meters,
) -> Option<Backend> {
    Some(Backend {
        dialect: registry::dialect(&target.provider.kind)?,
        credential: credentials.get(&target.provider.id).cloned(),
        meters: meters.for_target(&target.provider.name, route.label()),
    })
}

/// The current world, behind an atomic pointer: replaced whole, read without a lock.
#[derive(Debug, Default)]
pub struct Worlds(ArcSwap<World>);

impl Worlds {
    /// The world as of now. A request calls this once and keeps what it got.
    pub fn current(&self) -> Arc<World> {
        self.0.load_full()
    }

    /// Puts a new world in the place of the current one.
    pub fn replace(&self, world: World) {
        self.0.store(Arc::new(world));
    }
}
