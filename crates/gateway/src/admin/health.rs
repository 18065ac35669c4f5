//! How the node is, for those who run it. It answers while the database is away, to whoever shows a key.

pub mod targets;

use std::{collections::HashSet, sync::Arc};

use nexus_store::world;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer::Told,
    call::Call,
    problem::{Kind, Problem},
};

/// How the node is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthBody {
    pub version: &'static str,
    pub uptime_s: u64,
    /// Whether the node takes no new work.
    pub is_draining: bool,
    /// What the node does without just now: `database_away`, `kept_world`, `sharing_away`.
    pub degraded: Vec<&'static str>,
    pub database: DatabaseBody,
    /// Providers that take part in the world in force.
    pub providers: usize,
}

/// How the database is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthOfDatabase)]
pub struct DatabaseBody {
    pub is_ok: bool,
    /// Goes up with every change that decides requests; none while the database is away.
    pub world_revision: Option<i64>,
    /// Usage that is in the journal and not in the database yet.
    pub pending_journal_bytes: u64,
}

pub async fn show(call: Call) -> Result<Told<HealthBody>, Problem> {
    let revision = call.read(world::revision).await.ok();
    let shipper = Arc::clone(&call.admin().shipper);
    // it looks into the journal's folder
    let backlog = tokio::task::spawn_blocking(move || shipper.backlog()).await.map_err(|_| Kind::Internal)?;
    let worker = call.worker();
    let shared = &worker.engine.shared;
    let world = shared.worlds.current();
    let targets = world.snapshot.catalogue.all().flat_map(|route| &route.targets);
    let providers: HashSet<_> = targets.map(|target| target.provider.id).collect();
    Ok(Told(HealthBody {
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: shared.clock.monotonic_us() / 1_000_000,
        is_draining: worker.drain.has_begun(),
        degraded: worker.modes.current(),
        database: DatabaseBody {
            is_ok: revision.is_some(),
            world_revision: revision,
            pending_journal_bytes: backlog.bytes,
        },
        providers: providers.len(),
    }))
}
