//! The world a request sees: the snapshot, and what belongs to its targets outside the core.
//!
//! A world is immutable and replaced whole, so that a request sees one revision to its end.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use nexus_core::{
    capabilities::Capabilities,
    catalogue::{Catalogue, Resolved, Route, Target, WILDCARD},
    flow::{Limits, line::Line},
    health::breaker::State,
    id::{ProviderId, RouteId, Uuid},
    need::Fit,
    refusal::Refusal,
    snapshot::Snapshot,
};
use nexus_models::Model;
use nexus_providers::{dialect::Dialect, registry};
use nexus_telemetry::{meters::Meters, target::TargetMeters};

use crate::credentials::limited_as;
pub use crate::credentials::{Credential, Credentials};

/// What stands behind a target: how to speak to it, with which credentials, and where to count.
#[derive(Clone)]
pub struct Backend {
    pub dialect: &'static dyn Dialect,
    pub credentials: Credentials,
    pub meters: Arc<TargetMeters>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("dialect", &self.dialect.id()).finish_non_exhaustive()
    }
}

/// The catalogue with what is known of well-known models, where nobody said other of them.
pub fn informed(catalogue: Catalogue) -> Catalogue {
    catalogue.informed(|target| {
        let name = target.capabilities.known_as(&target.real_model);
        let model = nexus_models::find(&target.provider.kind, name);
        let (input, output) = (model.and_then(Model::input), model.and_then(Model::output));
        Capabilities { input, output, ..Capabilities::default() }
    })
}

/// One immutable world.
#[derive(Debug, Default)]
pub struct World {
    pub snapshot: Snapshot,
    backends: HashMap<RouteId, Backend>,
    /// The route of what names no model to each provider, by the provider's name.
    homes: HashMap<Arc<str>, Arc<Route>>,
    pools: HashMap<ProviderId, Credentials>,
}

impl World {
    /// Joins a snapshot with the credentials of its providers. Targets of a kind nobody speaks have
    /// no backend and are never offered; their providers' names are returned for the log.
    pub fn assemble(
        mut snapshot: Snapshot,
        pools: HashMap<ProviderId, Credentials>,
        meters: &Meters,
    ) -> (Self, Vec<String>) {
        let mut backends = HashMap::new();
        let mut homes = HashMap::new();
        let mut unspoken = Vec::new();
        for route in snapshot.catalogue.all() {
            for target in &route.targets {
                match backend(route, target, &pools, meters) {
                    Some(backend) => {
                        backends.insert(target.route, backend);
                        home(target, &mut homes, &mut backends, &pools, meters);
                    }
                    None => unspoken.push(target.provider.name.to_string()),
                }
            }
        }
        unspoken.sort();
        unspoken.dedup();
        if !unspoken.is_empty() {
            let is_spoken = |target: &Target| backends.contains_key(&target.route);
            snapshot.catalogue = std::mem::take(&mut snapshot.catalogue).only(is_spoken);
        }
        snapshot.catalogue = informed(std::mem::take(&mut snapshot.catalogue));
        (Self { snapshot, backends, homes, pools }, unspoken)
    }

    /// Where requests go that name no model, under this name for the ledger.
    pub fn home(&self, name: &str) -> Option<Resolved> {
        let route = self.homes.get(self.snapshot.default_provider.as_ref()?)?;
        Some(Resolved { name: name.into(), route: Arc::clone(route), rule: Arc::default() })
    }

    /// The same at one provider.
    pub fn home_of(&self, provider: ProviderId, name: &str) -> Option<Resolved> {
        let is_of =
            |route: &&Arc<Route>| route.targets.first().is_some_and(|own| own.provider.id == provider);
        let route = self.homes.values().find(is_of)?;
        Some(Resolved { name: name.into(), route: Arc::clone(route), rule: Arc::default() })
    }

    /// The provider of this name, where it can be asked for what no model is named for.
    pub fn provider(&self, name: &str) -> Option<ProviderId> {
        Some(self.homes.get(name)?.targets.first()?.provider.id)
    }

    /// A target of a route of this world, by its place, and what stands behind it.
    pub fn stand<'a>(
        &'a self,
        route: &'a Route,
        place: usize,
    ) -> Result<(&'a Arc<Target>, &'a Backend), Refusal> {
        let stand = route.targets.get(place).and_then(|target| Some((target, self.backend(target)?)));
        stand.ok_or_else(|| Refusal::UnknownModel { model: route.alias.to_string() })
    }

    /// The meters of a route's targets, each once, with the worst breaker (0 closed, 1 half-open, 2 open) and
    /// all that is under way of those that share them.
    pub fn healths(&self, route: &Route, now_us: u64) -> impl Iterator<Item = (&TargetMeters, u8, u32)> {
        let mut healths: HashMap<*const TargetMeters, (&TargetMeters, u8, u32)> = HashMap::new();
        for target in &route.targets {
            let Some(backend) = self.backend(target) else { continue };
            let breaker = match target.health.state(now_us) {
                State::Closed => 0,
                State::HalfOpen { .. } => 1,
                State::Open { .. } => 2,
            };
            let in_flight = target.health.in_flight();
            let known = healths.entry(Arc::as_ptr(&backend.meters)).or_insert((&backend.meters, 0, 0));
            (known.1, known.2) = (breaker.max(known.1), in_flight.saturating_add(known.2));
        }
        healths.into_values()
    }

    /// How many wait in line at each provider whose limits, or whose models', are such that anybody may have to.
    pub fn lines(&self) -> HashMap<&str, usize> {
        let mut lines: HashMap<&str, HashMap<*const Line, usize>> = HashMap::new();
        for target in self.snapshot.catalogue.all().flat_map(|route| &route.targets) {
            if let Some(line) = target.line() {
                let of_provider = lines.entry(&target.provider.name).or_default();
                of_provider.insert(Arc::as_ptr(line), line.waiting());
            }
        }
        lines.into_iter().map(|(provider, lines)| (provider, lines.into_values().sum())).collect()
    }

    /// What stands behind a target of this world's catalogue.
    pub fn backend(&self, target: &Target) -> Option<&Backend> {
        self.backends.get(&target.route)
    }

    /// Takes everything back that keeps requests from what a model route leads to: of the targets, and of the
    /// credentials they are asked with. Whether the route leads anywhere.
    pub fn put_back(&self, route: RouteId, meters: &Meters, now_us: u64) -> bool {
        let targets = self.snapshot.catalogue.all().flat_map(|route| &route.targets);
        let mut is_there = false;
        for target in targets.filter(|target| target.route == route) {
            is_there = true;
            target.health.reset(now_us);
            for member in self.pool(target.provider.id).map(Credentials::members).unwrap_or_default() {
                match &*target.real_model {
                    // it stands for whatever was asked for
                    WILDCARD => drop(member.trust.reset()),
                    model => member.trust.forgive(&limited_as(target, model)),
                }
            }
            self.count_out(target.provider.id, meters, now_us);
        }
        is_there
    }

    /// Shows how many of a provider's credentials are out.
    pub fn count_out(&self, provider: ProviderId, meters: &Meters, now_us: u64) {
        let named = |target: &&Arc<Target>| target.provider.id == provider;
        let targets = self.snapshot.catalogue.all().flat_map(|route| &route.targets);
        if let (Some(pool), Some(target)) = (self.pool(provider), targets.into_iter().find(named)) {
            meters.credentials_out(&target.provider.name, pool.out(now_us));
        }
    }

    /// The opened credentials of a provider.
    pub fn pool(&self, provider: ProviderId) -> Option<&Credentials> {
        self.pools.get(&provider)
    }
}

/// Gives the target's provider a route for what names no model.
fn home(
    target: &Target,
    homes: &mut HashMap<Arc<str>, Arc<Route>>,
    backends: &mut HashMap<RouteId, Backend>,
    pools: &HashMap<ProviderId, Credentials>,
    meters: &Meters,
) {
    let provider = &target.provider;
    if homes.contains_key(&provider.name) {
        return;
    }
    // no route has such an id: in it stands another version than in any that is made
    let id = RouteId(Uuid::from_u128(!provider.id.0.as_u128()));
    let own = Target {
        route: id,
        real_model: WILDCARD.into(),
        region: None,
        limits: Limits::default(),
        tier: 0,
        weight: 1,
        fit: Fit::default(),
        cost_multiplier_ppm: None,
        capabilities: Capabilities::default(),
        health: Arc::default(),
        ..target.clone()
    };
    let route = Route::new(WILDCARD.into(), 0, vec![Arc::new(own)]);
    if let Some(backend) = route.targets.first().and_then(|own| backend(&route, own, pools, meters)) {
        backends.insert(id, backend);
        homes.insert(Arc::clone(&provider.name), Arc::new(route));
    }
}

fn backend(
    route: &Route,
    target: &Target,
    pools: &HashMap<ProviderId, Credentials>,
    meters: &Meters,
) -> Option<Backend> {
    Some(Backend {
        dialect: registry::dialect(&target.provider.kind)?,
        credentials: pools.get(&target.provider.id).cloned().unwrap_or_default(),
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
