//! What is set for an alias beside its targets: how one of them is chosen, and what comes after them.
//!
//! A rule that would lead back to where it began is refused when it is written ([`Rules::cycle`]); that one
//! which got in all the same ends after [`CHAIN_MAX`] steps.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{catalogue::WILDCARD, id::TeamId};

/// How many names may stand for another in a row.
pub const CHAIN_MAX: usize = 8;

/// How one of a route's targets is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// In turns, by weight, evenly spread.
    #[default]
    Weighted,
    /// The faster to answer of two drawn at random.
    LeastLatency,
    /// The one with the fewest requests under way for its weight.
    LeastBusy,
    /// The one this request costs least at.
    Cheapest,
    /// The first that can.
    Priority,
}

impl Policy {
    pub const ALL: [Policy; 5] =
        [Policy::Weighted, Policy::LeastLatency, Policy::LeastBusy, Policy::Cheapest, Policy::Priority];

    /// The word in rows, requests and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Policy::Weighted => "weighted",
            Policy::LeastLatency => "least_latency",
            Policy::LeastBusy => "least_busy",
            Policy::Cheapest => "cheapest",
            Policy::Priority => "priority",
        }
    }

    /// The inverse of [`Policy::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Policy::ALL.into_iter().find(|policy| policy.as_str() == word)
    }
}

/// Why another alias is asked instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The prompt does not fit the model.
    ContextWindow,
    /// The provider's content policy refused the prompt.
    ContentPolicy,
    /// No target could answer, for whatever reason.
    Failure,
    /// The caller's money is used up.
    Budget,
}

impl Cause {
    pub const ALL: [Cause; 4] = [Cause::ContextWindow, Cause::ContentPolicy, Cause::Failure, Cause::Budget];

    /// The word in rows, requests and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::ContextWindow => "context_window",
            Cause::ContentPolicy => "content_policy",
            Cause::Failure => "failure",
            Cause::Budget => "budget",
        }
    }

    /// The inverse of [`Cause::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Cause::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// What is done for requests of an alias beyond choosing a target. All of it is off unless it is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conduct {
    /// How long an answer is kept for requests that are the same, in seconds.
    pub cache_ttl_s: Option<u32>,
    /// Of a hundred requests, how many may get a second attempt beside a slow first one.
    pub hedge_percent: Option<u8>,
    /// Whether another target goes on where a streamed answer breaks off.
    pub continues: bool,
}

impl Conduct {
    /// A week.
    pub const CACHE_TTL_MAX_S: u32 = 7 * 24 * 3600;
    pub const HEDGE_PERCENT_MAX: u8 = 50;
}

/// What is set for an alias.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The alias it is only another name of.
    pub stands_for: Option<Arc<str>>,
    pub policy: Policy,
    /// Whether requests that begin alike go to the same target, whose prompt cache knows the beginning.
    pub has_affinity: bool,
    /// What is asked instead, in order, by cause.
    pub fallbacks: BTreeMap<Cause, Vec<Arc<str>>>,
    pub conduct: Conduct,
}

impl Rule {
    /// The aliases that are asked instead.
    pub fn fallbacks(&self, cause: Cause) -> &[Arc<str>] {
        self.fallbacks.get(&cause).map_or(&[], Vec::as_slice)
    }
}

/// Every rule, by alias; a team's own goes before everybody's.
#[derive(Clone, Debug, Default)]
pub struct Rules(BTreeMap<Arc<str>, BTreeMap<Option<TeamId>, Arc<Rule>>>);

impl Rules {
    /// Sets the rule of an alias, for a team or for all.
    pub fn insert(&mut self, alias: &str, team: Option<TeamId>, rule: Rule) {
        self.0.entry(alias.into()).or_default().insert(team, Arc::new(rule));
    }

    /// The rule of exactly this alias.
    pub fn find(&self, alias: &str, team: Option<TeamId>) -> Option<&Arc<Rule>> {
        let rules = self.0.get(alias)?;
        team.and_then(|_| rules.get(&team)).or_else(|| rules.get(&None))
    }

    /// Every alias that has a rule.
    pub fn aliases(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }

    /// The aliases of the first way that leads back to where it began, in order, the first once more at the
    /// end; `None` where every way ends. Each team is looked at by itself.
    pub fn cycle(&self) -> Option<Vec<Arc<str>>> {
        let teams: BTreeSet<_> = self.0.values().flat_map(BTreeMap::keys).copied().chain([None]).collect();
        teams.into_iter().find_map(|team| {
            let mut walk = Walk { rules: self, team, way: Vec::new(), done: BTreeSet::new() };
            self.0.keys().find_map(|alias| walk.from(alias))
        })
    }

    fn next(&self, alias: &str, team: Option<TeamId>) -> Vec<Arc<str>> {
        let Some(rule) = self.find(alias, team) else { return Vec::new() };
        rule.stands_for.iter().chain(rule.fallbacks.values().flatten()).cloned().collect()
    }
}

/// A walk over rules, depth first, that remembers the way it came.
struct Walk<'a> {
    rules: &'a Rules,
    team: Option<TeamId>,
    way: Vec<Arc<str>>,
    done: BTreeSet<Arc<str>>,
}

impl Walk<'_> {
    fn from(&mut self, alias: &Arc<str>) -> Option<Vec<Arc<str>>> {
        if let Some(at) = self.way.iter().position(|passed| passed == alias) {
            return Some(self.way.iter().skip(at).chain([alias]).cloned().collect());
        }
        if **alias == *WILDCARD && !self.way.is_empty() || !self.done.insert(Arc::clone(alias)) {
            return None;
        }
        self.way.push(Arc::clone(alias));
        let found = self.rules.next(alias, self.team).iter().find_map(|next| self.from(next));
        self.way.pop();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Uuid;

    const TEAM: TeamId = TeamId(Uuid::from_u128(1));
    const OTHER: TeamId = TeamId(Uuid::from_u128(2));

    fn stands(alias: &str) -> Rule {
        Rule { stands_for: Some(alias.into()), ..Rule::default() }
    }

    fn falls(cause: Cause, aliases: &[&str]) -> Rule {
        let aliases = aliases.iter().map(|alias| (*alias).into()).collect();
        Rule { fallbacks: [(cause, aliases)].into(), ..Rule::default() }
    }

    fn rules(rules: Vec<(&str, Option<TeamId>, Rule)>) -> Rules {
        let mut all = Rules::default();
        for (alias, team, rule) in rules {
            all.insert(alias, team, rule);
        }
        all
    }

    #[test]
    fn a_teams_rule_goes_before_everybodys() {
        let rules = rules(vec![("a", None, stands("b")), ("a", Some(TEAM), stands("c"))]);
        let found = |team| rules.find("a", team).unwrap().stands_for.clone().unwrap();
        assert_eq!(
            [found(None), found(Some(TEAM)), found(Some(OTHER))].map(|to| to.to_string()),
            ["b", "c", "b"]
        );
        assert!(rules.find("b", None).is_none());
    }

    #[test]
    fn a_way_that_leads_back_is_found_and_named() {
        for (given, expected) in [
            (vec![("a", None, stands("b")), ("b", None, stands("c"))], None),
            (vec![("a", None, stands("a"))], Some("a a")),
            (
                vec![("a", None, stands("b")), ("b", None, stands("c")), ("c", None, stands("b"))],
                Some("b c b"),
            ),
            (vec![("a", None, falls(Cause::Failure, &["x", "b"])), ("b", None, stands("a"))], Some("a b a")),
            (vec![("a", None, falls(Cause::Budget, &["b", "c"])), ("b", None, stands("c"))], None),
            (vec![("a", Some(TEAM), stands("b")), ("b", Some(OTHER), stands("a"))], None),
            (vec![("a", Some(TEAM), stands("b")), ("b", None, stands("a"))], Some("a b a")),
            (vec![("*", None, stands("a"))], None),
        ] {
            let found = rules(given.clone()).cycle();
            let found = found.map(|way| way.iter().map(|alias| &**alias).collect::<Vec<_>>().join(" "));
            assert_eq!(found.as_deref(), expected, "{given:?}");
        }
    }

    #[test]
    fn every_policy_and_cause_has_a_word() {
        for policy in Policy::ALL {
            assert_eq!(Policy::from_word(policy.as_str()), Some(policy));
        }
        for cause in Cause::ALL {
            assert_eq!(Cause::from_word(cause.as_str()), Some(cause));
        }
    }
}
