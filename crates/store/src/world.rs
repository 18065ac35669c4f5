//! The world as the database has it, made into the snapshot requests are decided by.
//!
//! A damaged row is logged and left out: it never takes the rest of the world down with it. A rate limit
//! that has not changed keeps its state from one world to the next.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    str::FromStr,
    sync::Arc,
};

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl};
use nexus_core::{
    catalogue::{Catalogue, Provider, Route, Target, WILDCARD},
    id::{KeyId, ProviderId, RouteId, TeamId},
    limit::RateLimit,
    snapshot::Snapshot,
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{
        provider::{ProviderRow, SealedText, StoredProvider},
        route::{RouteRow, StoredRoute},
    },
    row::{Reading, readable},
    schema::{keys, model_routes, service_providers, teams, world_revision},
};

/// One state of the world.
#[derive(Debug)]
pub struct StoredWorld {
    /// Larger after every change; [`revision`] alone says cheaply whether there is anything new.
    pub revision: i64,
    pub snapshot: Snapshot,
    /// The active providers' credentials, sealed.
    pub credentials: Vec<(ProviderId, SealedText)>,
}

/// The number of the present state.
pub fn revision(conn: &mut AnyConnection) -> Result<i64, StoreError> {
    Ok(world_revision::table.select(world_revision::revision).first(conn)?)
}

/// Reads the present state. `previous` lends the rate limits whose rates still stand.
pub fn load(
    conn: &mut AnyConnection,
    previous: Option<&Snapshot>,
    now_ms: i64,
) -> Result<StoredWorld, StoreError> {
    let revision = revision(conn)?;
    let mut limits = previous.map(Limits::of).unwrap_or_default();
    let rows = service_providers::table
        .filter(service_providers::is_active.eq(true))
        .order((service_providers::created_at, service_providers::id));
    let mut providers = HashMap::new();
    let mut credentials = Vec::new();
    for mut stored in readable(rows.load(conn)?, ProviderRow::read) {
        credentials.extend(stored.api_key.take().map(|sealed| (stored.id, sealed)));
        providers.insert(stored.id, Arc::new(provider(stored, &mut limits)));
    }
    let rows = model_routes::table
        .filter(model_routes::is_active.eq(true))
        .order((model_routes::created_at, model_routes::id));
    let routes = readable(rows.load(conn)?, |row: RouteRow| {
        let created_at_s = row.created_at.div_euclid(1000);
        row.read().map(|stored| (stored, created_at_s))
    });
    let routes = routes.into_iter().filter_map(|(stored, created_at_s)| {
        let provider = providers.get(&stored.provider)?;
        Some(route(stored, created_at_s, Arc::clone(provider), &mut limits))
    });
    let catalogue = Catalogue::new(routes);
    let snapshot = Snapshot {
        catalogue,
        revoked_keys: revoked_keys(conn, now_ms)?,
        disabled_teams: disabled_teams(conn)?,
        ..Snapshot::default()
    };
    Ok(StoredWorld { revision, snapshot, credentials })
}

fn provider(stored: StoredProvider, limits: &mut Limits) -> Provider {
    Provider {
        id: stored.id,
        rate_limit: stored.rate_limit.map(|rate| kept(limits.providers.remove(&stored.id), rate)),
        name: stored.name.into(),
        kind: stored.kind.into(),
        endpoint: stored.endpoint,
        allow_private_network: stored.allow_private_network,
        weight: stored.weight,
    }
}

fn route(stored: StoredRoute, created_at_s: i64, provider: Arc<Provider>, limits: &mut Limits) -> Route {
    let target = Target {
        route: stored.id,
        provider,
        real_model: stored.real_model.into(),
        rate_limit: stored.rate_limit.map(|rate| kept(limits.routes.remove(&stored.id), rate)),
    };
    Route { alias: stored.alias.into(), created_at_s, targets: vec![Arc::new(target)] }
}

/// Revoked keys that have not expired: the expired ones are refused without us.
fn revoked_keys(conn: &mut AnyConnection, now_ms: i64) -> Result<HashSet<KeyId>, StoreError> {
    let ids = keys::table
        .filter(keys::revoked_at.is_not_null())
        .filter(keys::expires_at.is_null().or(keys::expires_at.gt(now_ms)))
        .select(keys::id);
    Ok(ids_of("keys", ids.load(conn)?))
}

fn disabled_teams(conn: &mut AnyConnection) -> Result<HashSet<TeamId>, StoreError> {
    let ids = teams::table.filter(teams::is_active.eq(false)).select(teams::id);
    Ok(ids_of("teams", ids.load(conn)?))
}

fn ids_of<Id: FromStr + Eq + Hash>(table: &'static str, ids: Vec<String>) -> HashSet<Id> {
    readable(ids, |id| Reading { table, id: &id }.id("id", &id)).into_iter().collect()
}

/// The limits of an earlier world by what they limit.
#[derive(Default)]
struct Limits {
    providers: HashMap<ProviderId, Arc<RateLimit>>,
    routes: HashMap<RouteId, Arc<RateLimit>>,
}

impl Limits {
    fn of(snapshot: &Snapshot) -> Self {
        let mut limits = Self::default();
        let named = snapshot.catalogue.listed().into_iter();
        for route in named.chain(snapshot.catalogue.resolve(WILDCARD)) {
            for target in &route.targets {
                if let Some(limit) = &target.rate_limit {
                    limits.routes.insert(target.route, Arc::clone(limit));
                }
                if let Some(limit) = &target.provider.rate_limit {
                    limits.providers.insert(target.provider.id, Arc::clone(limit));
                }
            }
        }
        limits
    }
}

fn kept(earlier: Option<Arc<RateLimit>>, per_minute: u32) -> Arc<RateLimit> {
    let fresh = RateLimit::new(per_minute);
    earlier.filter(|earlier| earlier.per_minute() == fresh.per_minute()).unwrap_or_else(|| Arc::new(fresh))
}

#[cfg(test)]
mod tests;
