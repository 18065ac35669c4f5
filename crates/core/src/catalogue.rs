//! Which models there are and where they can be had.

use std::{collections::HashMap, sync::Arc};

use crate::{
    endpoint::Endpoint,
    id::{ProviderId, RouteId},
    limit::RateLimit,
    site::{Options, Site},
};

/// The alias that takes every model name no other alias takes.
pub const WILDCARD: &str = "*";

/// A provider as configured: one account at one vendor.
#[derive(Clone, Debug)]
pub struct Provider {
    pub id: ProviderId,
    pub name: Arc<str>,
    /// The vendor's id in the table of dialects, such as `openai` or `deepseek`.
    pub kind: Arc<str>,
    pub endpoint: Endpoint,
    pub options: Options,
    /// Whether addresses inside private networks may be connected to.
    pub allow_private_network: bool,
    /// Share among the providers of one alias; 0 takes no traffic while another can.
    pub weight: u32,
    /// Requests a minute to this provider over all its models.
    pub rate_limit: Option<Arc<RateLimit>>,
}

/// One real model at one provider: what a request is finally sent to.
#[derive(Clone, Debug)]
pub struct Target {
    pub route: RouteId,
    pub provider: Arc<Provider>,
    /// The provider's own name of the model; [`WILDCARD`] hands on the name that was asked for.
    pub real_model: Arc<str>,
    /// The vendor's region it is had in; `None`: the provider's own, where it has one.
    pub region: Option<Arc<str>>,
    /// Requests a minute to this model at this provider.
    pub rate_limit: Option<Arc<RateLimit>>,
}

impl Target {
    /// Where at the vendor its requests go.
    pub fn site(&self) -> Site<'_> {
        Site { region: self.region.as_deref(), options: &self.provider.options }
    }

    /// The name to send upstream when `asked` was asked for.
    pub fn model_for<'a>(&'a self, asked: &'a str) -> &'a str {
        if &*self.real_model == WILDCARD { asked } else { &self.real_model }
    }
}

/// An alias and the targets that stand behind it.
#[derive(Clone, Debug)]
pub struct Route {
    pub alias: Arc<str>,
    /// When the alias was first configured, Unix seconds; the `created` of `GET /v1/models`.
    pub created_at_s: i64,
    pub targets: Vec<Arc<Target>>,
}

impl Route {
    /// The alias as a metric label: bounded, whatever a client typed.
    pub fn label(&self) -> &str {
        if &*self.alias == WILDCARD { "other" } else { &self.alias }
    }
}

/// Every route, by alias.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    routes: HashMap<Arc<str>, Arc<Route>>,
}

impl Catalogue {
    /// Collects routes; of two with the same alias the targets are joined.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut joined: HashMap<Arc<str>, Route> = HashMap::new();
        for route in routes {
            match joined.get_mut(&route.alias) {
                Some(present) => {
                    present.created_at_s = present.created_at_s.min(route.created_at_s);
                    present.targets.extend(route.targets);
                }
                None => {
                    joined.insert(Arc::clone(&route.alias), route);
                }
            }
        }
        Self { routes: joined.into_iter().map(|(alias, route)| (alias, Arc::new(route))).collect() }
    }

    /// The route for a model name: the alias itself, else the wildcard.
    pub fn resolve(&self, model: &str) -> Option<&Arc<Route>> {
        self.routes.get(model).or_else(|| self.routes.get(WILDCARD))
    }

    /// The route that bears exactly this alias; the wildcard is no name.
    pub fn named(&self, alias: &str) -> Option<&Arc<Route>> {
        self.routes.get(alias).filter(|_| alias != WILDCARD)
    }

    /// Every alias an application can ask for by name, sorted.
    pub fn listed(&self) -> Vec<&Arc<Route>> {
        let mut routes: Vec<_> = self.routes.values().filter(|route| &*route.alias != WILDCARD).collect();
        routes.sort_by(|a, b| a.alias.cmp(&b.alias));
        routes
    }

    /// Every route, the wildcard among them, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Route> {
        self.routes.values().map(Arc::as_ref)
    }

    /// Whether there is nothing to route to.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Uuid;

    fn route(alias: &str, model: &str) -> Route {
        let provider = Arc::new(Provider {
            id: ProviderId(Uuid::from_u128(1)),
            name: "one".into(),
            kind: "openai".into(),
            endpoint: Endpoint::parse("https://one.example/v1").unwrap(),
            options: Options::default(),
            allow_private_network: false,
            weight: 1,
            rate_limit: None,
        });
        let target = Target {
            route: RouteId(Uuid::from_u128(2)),
            provider,
            real_model: model.into(),
            region: None,
            rate_limit: None,
        };
        Route { alias: alias.into(), created_at_s: 7, targets: vec![Arc::new(target)] }
    }

    #[test]
    fn an_alias_wins_over_the_wildcard_and_the_wildcard_takes_the_rest() {
        let catalogue = Catalogue::new([route("gpt", "gpt-4"), route("*", "*")]);
        assert_eq!(&*catalogue.resolve("gpt").unwrap().alias, "gpt");
        let wild = catalogue.resolve("anything").unwrap();
        assert_eq!(wild.targets[0].model_for("anything"), "anything");
        assert_eq!(wild.label(), "other");
        assert!(catalogue.named("*").is_none());
        assert_eq!(catalogue.listed().len(), 1);
    }

    #[test]
    fn the_same_alias_under_two_providers_is_one_route_with_two_targets() {
        let catalogue = Catalogue::new([route("gpt", "gpt-4"), route("gpt", "gpt-4o")]);
        assert_eq!(catalogue.resolve("gpt").unwrap().targets.len(), 2);
        assert!(catalogue.resolve("other").is_none());
    }
}
