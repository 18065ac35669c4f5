//! Targets out of routes: one for each region of a route, with its endpoint filled in and its share of the weight.
//!
//! A target whose endpoint cannot be filled is logged and left out.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use nexus_core::{
    catalogue::{Provider, Route, Target},
    flow::{Bounds, Limits},
    id::ProviderId,
    price::PPM,
    site::Site,
};

use super::{Earlier, kept};
use crate::repo::{provider::StoredProvider, route::StoredRoute};

/// What weights are multiplied by where one of an alias is shared out by region, so that small ones can be.
const FINENESS: u64 = 1_000;

/// A provider that routes may lead to.
pub(super) struct Offered {
    stored: StoredProvider,
    name: Arc<str>,
    kind: Arc<str>,
    limits: Limits,
    /// By region; `None` where its endpoint could not be filled.
    sites: HashMap<Option<String>, Option<Arc<Provider>>>,
}

impl Offered {
    pub(super) fn new(stored: StoredProvider, earlier: &Earlier) -> Self {
        let bounds = Bounds {
            requests: stored.rate_limit,
            tokens: stored.token_limit,
            concurrent: stored.max_concurrent,
        };
        Self {
            name: stored.name.as_str().into(),
            kind: stored.kind.as_str().into(),
            limits: kept(bounds, earlier.providers.get(&stored.id)),
            sites: HashMap::new(),
            stored,
        }
    }

    /// The provider as it is in one region, or where it is by itself.
    fn at(&mut self, region: Option<&str>) -> Option<Arc<Provider>> {
        let Self { stored, name, kind, limits, sites } = self;
        let site = sites.entry(region.map(str::to_owned)).or_insert_with(|| {
            let endpoint = stored.endpoint.fill(Site { region, options: &stored.options, base_path: "" });
            let endpoint = endpoint.inspect_err(|unfilled| {
                tracing::error!(provider = %stored.name, region, %unfilled,
                    "a provider's endpoint cannot be filled; its routes there get no requests");
            });
            Some(Arc::new(Provider {
                id: stored.id,
                name: Arc::clone(name),
                kind: Arc::clone(kind),
                endpoint: endpoint.ok()?,
                options: stored.options.clone(),
                allow_private_network: stored.allow_private_network,
                weight: stored.weight,
                limits: limits.clone(),
            }))
        });
        site.clone()
    }
}

/// The routes with their targets; a route to a provider that is not offered is left out.
pub(super) fn routes(
    stored: Vec<StoredRoute>,
    providers: &mut HashMap<ProviderId, Offered>,
    earlier: &mut Earlier,
) -> Vec<Route> {
    let shared_out: HashSet<_> = stored
        .iter()
        .filter(|route| !route.region_weights.is_empty())
        .map(|route| route.alias.clone())
        .collect();
    let route = |stored: StoredRoute| {
        let provider = providers.get_mut(&stored.provider)?;
        let fineness = if shared_out.contains(&stored.alias) { FINENESS } else { 1 };
        let targets = targets(&stored, provider, fineness, earlier);
        let created_at_s = stored.created_at_ms.div_euclid(1000);
        (!targets.is_empty()).then(|| Route::new(stored.alias.into(), created_at_s, targets))
    };
    stored.into_iter().filter_map(route).collect()
}

fn targets(
    stored: &StoredRoute,
    provider: &mut Offered,
    fineness: u64,
    earlier: &mut Earlier,
) -> Vec<Arc<Target>> {
    let bounds =
        Bounds { requests: stored.rate_limit, tokens: stored.token_limit, concurrent: stored.max_concurrent };
    let limits = kept(bounds, earlier.routes.get(&stored.id));
    let real_model: Arc<str> = stored.real_model.as_str().into();
    let whole = u64::from(stored.weight.unwrap_or(provider.stored.weight)) * fineness;
    let mut target = |region: Option<&str>, weight: u64| {
        let provider = provider.at(region)?;
        let region: Option<Arc<str>> = region.map(Into::into);
        let place = (provider.id, Arc::clone(&real_model), region.clone());
        Some(Arc::new(Target {
            route: stored.id,
            provider,
            real_model: Arc::clone(&real_model),
            region,
            tier: stored.tier,
            fit: stored.fit.clone(),
            cost_multiplier_ppm: u64::try_from(stored.cost_multiplier_ppm).ok().filter(|ppm| *ppm != PPM),
            capabilities: stored.capabilities.clone(),
            health: Arc::clone(earlier.healths.entry(place).or_default()),
            limits: limits.clone(),
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
        }))
    };
    if stored.region_weights.is_empty() {
        return target(None, whole).into_iter().collect();
    }
    let sum: u64 = stored.region_weights.values().map(|share| u64::from(*share)).sum();
    let by_region = stored.region_weights.iter();
    by_region.filter_map(|(region, share)| target(Some(region), part(whole, (*share).into(), sum))).collect()
}

/// A share of the whole: none only where there is none to be had.
fn part(whole: u64, share: u64, sum: u64) -> u64 {
    if whole == 0 || share == 0 { 0 } else { (whole.saturating_mul(share) / sum).max(1) }
}
