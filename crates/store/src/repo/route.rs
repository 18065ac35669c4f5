//! Model routes: which alias stands for which real model at which provider.

use std::collections::BTreeMap;

use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl,
    Queryable, RunQueryDsl,
    dsl::{delete as delete_from, insert_into, update as change_in},
};
use nexus_core::{
    capabilities::Capabilities,
    id::{ProviderId, RouteId},
    need::Fit,
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{Applied, Changed, Page, Removed, changed},
    row::{Reading, capabilities, fit, page_of, readable},
    schema::model_routes,
};

/// A multiplier of 1.0 in [`StoredRoute::cost_multiplier_ppm`].
pub const PPM: i64 = 1_000_000;

/// A model route as stored. Alias, provider and real model together are unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRoute {
    pub id: RouteId,
    pub alias: String,
    pub provider: ProviderId,
    pub real_model: String,
    /// What costs are multiplied by, in millionths ([`PPM`] is 1.0).
    pub cost_multiplier_ppm: i64,
    /// Requests a minute to this model at this provider.
    pub rate_limit: Option<u32>,
    /// Tokens a minute, of this model at this provider.
    pub token_limit: Option<u32>,
    /// Requests at once.
    pub max_concurrent: Option<u32>,
    /// Shares by region; empty where the provider has no regions.
    pub region_weights: BTreeMap<String, u32>,
    pub is_active: bool,
    /// Takes the place of the provider's weight.
    pub weight: Option<u32>,
    /// Lower ones go first.
    pub tier: u32,
    pub fit: Fit,
    pub capabilities: Capabilities,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub version: i64,
}

/// What is to be different about a route; what is `None` stays, `Some(None)` takes away.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub alias: Option<String>,
    pub provider: Option<ProviderId>,
    pub real_model: Option<String>,
    pub cost_multiplier_ppm: Option<i64>,
    pub rate_limit: Option<Option<u32>>,
    pub token_limit: Option<Option<u32>>,
    pub max_concurrent: Option<Option<u32>>,
    pub region_weights: Option<BTreeMap<String, u32>>,
    pub is_active: Option<bool>,
    pub weight: Option<Option<u32>>,
    pub tier: Option<u32>,
    pub fit: Option<Fit>,
    pub capabilities: Option<Capabilities>,
}

/// Which routes are wanted; all that is said must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub alias: Option<String>,
    pub provider: Option<ProviderId>,
}

#[derive(Queryable, Insertable, AsChangeset)]
#[diesel(table_name = model_routes, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct RouteRow {
    id: String,
    model_alias: String,
    provider_id: String,
    real_model_name: String,
    cost_multiplier_ppm: i64,
    rate_limit: Option<i64>,
    region_weights: Option<String>,
    is_active: bool,
    created_at: i64,
    updated_at: i64,
    weight: Option<i64>,
    version: i64,
    tier: i64,
    fit: String,
    token_limit: Option<i64>,
    max_concurrent: Option<i64>,
    capabilities: String,
}

#[derive(AsChangeset)]
#[diesel(table_name = model_routes)]
struct RouteChange<'a> {
    model_alias: Option<&'a str>,
    provider_id: Option<String>,
    real_model_name: Option<&'a str>,
    cost_multiplier_ppm: Option<i64>,
    rate_limit: Option<Option<i64>>,
    token_limit: Option<Option<i64>>,
    max_concurrent: Option<Option<i64>>,
    region_weights: Option<Option<String>>,
    is_active: Option<bool>,
    weight: Option<Option<i64>>,
    tier: Option<i64>,
    fit: Option<String>,
    capabilities: Option<String>,
    updated_at: i64,
}

impl RouteRow {
    pub(crate) fn read(self) -> Result<StoredRoute, StoreError> {
        let row = Reading { table: "model_routes", id: &self.id };
        Ok(StoredRoute {
            id: row.id("id", &self.id)?,
            provider: row.id("provider_id", &self.provider_id)?,
            rate_limit: row.small_or_none("rate_limit", self.rate_limit)?,
            token_limit: row.small_or_none("token_limit", self.token_limit)?,
            max_concurrent: row.small_or_none("max_concurrent", self.max_concurrent)?,
            weight: row.small_or_none("weight", self.weight)?,
            tier: row.small("tier", self.tier)?,
            fit: row.fit("fit", &self.fit)?,
            capabilities: row.capabilities("capabilities", &self.capabilities)?,
            region_weights: match &self.region_weights {
                Some(json) => serde_json::from_str(json)
                    .map_err(|_| row.problem("region_weights", "is not an object of region to share"))?,
                None => BTreeMap::new(),
            },
            alias: self.model_alias,
            real_model: self.real_model_name,
            cost_multiplier_ppm: self.cost_multiplier_ppm,
            is_active: self.is_active,
            created_at_ms: self.created_at,
            updated_at_ms: self.updated_at,
            version: self.version,
        })
    }

    fn new(route: &StoredRoute) -> Self {
        Self {
            id: route.id.to_string(),
            model_alias: route.alias.clone(),
            provider_id: route.provider.to_string(),
            real_model_name: route.real_model.clone(),
            cost_multiplier_ppm: route.cost_multiplier_ppm,
            rate_limit: route.rate_limit.map(i64::from),
            token_limit: route.token_limit.map(i64::from),
            max_concurrent: route.max_concurrent.map(i64::from),
            region_weights: shares(&route.region_weights),
            is_active: route.is_active,
            created_at: route.created_at_ms,
            updated_at: route.updated_at_ms,
            weight: route.weight.map(i64::from),
            version: route.version,
            tier: route.tier.into(),
            fit: fit::written(&route.fit),
            capabilities: capabilities::written(&route.capabilities),
        }
    }
}

fn shares(weights: &BTreeMap<String, u32>) -> Option<String> {
    (!weights.is_empty()).then(|| serde_json::json!(weights).to_string())
}

/// Makes the route of this alias, provider and real model be as given, and says which id it has: its own
/// where it is there already, `route.id` where it is new. The times and the version given are not looked at.
pub fn apply(
    conn: &mut AnyConnection,
    route: &StoredRoute,
    now_ms: i64,
) -> Result<(RouteId, Applied), StoreError> {
    let present: Option<RouteRow> = model_routes::table
        .filter(model_routes::model_alias.eq(&route.alias))
        .filter(model_routes::provider_id.eq(route.provider.to_string()))
        .filter(model_routes::real_model_name.eq(&route.real_model))
        .first(conn)
        .optional()?;
    let Some(present) = present else {
        let new = StoredRoute { created_at_ms: now_ms, updated_at_ms: now_ms, version: 1, ..route.clone() };
        create(conn, &new)?;
        return Ok((route.id, Applied::Created));
    };
    let id = Reading { table: "model_routes", id: &present.id }.id("id", &present.id)?;
    let wanted = StoredRoute {
        id,
        created_at_ms: present.created_at,
        updated_at_ms: now_ms,
        version: present.version.saturating_add(1),
        ..route.clone()
    };
    let as_it_stands =
        StoredRoute { updated_at_ms: present.updated_at, version: present.version, ..wanted.clone() };
    let row = RouteRow::new(&wanted);
    let id_text = present.id.clone();
    // a damaged row differs from any good one: applying mends it
    if present.read().is_ok_and(|present| present == as_it_stands) {
        return Ok((id, Applied::Unchanged));
    }
    change_in(model_routes::table.find(id_text)).set(row).execute(conn)?;
    Ok((id, Applied::Updated))
}

/// Stores a new route; [`StoreError::Conflict`] where there is one of the same alias, provider and model.
pub fn create(conn: &mut AnyConnection, route: &StoredRoute) -> Result<(), StoreError> {
    insert_into(model_routes::table).values(RouteRow::new(route)).execute(conn)?;
    Ok(())
}

/// Every route, by alias and then oldest first; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<StoredRoute>, StoreError> {
    let order = (model_routes::model_alias, model_routes::created_at, model_routes::id);
    Ok(readable(model_routes::table.order(order).load(conn)?, RouteRow::read))
}

/// The routes of a page, oldest first; damaged rows are logged and left out.
pub fn page(conn: &mut AnyConnection, filter: &Filter, page: &Page) -> Result<Vec<StoredRoute>, StoreError> {
    use model_routes::dsl as row;
    let load = |page: &Page| {
        let mut query =
            row::model_routes.into_boxed().order((row::created_at, row::id)).limit(page.limit.into());
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.gt(*at).or(row::created_at.eq(*at).and(row::id.gt(id))));
        }
        if let Some(alias) = &filter.alias {
            query = query.filter(row::model_alias.eq(alias));
        }
        if let Some(provider) = filter.provider {
            query = query.filter(row::provider_id.eq(provider.to_string()));
        }
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &RouteRow| (row.created_at, row.id.clone()), RouteRow::read)
}

/// The route of this id.
pub fn show(conn: &mut AnyConnection, id: RouteId) -> Result<Option<StoredRoute>, StoreError> {
    let row: Option<RouteRow> = model_routes::table.find(id.to_string()).first(conn).optional()?;
    row.map(RouteRow::read).transpose()
}

/// Changes a route; [`StoreError::Conflict`] where it would be the same as another.
pub fn update(
    conn: &mut AnyConnection,
    id: RouteId,
    change: &Change,
    expected_version: i64,
    now_ms: i64,
) -> Result<Changed<StoredRoute>, StoreError> {
    let change = RouteChange {
        model_alias: change.alias.as_deref(),
        provider_id: change.provider.map(|provider| provider.to_string()),
        real_model_name: change.real_model.as_deref(),
        cost_multiplier_ppm: change.cost_multiplier_ppm,
        rate_limit: change.rate_limit.map(|limit| limit.map(i64::from)),
        token_limit: change.token_limit.map(|limit| limit.map(i64::from)),
        max_concurrent: change.max_concurrent.map(|limit| limit.map(i64::from)),
        region_weights: change.region_weights.as_ref().map(shares),
        is_active: change.is_active,
        weight: change.weight.map(|weight| weight.map(i64::from)),
        tier: change.tier.map(i64::from),
        fit: change.fit.as_ref().map(fit::written),
        capabilities: change.capabilities.as_ref().map(capabilities::written),
        updated_at: now_ms,
    };
    let row = model_routes::table.find(id.to_string()).filter(model_routes::version.eq(expected_version));
    let version = model_routes::version.eq(model_routes::version + 1);
    let rows = change_in(row).set((change, version)).execute(conn)?;
    Ok(changed(rows, show(conn, id)?))
}

/// Deletes a route. What was booked on it stands.
pub fn delete(conn: &mut AnyConnection, id: RouteId) -> Result<Removed, StoreError> {
    Ok(Removed::of(delete_from(model_routes::table.find(id.to_string())).execute(conn)?))
}

#[cfg(test)]
mod tests;
