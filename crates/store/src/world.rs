//! The world as the database has it, made into the snapshot requests are decided by.
//!
//! A damaged row is logged and left out: it never takes the rest of the world down with it. Where leaving
//! it out would allow more, as with a key's scope, what it belongs to is refused instead. A rate limit that
//! has not changed keeps its state from one world to the next.

mod access;
mod targets;

use std::{collections::HashMap, sync::Arc};

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use nexus_core::{
    catalogue::Catalogue,
    flow::{Bounds, Limits},
    health::Health,
    id::{CredentialId, ProviderId, RouteId, TeamId},
    price::PriceBook,
    snapshot::Snapshot,
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{
        credential::CredentialRow,
        price,
        provider::{ProviderRow, SealedText},
        quota,
        route::RouteRow,
        rule, setting,
    },
    row::readable,
    schema::{model_routes, provider_credentials, service_providers, world_revision},
};

/// One state of the world.
#[derive(Debug)]
pub struct StoredWorld {
    /// Larger after every change; [`revision`] alone says cheaply whether there is anything new.
    pub revision: i64,
    pub snapshot: Snapshot,
    /// The active credentials of active providers, oldest first.
    pub credentials: Vec<StoredCredential>,
}

/// A credential as requests need it; its row, team and generation are what it was sealed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCredential {
    pub id: CredentialId,
    pub provider: ProviderId,
    pub sealed: SealedText,
    pub generation: i64,
    pub weight: u32,
    pub rate_limit: Option<u32>,
    /// `None`: the platform's.
    pub team: Option<TeamId>,
}

/// The number of the present state.
pub fn revision(conn: &mut AnyConnection) -> Result<i64, StoreError> {
    Ok(world_revision::table.select(world_revision::revision).first(conn)?)
}

/// Reads the present state. `previous` lends the limits that still stand.
pub fn load(
    conn: &mut AnyConnection,
    previous: Option<&Snapshot>,
    now_ms: i64,
) -> Result<StoredWorld, StoreError> {
    let revision = revision(conn)?;
    let mut earlier = previous.map(Earlier::of).unwrap_or_default();
    let rows = service_providers::table
        .filter(service_providers::is_active.eq(true))
        .order((service_providers::created_at, service_providers::id));
    let mut providers = HashMap::new();
    for stored in readable(rows.load(conn)?, ProviderRow::read) {
        providers.insert(stored.id, targets::Offered::new(stored, &earlier));
    }
    let rows = model_routes::table
        .filter(model_routes::is_active.eq(true))
        .order((model_routes::created_at, model_routes::id));
    let stored = readable(rows.load(conn)?, RouteRow::read);
    let routes = targets::routes(stored, &mut providers, &mut earlier);
    let mut catalogue = Catalogue::new(routes).ruled(rule::rules(conn)?);
    if let Some(previous) = previous {
        catalogue = catalogue.resume(&previous.catalogue);
    }
    let prices = price_book(conn)?;
    let quotas = quota::list(conn)?.into_iter().map(|stored| stored.quota).collect();
    let (teams, disabled_teams) = access::teams(conn, previous)?;
    let snapshot = Snapshot {
        catalogue,
        default_provider: setting::find_chosen(conn, setting::DEFAULT_PROVIDER)?.map(Into::into),
        revoked_keys: access::revoked_keys(conn, now_ms)?,
        disabled_teams,
        teams,
        keys: access::policies(conn, previous, now_ms)?,
        opaque_keys: access::opaque_keys(conn, now_ms)?,
        throttles: access::throttles(conn, previous, now_ms)?,
        prices: Arc::new(prices),
        quotas,
    };
    let mut credentials = credentials(conn)?;
    credentials.retain(|credential| providers.contains_key(&credential.provider));
    Ok(StoredWorld { revision, snapshot, credentials })
}

/// The prices that were set.
pub fn price_book(conn: &mut AnyConnection) -> Result<PriceBook, StoreError> {
    let mut book = PriceBook::default();
    for stored in price::list(conn)? {
        book.insert(&stored.real_model, stored.scope(), stored.dated());
    }
    Ok(book)
}

fn credentials(conn: &mut AnyConnection) -> Result<Vec<StoredCredential>, StoreError> {
    let rows = provider_credentials::table
        .filter(provider_credentials::is_active.eq(true))
        .order((provider_credentials::created_at, provider_credentials::id));
    Ok(readable(rows.load(conn)?, |row: CredentialRow| {
        let stored = row.read()?;
        Ok(StoredCredential {
            id: stored.id,
            provider: stored.provider,
            sealed: stored.secret.sealed,
            generation: stored.secret.generation,
            weight: stored.weight,
            rate_limit: stored.rate_limit,
            team: None,
        })
    }))
}

/// A real model at a provider, in a region: what has one health, whatever aliases stand for it.
type Place = (ProviderId, Arc<str>, Option<Arc<str>>);

/// The limits and the healths of an earlier world by what they are of.
#[derive(Default)]
struct Earlier {
    providers: HashMap<ProviderId, Limits>,
    routes: HashMap<RouteId, Limits>,
    healths: HashMap<Place, Arc<Health>>,
}

impl Earlier {
    fn of(snapshot: &Snapshot) -> Self {
        let mut earlier = Self::default();
        for route in snapshot.catalogue.all() {
            for target in &route.targets {
                let of = (target.provider.id, Arc::clone(&target.real_model), target.region.clone());
                earlier.healths.insert(of, Arc::clone(&target.health));
                earlier.routes.insert(target.route, target.limits.clone());
                earlier.providers.insert(target.provider.id, target.provider.limits.clone());
            }
        }
        earlier
    }
}

/// Limits of these bounds that go on where earlier ones stand.
fn kept(bounds: Bounds, earlier: Option<&Limits>) -> Limits {
    Limits::following(bounds, earlier.unwrap_or(const { &Limits::OPEN }))
}

#[cfg(test)]
mod tests;
