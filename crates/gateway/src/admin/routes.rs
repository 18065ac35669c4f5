//! Model routes: which alias stands for which model at which provider.

mod capabilities;
pub mod explain;
mod fit;
mod object;

use std::collections::BTreeMap;

use nexus_core::{
    capabilities::Capabilities,
    id::{ProviderId, RouteId, Uuid},
};
use nexus_store::{
    AnyConnection, StoreError,
    repo::{
        Changed, Removed, provider,
        route::{self, StoredRoute},
    },
};
use serde::Deserialize;
use utoipa::IntoParams;

use self::object::{NewRoute, REGIONS_MAX, RoutePatch};
pub use self::{
    capabilities::{CapabilitiesBody, check_known},
    fit::{FitBody, HeaderWishes, TagText},
    object::{ModelText, Multiplier, RegionShares, RouteBody},
};
use super::{
    answer::{Created, Gone, Recorded, Shown},
    body::Json,
    call::{Call, found},
    change::{Change, Halt},
    check::Check,
    problem::{Kind, Problem},
    providers::{check_limits, check_model, check_name, check_weight},
    query::{Listing, Walk},
    route::PREFIX,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RouteFilter {
    /// Routes of this alias only.
    #[param(nullable = false)]
    alias: Option<String>,
    /// Routes to this provider only.
    #[param(nullable = false)]
    provider_id: Option<Uuid>,
}

pub async fn list(call: Call<Walk<RouteFilter>>) -> Result<Listing<RouteBody>, Problem> {
    let RouteFilter { alias, provider_id } = &call.query.filter;
    let filter = route::Filter { alias: alias.clone(), provider: provider_id.map(ProviderId) };
    let page = call.query.page();
    let rows = call.read(move |conn| route::page(conn, &filter, &page)).await?;
    let key = |row: &StoredRoute| (row.created_at_ms, row.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, |row| row.into()))
}

pub async fn show(call: Call) -> Result<Shown<RouteBody>, Problem> {
    let id = call.id("id")?;
    let route = found(call.read(move |conn| route::show(conn, id)).await?)?;
    Ok(shown(&route))
}

fn shown(route: &StoredRoute) -> Shown<RouteBody> {
    Shown { body: route.into(), version: route.version }
}

/// Shares by region, as a route or the configuration says them.
pub fn check_regions(check: &mut Check, pointer: &str, weights: &BTreeMap<String, u32>) {
    if weights.len() > REGIONS_MAX {
        check.flaw(pointer, format!("has more than {REGIONS_MAX} regions; leave some away"));
    }
    for (region, weight) in weights {
        let pointer = format!("{pointer}/{}", region.replace('~', "~0").replace('/', "~1"));
        check_name(check, &pointer, region);
        check_weight(check, &pointer, *weight);
    }
}

/// The highest tier.
const TIER_MAX: u32 = 1000;

pub fn check_tier(check: &mut Check, pointer: &str, tier: u32) {
    if tier > TIER_MAX {
        check.flaw(pointer, format!("is larger than {TIER_MAX}"));
    }
}

/// The provider is there, and what is said of the model at it suffices.
fn check_at(
    conn: &mut AnyConnection,
    id: ProviderId,
    real_model: &str,
    capabilities: &Capabilities,
) -> Result<(), Halt> {
    let Some(provider) = provider::show(conn, id)? else {
        return Err(Problem::at("/provider_id", "there is no such provider").into());
    };
    let mut check = Check::default();
    check_known(&mut check, "/capabilities", &provider.kind, real_model, capabilities);
    Ok(check.finish()?)
}

/// The members in the words of requests, not in those of rows.
pub fn conflict(error: StoreError) -> Halt {
    match error {
        StoreError::Conflict(_) => {
            let why = "there is a route with the same `alias`, `provider_id` and `real_name` already";
            Problem::new(Kind::Conflict, why).into()
        }
        error => error.into(),
    }
}

pub async fn create(call: Call<(), Json<NewRoute>>) -> Result<Recorded<Created<RouteBody>>, Problem> {
    let Json(wish) = &call.body;
    let real_model = wish.real_name.as_ref().unwrap_or(&wish.alias);
    let mut check = Check::default();
    check_model(&mut check, "/alias", &wish.alias);
    if wish.real_name.is_some() {
        check_model(&mut check, "/real_name", real_model);
    }
    if let Some(weight) = wish.weight {
        check_weight(&mut check, "/weight", weight);
    }
    check_limits(&mut check, "", [wish.rate_limit, wish.token_limit, wish.max_concurrent]);
    check_regions(&mut check, "/region_weights", &wish.region_weights);
    check_tier(&mut check, "/tier", wish.tier);
    let fit = wish.fit.checked(&mut check, "/fit");
    let capabilities = wish.capabilities.checked(&mut check, "/capabilities");
    check.finish()?;
    let now_ms = call.now_ms();
    let route = StoredRoute {
        tier: wish.tier,
        fit,
        capabilities,
        id: call.fresh_id(),
        alias: wish.alias.clone(),
        provider: ProviderId(wish.provider_id),
        real_model: real_model.clone(),
        cost_multiplier_ppm: wish.cost_multiplier.0,
        rate_limit: wish.rate_limit,
        token_limit: wish.token_limit,
        max_concurrent: wish.max_concurrent,
        region_weights: wish.region_weights.clone(),
        is_active: wish.is_active,
        weight: wish.weight,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        version: 1,
    };
    call.change("model_route.create", move |conn| {
        check_at(conn, route.provider, &route.real_model, &route.capabilities)?;
        route::create(conn, &route).map_err(conflict)?;
        let body = RouteBody::from(&route);
        let location = format!("{PREFIX}/model-routes/{}", route.id);
        let answer = Created { body: body.clone(), version: route.version, location };
        Ok(Change::of("model_route", route.id, None, answer).to(&body))
    })
    .await
}

pub async fn update(call: Call<(), Json<RoutePatch>>) -> Result<Recorded<Shown<RouteBody>>, Problem> {
    let (id, version): (RouteId, _) = (call.id("id")?, call.expected_version()?);
    let Json(patch) = &call.body;
    let mut check = Check::default();
    for (pointer, text) in [("/alias", &patch.alias), ("/real_name", &patch.real_name)] {
        if let Some(text) = text {
            check_model(&mut check, pointer, text);
        }
    }
    if let Some(weight) = patch.weight.flatten() {
        check_weight(&mut check, "/weight", weight);
    }
    let limits = [patch.rate_limit, patch.token_limit, patch.max_concurrent];
    check_limits(&mut check, "", limits.map(Option::flatten));
    if let Some(weights) = &patch.region_weights {
        check_regions(&mut check, "/region_weights", weights);
    }
    check_tier(&mut check, "/tier", patch.tier.unwrap_or_default());
    let fit = patch.fit.as_ref().map(|fit| fit.checked(&mut check, "/fit"));
    let said = patch.capabilities.as_ref();
    let capabilities = said.map(|said| said.checked(&mut check, "/capabilities"));
    check.finish()?;
    let change = route::Change {
        tier: patch.tier,
        fit,
        capabilities,
        alias: patch.alias.clone(),
        provider: patch.provider_id.map(ProviderId),
        real_model: patch.real_name.clone(),
        cost_multiplier_ppm: patch.cost_multiplier.map(|multiplier| multiplier.0),
        rate_limit: patch.rate_limit,
        token_limit: patch.token_limit,
        max_concurrent: patch.max_concurrent,
        region_weights: patch.region_weights.clone(),
        is_active: patch.is_active,
        weight: patch.weight,
    };
    let now_ms = call.now_ms();
    call.change("model_route.update", move |conn| {
        let before = found(route::show(conn, id)?)?;
        if change.provider.is_some() || change.real_model.is_some() || change.capabilities.is_some() {
            let provider = change.provider.unwrap_or(before.provider);
            let real_model = change.real_model.as_ref().unwrap_or(&before.real_model);
            let capabilities = change.capabilities.as_ref().unwrap_or(&before.capabilities);
            check_at(conn, provider, real_model, capabilities)?;
        }
        match route::update(conn, id, &change, version, now_ms).map_err(conflict)? {
            Changed::Unknown => Err(Kind::NotFound.into()),
            Changed::Stale => Err(Kind::Stale.into()),
            Changed::Now(after) => {
                let change = Change::of("model_route", id, None, shown(&after));
                Ok(change.from(&RouteBody::from(&before)).to(&RouteBody::from(&after)))
            }
        }
    })
    .await
}

pub async fn delete(call: Call) -> Result<Recorded<Gone>, Problem> {
    let id: RouteId = call.id("id")?;
    call.change("model_route.delete", move |conn| {
        let before = found(route::show(conn, id)?)?;
        if route::delete(conn, id)? == Removed::Unknown {
            return Err(Kind::NotFound.into());
        }
        Ok(Change::of("model_route", id, None, Gone).from(&RouteBody::from(&before)))
    })
    .await
}
