//! Model routes: which alias stands for which real model at which provider.

use std::collections::BTreeMap;

use diesel::{
    AsChangeset, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl,
    dsl::insert_into, dsl::update,
};
use nexus_core::id::{ProviderId, RouteId};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::Applied,
    row::{Reading, readable},
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
    /// Shares by region; empty where the provider has no regions.
    pub region_weights: BTreeMap<String, u32>,
    pub is_active: bool,
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
    pub(crate) created_at: i64,
    updated_at: i64,
}

impl RouteRow {
    pub(crate) fn read(self) -> Result<StoredRoute, StoreError> {
        let row = Reading { table: "model_routes", id: &self.id };
        Ok(StoredRoute {
            id: row.id("id", &self.id)?,
            provider: row.id("provider_id", &self.provider_id)?,
            rate_limit: row.small_or_none("rate_limit", self.rate_limit)?,
            region_weights: match &self.region_weights {
                Some(json) => serde_json::from_str(json)
                    .map_err(|_| row.problem("region_weights", "is not an object of region to share"))?,
                None => BTreeMap::new(),
            },
            alias: self.model_alias,
            real_model: self.real_model_name,
            cost_multiplier_ppm: self.cost_multiplier_ppm,
            is_active: self.is_active,
        })
    }

    fn new(route: &StoredRoute, id: String, created_at: i64, updated_at: i64) -> Self {
        Self {
            id,
            model_alias: route.alias.clone(),
            provider_id: route.provider.to_string(),
            real_model_name: route.real_model.clone(),
            cost_multiplier_ppm: route.cost_multiplier_ppm,
            rate_limit: route.rate_limit.map(i64::from),
            region_weights: (!route.region_weights.is_empty())
                .then(|| serde_json::json!(route.region_weights).to_string()),
            is_active: route.is_active,
            created_at,
            updated_at,
        }
    }
}

/// Makes the route of this alias, provider and real model be as given, and says which id it has: its own
/// where it is there already, `route.id` where it is new.
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
        let row = RouteRow::new(route, route.id.to_string(), now_ms, now_ms);
        insert_into(model_routes::table).values(row).execute(conn)?;
        return Ok((route.id, Applied::Created));
    };
    let id = Reading { table: "model_routes", id: &present.id }.id("id", &present.id)?;
    let row = RouteRow::new(route, present.id.clone(), present.created_at, now_ms);
    // a damaged row differs from any good one: applying mends it
    if present.read().is_ok_and(|present| present == StoredRoute { id, ..route.clone() }) {
        return Ok((id, Applied::Unchanged));
    }
    update(model_routes::table.find(row.id.clone())).set(row).execute(conn)?;
    Ok((id, Applied::Updated))
}

/// Every route, by alias and then oldest first; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<StoredRoute>, StoreError> {
    let order = (model_routes::model_alias, model_routes::created_at, model_routes::id);
    Ok(readable(model_routes::table.order(order).load(conn)?, RouteRow::read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exec::Store, repo::provider, sample};

    #[test]
    fn applying_creates_then_changes_nothing_then_updates_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let provider = sample::provider(1, "azure");
        store.write_blocking(|conn| provider::apply(conn, &provider, 1)).unwrap();
        let first = sample::route(1, "gpt", provider.id);
        let other_id = StoredRoute { id: RouteId(sample::uuid(9)), ..first.clone() };
        let changes: [fn(&mut StoredRoute); 4] = [
            |r| r.cost_multiplier_ppm = PPM / 2,
            |r| r.rate_limit = Some(300),
            |r| r.region_weights = [("eastus".into(), 60), ("westus".into(), 40)].into(),
            |r| r.is_active = false,
        ];
        let apply = |route: &StoredRoute| store.write_blocking(|conn| apply(conn, route, 7)).unwrap();
        assert_eq!(apply(&first), (first.id, Applied::Created));
        assert_eq!(apply(&other_id), (first.id, Applied::Unchanged), "the row keeps its own id");
        let mut now = first.clone();
        for change in changes {
            change(&mut now);
            assert_eq!(apply(&now), (first.id, Applied::Updated));
            assert_eq!(apply(&now), (first.id, Applied::Unchanged));
            assert_eq!(store.read_blocking(list).unwrap(), [now.clone()]);
        }
        let beside = StoredRoute { id: RouteId(sample::uuid(9)), real_model: "gpt-4o".into(), ..first };
        assert_eq!(apply(&beside).1, Applied::Created, "one alias may stand for several models");
    }

    #[test]
    fn a_route_to_no_known_provider_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let route = sample::route(1, "gpt", ProviderId(sample::uuid(1)));
        assert!(store.write_blocking(|conn| apply(conn, &route, 7)).is_err());
    }
}
