//! Stage 3, resolve: which route the model name stands for.

use std::sync::Arc;

use nexus_core::{catalogue::Route, price::PriceBook, principal::Principal, refusal::Refusal};

use crate::{hold::Hold, stage::parse::Asked, world::World};

/// A call whose caller and route are known.
#[derive(Debug)]
pub struct Routed {
    pub asked: Asked,
    pub caller: Principal,
    pub route: Arc<Route>,
    pub prices: Arc<PriceBook>,
    /// What it holds of the quotas it falls under.
    pub hold: Option<Arc<Hold>>,
}

/// Finds the route for the model that was asked for. One the caller may not call does not exist for it.
pub fn resolve(asked: Asked, caller: Principal, world: &World) -> Result<Routed, Refusal> {
    let may_call = world.snapshot.rights(&caller).may_call(&asked.call.alias);
    match world.snapshot.catalogue.resolve(&asked.call.alias) {
        Some(route) if may_call => {
            let route = Arc::clone(route);
            let prices = Arc::clone(&world.snapshot.prices);
            Ok(Routed { asked, caller, route, prices, hold: None })
        }
        _ => Err(Refusal::UnknownModel { model: asked.call.alias }),
    }
}
