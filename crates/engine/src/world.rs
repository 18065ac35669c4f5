//! The world a request sees: the snapshot, and what belongs to its targets outside the core.
//!
//! A world is immutable and replaced whole, so that a request sees one revision to its end.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use nexus_core::{
    catalogue::{Route, Target},
    health::breaker::State,
    id::{CredentialId, ProviderId, RouteId},
    refusal::Refusal,
    snapshot::Snapshot,
};
use nexus_keystore::secret::Secret;
use nexus_providers::{dialect::Dialect, registry};
use nexus_telemetry::{meters::Meters, target::TargetMeters};

use crate::port::Dice;

/// A provider's opened credential. It cannot be printed or serialised.
#[derive(Clone)]
pub struct Credential {
    pub id: CredentialId,
    /// Another one whenever another secret is entered or the same is sealed anew: with the id it names one
    /// secret for ever.
    pub generation: i64,
    pub secret: Arc<Secret>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// The opened credentials of one provider; each attempt draws one.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Each with its share, in the order they were made.
    pool: Arc<[(Credential, u32)]>,
    shares: u64,
}

impl Credentials {
    pub fn new(pool: Vec<(Credential, u32)>) -> Self {
        let shares = pool.iter().map(|(_, share)| u64::from(*share)).sum();
        Self { pool: pool.into(), shares }
    }

    /// Draws one by its share; the first where no share is above 0, `None` where there is none at all.
    pub fn pick(&self, dice: &dyn Dice) -> Option<&Credential> {
        let mut point = if self.pool.len() > 1 { dice.roll(self.shares) } else { 0 };
        let drawn = self.pool.iter().find(|(_, share)| match point.checked_sub(u64::from(*share)) {
            Some(rest) => {
                point = rest;
                false
            }
            None => true,
        });
        drawn.or_else(|| self.pool.first()).map(|(credential, _)| credential)
    }
}

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
        mut snapshot: Snapshot,
        credentials: &HashMap<ProviderId, Credentials>,
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
        if !unspoken.is_empty() {
            let is_spoken = |target: &Target| backends.contains_key(&target.route);
            snapshot.catalogue = std::mem::take(&mut snapshot.catalogue).only(is_spoken);
        }
        (Self { snapshot, backends }, unspoken)
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

    /// What stands behind a target of this world's catalogue.
    pub fn backend(&self, target: &Target) -> Option<&Backend> {
        self.backends.get(&target.route)
    }
}

fn backend(
    route: &Route,
    target: &Target,
    credentials: &HashMap<ProviderId, Credentials>,
    meters: &Meters,
) -> Option<Backend> {
    Some(Backend {
        dialect: registry::dialect(&target.provider.kind)?,
        credentials: credentials.get(&target.provider.id).cloned().unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    use nexus_core::id::Uuid;

    use super::*;

    struct Loaded(u64);

    impl Dice for Loaded {
        fn roll(&self, bound: u64) -> u64 {
            assert!(self.0 < bound.max(1), "{} of {bound}", self.0);
            self.0
        }

        fn bits(&self) -> u128 {
            0
        }
    }

    fn drawn(shares: &[u32], roll: u64) -> Option<String> {
        let named = |(at, share): (usize, &u32)| {
            let id = CredentialId(Uuid::from_u128(at as u128));
            (Credential { id, generation: 1, secret: Arc::new(Secret::new(at.to_string())) }, *share)
        };
        let pool = Credentials::new(shares.iter().enumerate().map(named).collect());
        pool.pick(&Loaded(roll)).map(|credential| credential.secret.expose().to_owned())
    }

    #[test]
    fn credentials_are_drawn_in_proportion_to_their_shares() {
        for (shares, drawn_by_roll) in [
            (&[3, 1][..], "0001"),
            (&[0, 2, 1], "112"),
            (&[1, 0, 1], "02"),
            (&[u32::MAX, u32::MAX], "000"),
            (&[0, 0], "0"),
            (&[7], "0"),
            (&[0], "0"),
        ] {
            for (roll, expected) in drawn_by_roll.chars().enumerate() {
                assert_eq!(drawn(shares, roll as u64), Some(expected.to_string()), "{shares:?} {roll}");
            }
        }
        assert_eq!(drawn(&[u32::MAX, u32::MAX], u64::from(u32::MAX)), Some("1".into()));
        assert_eq!(drawn(&[], 0), None);
    }
}
