//! Which models there are and where they can be had.

use std::{collections::HashMap, sync::Arc};

use crate::{
    capabilities::Capabilities,
    endpoint::Endpoint,
    flow::{Limits, Short, line::Line, place::Place},
    health::{Health, peers::Compared},
    hedge_budget::HedgeBudget,
    id::{ProviderId, RouteId, TeamId},
    need::Fit,
    policy::{CHAIN_MAX, Rule, Rules},
    select::turns::Turns,
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
    /// Over all its models.
    pub limits: Limits,
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
    /// Of this model at this provider.
    pub limits: Limits,
    /// Targets of a lower tier go before those of a higher, as long as one of them can.
    pub tier: u32,
    /// Share among the targets of its tier; 0 takes requests when no other can, of whatever tier.
    pub weight: u32,
    pub fit: Fit,
    /// What its price is multiplied by, in millionths; `None`: 1.
    pub cost_multiplier_ppm: Option<u64>,
    /// What is said of the model beside what is known of it.
    pub capabilities: Capabilities,
    /// Shared with the same model of the same provider behind other aliases.
    pub health: Arc<Health>,
}

impl Target {
    /// Where at the vendor its requests go.
    pub fn site(&self) -> Site<'_> {
        let Provider { endpoint, options, .. } = &*self.provider;
        Site { region: self.region.as_deref(), options, base_path: &endpoint.base_path }
    }

    /// The name to send upstream when `asked` was asked for.
    pub fn model_for<'a>(&'a self, asked: &'a str) -> &'a str {
        if &*self.real_model == WILDCARD { asked } else { &self.real_model }
    }

    /// Its own limits and its provider's.
    fn both_limits(&self) -> [&Limits; 2] {
        [&self.limits, &self.provider.limits]
    }

    /// Where requests wait for room here: what is bounded for a whole provider is waited for together.
    pub fn line(&self) -> Option<&Arc<Line>> {
        self.provider.limits.line.as_ref().or(self.limits.line.as_ref())
    }

    /// Takes a place for a request of so many tokens, or says what there is not enough of: here (0), or at the
    /// provider (1).
    pub fn place(&self, tokens: u64, now_us: u64) -> Result<Place, (usize, Short)> {
        Place::take(self.both_limits(), self.line(), tokens, now_us)
    }

    /// What there is not enough of for a request of so many tokens.
    pub fn short(&self, tokens: u64, now_us: u64) -> Option<Short> {
        self.shorts(tokens, now_us).into_iter().flatten().max_by_key(|short| short.wait_us)
    }

    /// The same, here and at the provider.
    pub fn shorts(&self, tokens: u64, now_us: u64) -> [Option<Short>; 2] {
        self.both_limits().map(|limits| limits.short(tokens, now_us))
    }
}

/// An alias and the targets that stand behind it.
#[derive(Clone, Debug)]
pub struct Route {
    pub alias: Arc<str>,
    /// When the alias was first configured, Unix seconds; the `created` of `GET /v1/models`.
    pub created_at_s: i64,
    /// Those of weight 0 last, else by tier, as [`Route::new`] puts them.
    pub targets: Vec<Arc<Target>>,
    /// Whether any of them says what it can do, so that it matters what requests need.
    pub is_choosy: bool,
    /// Whether any of them takes in or gives out only so much, so that it matters what requests bear and want.
    pub bounds_modalities: bool,
    pub turns: Arc<Turns>,
    pub compared: Arc<Compared>,
    pub hedges: Arc<HedgeBudget>,
}

impl Route {
    pub fn new(alias: Arc<str>, created_at_s: i64, mut targets: Vec<Arc<Target>>) -> Self {
        targets.sort_by_key(|target| target.rank());
        let turns = Arc::new(Turns::new(targets.len()));
        let is_choosy = targets.iter().any(|target| target.fit.abilities.is_some());
        let bounds_modalities = targets.iter().any(|target| target.bounds_modalities());
        let (compared, hedges) = (Arc::default(), Arc::default());
        Self { alias, created_at_s, targets, is_choosy, bounds_modalities, turns, compared, hedges }
    }

    /// The same route, its turns included, with its targets as `told`; `None` leaves one as it is.
    fn told(&self, told: impl Fn(&Target) -> Option<Target>) -> Self {
        let tell = |target: &Arc<Target>| told(target).map_or_else(|| Arc::clone(target), Arc::new);
        let targets: Vec<_> = self.targets.iter().map(tell).collect();
        let bounds_modalities = targets.iter().any(|target| target.bounds_modalities());
        Self { targets, bounds_modalities, ..self.clone() }
    }

    /// The alias as a metric label: bounded, whatever a client typed.
    pub fn label(&self) -> &str {
        if &*self.alias == WILDCARD { "other" } else { &self.alias }
    }

    /// The same route on which a choice can be made without taking anybody's turn.
    pub fn rehearsal(&self) -> Self {
        Self { turns: Arc::new(self.turns.copy()), compared: Arc::new(Compared::never()), ..self.clone() }
    }

    /// The same route with the targets that are `wanted` only.
    fn only(&self, wanted: impl Fn(&Target) -> bool) -> Self {
        let targets = self.targets.iter().filter(|target| wanted(target)).cloned().collect();
        Self::new(Arc::clone(&self.alias), self.created_at_s, targets)
    }

    fn is_made_of(&self, other: &Route) -> bool {
        let names = |route: &Route| -> Vec<_> {
            route.targets.iter().map(|target| (target.route, target.region.clone())).collect()
        };
        names(self) == names(other)
    }
}

impl Target {
    fn bounds_modalities(&self) -> bool {
        self.capabilities.input.is_some() || self.capabilities.output.is_some()
    }

    /// Where it stands among the targets of a route.
    pub fn rank(&self) -> (bool, u32) {
        (self.weight == 0, self.tier)
    }
}

/// Every route, by alias, and what is set for aliases beside them.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    routes: HashMap<Arc<str>, Arc<Route>>,
    rules: Rules,
}

/// What a model's name comes to.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The last name of the chain; what the wildcard hands on.
    pub name: Box<str>,
    pub route: Arc<Route>,
    pub rule: Arc<Rule>,
}

/// A model an application can ask for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    pub alias: &'a str,
    /// When what it stands for was first configured, Unix seconds.
    pub created_at_s: i64,
}

impl Catalogue {
    /// Collects routes; of two with the same alias the targets are joined.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut joined: HashMap<Arc<str>, Route> = HashMap::new();
        for route in routes {
            match joined.get_mut(&route.alias) {
                Some(present) => {
                    let created_at_s = present.created_at_s.min(route.created_at_s);
                    let targets = present.targets.drain(..).chain(route.targets).collect();
                    *present = Route::new(route.alias, created_at_s, targets);
                }
                None => {
                    joined.insert(Arc::clone(&route.alias), route);
                }
            }
        }
        let routes = joined.into_iter().map(|(alias, route)| (alias, Arc::new(route))).collect();
        Self { routes, rules: Rules::default() }
    }

    /// The same routes under these rules.
    pub fn ruled(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// The same catalogue with the targets that are `wanted` only.
    pub fn only(mut self, wanted: impl Fn(&Target) -> bool) -> Self {
        for route in self.routes.values_mut() {
            if !route.targets.iter().all(|target| wanted(target)) {
                *route = Arc::new(route.only(&wanted));
            }
        }
        self
    }

    /// The same catalogue with what is `known` of models, where nobody said other of them.
    pub fn informed(mut self, known: impl Fn(&Target) -> Capabilities) -> Self {
        let told = |target: &Target| {
            let Capabilities { input, output, .. } = known(target);
            let said = &target.capabilities;
            let (input, output) = (said.input.or(input), said.output.or(output));
            let told = || Capabilities { input, output, ..said.clone() };
            ((input, output) != (said.input, said.output))
                .then(|| Target { capabilities: told(), ..target.clone() })
        };
        for route in self.routes.values_mut() {
            *route = Arc::new(route.told(told));
        }
        self
    }

    /// Takes over where the turns of an earlier catalogue's routes stood, as far as they are the same.
    pub fn resume(mut self, earlier: &Catalogue) -> Self {
        for (alias, route) in &mut self.routes {
            if let Some(before) = earlier.routes.get(alias)
                && route.is_made_of(before)
            {
                let (turns, compared) = (Arc::clone(&before.turns), Arc::clone(&before.compared));
                let hedges = Arc::clone(&before.hedges);
                *route = Arc::new(Route { turns, compared, hedges, ..Route::clone(route) });
            }
        }
        self
    }

    /// The route for a model name: the alias itself, or what it stands for, else the wildcard.
    pub fn resolve(&self, model: &str, team: Option<TeamId>) -> Option<Resolved> {
        let mut name = model;
        for _ in 0..CHAIN_MAX {
            let route = self.routes.get(name);
            let rule = match self.rules.find(name, team) {
                None if route.is_none() => self.rules.find(WILDCARD, team),
                rule => rule,
            };
            match rule.and_then(|rule| rule.stands_for.as_deref()) {
                Some(next) if next != name => name = next,
                _ => {
                    let route = route.or_else(|| self.routes.get(WILDCARD))?;
                    let (route, rule) = (Arc::clone(route), rule.cloned().unwrap_or_default());
                    return Some(Resolved { name: name.into(), route, rule });
                }
            }
        }
        None
    }

    /// The name of exactly this model, where it is an alias or stands for one; the wildcard is no name.
    pub fn named<'a>(&self, alias: &'a str, team: Option<TeamId>) -> Option<Named<'a>> {
        if alias == WILDCARD {
            return None;
        }
        let is_known = self.routes.contains_key(alias) || self.rules.find(alias, team).is_some();
        let resolved = self.resolve(alias, team).filter(|_| is_known)?;
        Some(Named { alias, created_at_s: resolved.route.created_at_s })
    }

    /// Every name an application of this team can ask for, sorted.
    pub fn listed(&self, team: Option<TeamId>) -> Vec<Named<'_>> {
        let mut aliases: Vec<_> = self.routes.keys().chain(self.rules.aliases()).map(AsRef::as_ref).collect();
        aliases.sort_unstable();
        aliases.dedup();
        aliases.into_iter().filter_map(|alias| self.named(alias, team)).collect()
    }

    /// Every route, the wildcard among them, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.values()
    }

    /// Whether there is nothing to route to.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::Uuid,
        modality::{Modalities, Modality},
        policy::Policy,
        sample::{self, target},
    };

    const TEAM: TeamId = TeamId(Uuid::from_u128(9));

    fn route(alias: &str, model: &str) -> Route {
        let target = Target { real_model: model.into(), ..target(1) };
        Route::new(alias.into(), 7, vec![Arc::new(target)])
    }

    fn alias(catalogue: &Catalogue, model: &str, team: Option<TeamId>) -> Option<String> {
        catalogue.resolve(model, team).map(|resolved| resolved.route.alias.to_string())
    }

    #[test]
    fn an_alias_wins_over_the_wildcard_and_the_wildcard_takes_the_rest() {
        let catalogue = Catalogue::new([route("gpt", "gpt-4"), route("*", "*")]);
        assert_eq!(alias(&catalogue, "gpt", None).as_deref(), Some("gpt"));
        let wild = catalogue.resolve("anything", None).unwrap().route;
        assert_eq!(wild.targets[0].model_for("anything"), "anything");
        assert_eq!(wild.label(), "other");
        assert!(catalogue.named("*", None).is_none() && catalogue.named("anything", None).is_none());
        assert_eq!(catalogue.listed(None), [Named { alias: "gpt", created_at_s: 7 }]);
    }

    #[test]
    fn the_same_alias_under_two_providers_is_one_route_with_two_targets() {
        let catalogue = Catalogue::new([route("gpt", "gpt-4"), route("gpt", "gpt-4o")]);
        assert_eq!(catalogue.resolve("gpt", None).unwrap().route.targets.len(), 2);
        assert!(catalogue.resolve("other", None).is_none());
    }

    #[test]
    fn a_name_may_stand_for_another_for_all_or_for_a_team_and_a_loop_ends() {
        let stands = |name: &str| Rule { stands_for: Some(name.into()), ..Rule::default() };
        let mut rules = Rules::default();
        for (alias, team, rule) in [
            ("short", None, stands("middle")),
            ("middle", None, stands("gpt")),
            ("middle", Some(TEAM), stands("cheap")),
            ("gpt", Some(TEAM), Rule { policy: Policy::Cheapest, ..Rule::default() }),
            ("round", None, stands("about")),
            ("about", None, stands("round")),
            ("*", Some(TEAM), stands("cheap")),
        ] {
            rules.insert(alias, team, rule);
        }
        let catalogue = Catalogue::new([route("gpt", "gpt-4"), route("cheap", "mini")]).ruled(rules);
        for (model, team, expected) in [
            ("short", None, Some("gpt")),
            ("short", Some(TEAM), Some("cheap")),
            ("gpt", Some(TEAM), Some("gpt")),
            ("round", None, None),
            ("anything", None, None),
            ("anything", Some(TEAM), Some("cheap")),
        ] {
            assert_eq!(alias(&catalogue, model, team).as_deref(), expected, "{model} {team:?}");
        }
        assert_eq!(catalogue.resolve("gpt", Some(TEAM)).unwrap().rule.policy, Policy::Cheapest);
        assert_eq!(catalogue.resolve("gpt", None).unwrap().rule.policy, Policy::Weighted);
        let listed: Vec<_> = catalogue.listed(Some(TEAM)).iter().map(|named| named.alias).collect();
        assert_eq!(listed, ["cheap", "gpt", "middle", "short"]);
    }

    #[test]
    fn what_is_known_of_a_model_holds_where_nobody_says_other() {
        let text = Modalities::NONE.with(Modality::Text);
        let both = text.with(Modality::Image);
        let said = |input| Capabilities { input, ..Capabilities::default() };
        for (input, known, expected) in
            [(None, None, None), (None, Some(text), Some(text)), (Some(both), Some(text), Some(both))]
        {
            let target = Target { capabilities: said(input), ..target(1) };
            let before = Catalogue::new([Route::new("a".into(), 7, vec![Arc::new(target)])]);
            let turns = Arc::clone(&before.routes["a"].turns);
            let route = Arc::clone(&before.informed(|_| said(known)).routes["a"]);
            assert_eq!(route.targets[0].capabilities.input, expected);
            assert_eq!(route.bounds_modalities, expected.is_some());
            assert!(Arc::ptr_eq(&route.turns, &turns));
        }
    }

    #[test]
    fn turns_go_on_where_a_route_is_still_the_same() {
        let gpt = |weights: &[u32]| Catalogue::new([sample::weighted(weights)]);
        let before = gpt(&[1, 1]);
        let same = |after: &Catalogue| {
            let turns = |catalogue: &Catalogue| Arc::clone(&catalogue.routes["a"].turns);
            Arc::ptr_eq(&turns(&before), &turns(after))
        };
        assert!(same(&gpt(&[1, 1]).resume(&before)));
        assert!(!same(&gpt(&[1, 1, 1]).resume(&before)) && !same(&gpt(&[1, 1])));
    }
}
