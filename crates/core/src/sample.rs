//! Small routes for tests.

use std::sync::Arc;

use crate::{
    capabilities::Capabilities,
    catalogue::{Provider, Route, Target},
    endpoint::Endpoint,
    flow::Limits,
    health::Health,
    id::{ProviderId, RouteId, Uuid},
    need::{Fit, Need},
    select::verdict::Ask,
};

/// The target of this number, at a provider of its own that is named after it.
pub fn target(number: usize) -> Target {
    let id = Uuid::from_u128(number as u128);
    let provider = Provider {
        id: ProviderId(id),
        name: number.to_string().into(),
        kind: "openai".into(),
        endpoint: Endpoint::parse("https://one.example/v1").unwrap(),
        options: Default::default(),
        allow_private_network: false,
        weight: 1,
        limits: Limits::OPEN,
    };
    Target {
        route: RouteId(id),
        provider: Arc::new(provider),
        real_model: "m".into(),
        region: None,
        limits: Limits::OPEN,
        tier: 0,
        weight: 1,
        fit: Fit::default(),
        cost_multiplier_ppm: None,
        capabilities: Capabilities::default(),
        health: Arc::new(Health::default()),
    }
}

/// A route with a target for each weight.
pub fn weighted(weights: &[u32]) -> Route {
    route(weights.iter().enumerate().map(|(at, weight)| Target { weight: *weight, ..target(at) }))
}

pub fn route(targets: impl IntoIterator<Item = Target>) -> Route {
    Route::new("a".into(), 0, targets.into_iter().map(Arc::new).collect())
}

/// A plain request at this time.
pub fn ask(now_us: u64) -> Ask<'static> {
    Ask {
        need: const { &Need::NOTHING },
        is_stream: true,
        affinity: None,
        may_use: &|_| true,
        opens: None,
        cost_nano_usd: &|_| None,
        now_us,
    }
}
