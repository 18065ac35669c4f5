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

/// Finds the route for the model that was asked for. One the caller may not call does not exist for it.
pub fn resolve(asked: Asked, caller: Principal, world: &World) -> Result<Routed, Refusal> {
    let may_call = world.snapshot.rights(&caller).may_call(&asked.call.alias);
    match world.snapshot.catalogue.resolve(&asked.call.alias) {
        Some(route) if may_call => {
            let route = Arc::clone(route);
            Ok(Routed { asked, caller, route })
        }
        _ => Err(Refusal::UnknownModel { model: asked.call.alias }),
    }
}
