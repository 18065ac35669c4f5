//! Active health checks: providers that want it are asked for their list of models now and then, which costs nothing.
//!
//! What comes of it is shown, and decides where a breaker is half-open. It is no request, and counts as none.

use std::{collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use nexus_core::{
    catalogue::{Provider, Target},
    fault::Fault,
    health::check::Check,
    id::ProviderId,
};
use nexus_engine::{credentials::Member, shared::Shared, world::World};
use nexus_providers::registry::HEALTH_CHECK;
use nexus_transport::Access;

use crate::{
    admin::providers::trial::{Asked, models},
    worker::Drain,
};

/// Between two looks at who is due.
const TICK: Duration = Duration::from_secs(1);

/// Checks until the node drains. Runs inside an actix runtime only.
pub async fn run(shared: Arc<Shared>, drain: Arc<Drain>, access: Rc<Access>) {
    let mut due_us: HashMap<ProviderId, u64> = HashMap::new();
    loop {
        tokio::time::sleep(TICK).await;
        if drain.has_begun() {
            return;
        }
        let (world, now_us) = (shared.worlds.current(), shared.clock.monotonic_us());
        let wanted = wanted(&world);
        due_us.retain(|id, _| wanted.contains_key(id));
        for (id, (provider, period_us)) in wanted {
            if due_us.get(&id).is_none_or(|due_us| *due_us <= now_us) {
                due_us.insert(id, now_us.saturating_add(period_us));
                let access = Rc::clone(&access);
                actix_web::rt::spawn(check(Arc::clone(&shared), Arc::clone(&world), provider, access));
            }
        }
    }
}

/// The providers that want to be checked, and how often.
fn wanted(world: &World) -> HashMap<ProviderId, (Arc<Provider>, u64)> {
    let providers = targets(world).map(|target| &target.provider);
    let wanted = providers.filter_map(|provider| {
        let period_s: u64 = provider.options.option(HEALTH_CHECK)?.parse().ok()?;
        Some((provider.id, (Arc::clone(provider), period_s.saturating_mul(1_000_000))))
    });
    wanted.collect()
}

fn targets(world: &World) -> impl Iterator<Item = &Arc<Target>> {
    world.snapshot.catalogue.all().flat_map(|route| &route.targets)
}

async fn check(shared: Arc<Shared>, world: Arc<World>, provider: Arc<Provider>, access: Rc<Access>) {
    let began_us = shared.clock.monotonic_us();
    let fault = ask(&access, &world, &provider, began_us).await.err();
    if let Some(fault) = &fault {
        tracing::debug!(provider = %provider.name, class = fault.class.as_str(), message = %fault.message,
            "a health check failed");
    }
    let fault = fault.map(|fault| fault.class);
    let check = Check { began_us, ended_us: shared.clock.monotonic_us(), fault };
    targets(&world)
        .filter(|target| target.provider.id == provider.id)
        .for_each(|target| target.health.checked(check));
}

async fn ask(access: &Access, world: &World, provider: &Provider, now_us: u64) -> Result<(), Fault> {
    // not drawn: a credential that is being tried again is left to the request that tries it
    let members = world.pool(provider.id).map(|pool| pool.members()).unwrap_or_default();
    let is_good = |member: &&Member| member.trust.condition(now_us).out.is_none();
    let credential = members.iter().find(is_good).or(members.first()).map(|member| &member.credential);
    let asked = Asked {
        kind: &provider.kind,
        endpoint: provider.endpoint.clone(),
        options: &provider.options,
        allow_private_network: provider.allow_private_network,
        credential,
    };
    models(&asked, access).await.map(drop)
}
