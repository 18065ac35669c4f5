//! Stage 3, resolve: which route the model name stands for.

use std::sync::Arc;

use nexus_core::{catalogue::Route, principal::Principal, refusal::Refusal};

use crate::{stage::parse::Asked, world::World};

/// A call whose caller and route are known.
#[derive(Debug)]
pub struct Routed {
    pub asked: Asked,
    pub caller: Principal,
    pub route: Arc<Route>,
}

/// Finds the route for the model that was asked for.
pub fn resolve(asked: Asked, caller: Principal, world: &World) -> Result<Routed, Refusal> {
    match world.snapshot.catalogue.resolve(&asked.call.alias) {
        Some(route) => {
            let route = Arc::clone(route);
            Ok(Routed { asked, caller, route })
        }
        None => Err(Refusal::UnknownModel { model: asked.call.alias }),
    }
}
