//! Stage 3, resolve: which route the model name stands for.

use std::sync::Arc;

use nexus_core::{
    catalogue::{Resolved, Route, Target},
    flow::place::Place,
    policy::{CHAIN_MAX, Cause},
    price::PriceBook,
    principal::Principal,
    refusal::Refusal,
    resource::Home,
};

use crate::{hold::Hold, stage::parse::Asked, world::World};

/// A call whose caller and route are known; in a box, because all that comes after hands it on.
#[derive(Debug)]
pub struct Routed {
    pub asked: Asked,
    pub caller: Principal,
    /// What the model name came to, by itself or as a fallback of another.
    pub to: Resolved,
    /// The routes that were left for another, most recent last.
    left: Vec<Resolved>,
    pub prices: Arc<PriceBook>,
    /// What it has taken of the caller's own limits.
    pub place: Option<Arc<Place>>,
    /// What it holds of the quotas it falls under.
    pub hold: Option<Arc<Hold>>,
    /// Where what it names lives: it goes there, with the same credential.
    pub home: Option<Home>,
}

/// Finds the route for the model that was asked for. One the caller may not call does not exist for it. What names
/// something goes to where that lives, whatever else the route leads to.
pub fn resolve(
    asked: Asked,
    caller: Principal,
    home: Option<Home>,
    world: &World,
) -> Result<Box<Routed>, Refusal> {
    let may_call = world.snapshot.rights(&caller).may_call(&asked.call.alias);
    let alias = &asked.call.alias;
    let to = match (asked.request.model(), home) {
        (Some(model), home) => {
            let to = world.snapshot.catalogue.resolve(model, caller.team);
            to.map(|to| at_home(to, home, model)).transpose()?
        }
        (None, Some(home)) => Some(world.home_of(home.provider, alias).ok_or_else(gone)?),
        (None, None) => match world.home(alias) {
            None => return Err(nameless()),
            home => home,
        },
    };
    match to {
        Some(to) if may_call => {
            let prices = Arc::clone(&world.snapshot.prices);
            Ok(Box::new(Routed {
                asked,
                caller,
                to,
                left: Vec::new(),
                prices,
                place: None,
                hold: None,
                home,
            }))
        }
        _ => Err(Refusal::UnknownModel { model: asked.call.alias }),
    }
}

impl Routed {
    /// The alias it goes by now: the one that was asked for, or the one that is asked instead.
    pub fn alias(&self) -> &str {
        if self.left.is_empty() { &self.asked.call.alias } else { &self.to.name }
    }

    /// Turns to the next alias that is asked instead, for this cause; false where there is none. A route that
    /// was left is not turned to again.
    pub fn fall_back(&mut self, cause: Cause, world: &World) -> bool {
        if self.home.is_some() {
            return false;
        }
        let catalogue = &world.snapshot.catalogue;
        let rules = self.left.iter().chain([&self.to]).map(|route| &route.rule);
        let aliases = rules.flat_map(|rule| rule.fallbacks(cause));
        let is_new = |next: &Resolved| {
            self.left.iter().chain([&self.to]).all(|left| left.route.alias != next.route.alias)
        };
        let next = aliases
            .filter_map(|alias| catalogue.resolve(alias, self.caller.team))
            .find(|next| is_new(next) && self.left.len() < CHAIN_MAX);
        match next {
            Some(next) => {
                self.left.push(std::mem::replace(&mut self.to, next));
                true
            }
            None => false,
        }
    }
}

/// The part of a route that is at the provider where what the request names lives.
fn at_home(to: Resolved, home: Option<Home>, model: &str) -> Result<Resolved, Refusal> {
    let Some(home) = home else { return Ok(to) };
    let is_there = |target: &Arc<Target>| target.provider.id == home.provider;
    if to.route.targets.iter().all(is_there) {
        return Ok(to);
    }
    let targets: Vec<_> = to.route.targets.iter().filter(|target| is_there(target)).cloned().collect();
    if targets.is_empty() {
        return Err(Refusal::BadBody {
            message: format!("the model `{model}` is not at the provider that keeps what the request names"),
            param: Some("model".to_owned()),
        });
    }
    let route = Route::new(Arc::clone(&to.route.alias), 0, targets);
    Ok(Resolved { route: Arc::new(route), ..to })
}

/// What the request names lives where nobody can be asked any more.
fn gone() -> Refusal {
    Refusal::BadBody {
        message:
            "the provider that keeps what the request names is not there any more; ask whoever manages it"
                .to_owned(),
        param: None,
    }
}

/// Nothing says where a request goes.
fn nameless() -> Refusal {
    Refusal::BadBody {
        message: "the request names no `model`, and no `default_provider` is set that could take it"
            .to_owned(),
        param: Some("model".to_owned()),
    }
}
