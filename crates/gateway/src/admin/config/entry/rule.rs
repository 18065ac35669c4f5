//! What a model is there for, and what is set for an alias beside its models, as the configuration file says them:
//! teams by their names.

use std::collections::{BTreeMap, HashSet};

use nexus_config::settings;
use nexus_core::policy::Rule;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::{
    body::int64_or_none,
    check::{Check, NameText},
    providers::check_model,
    routes::{FitBody, HeaderWishes, ModelText, TagText},
    rules::{Fallbacks, RulePut},
    words::{AbilityWord, CauseWord, PolicyWord},
};

/// What a model can do, and which requests it is there for. What is absent sets no bound.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfiguredFit)]
pub struct FitEntry {
    #[serde(default)]
    #[schema(max_items = 64)]
    abilities: Option<Vec<AbilityWord>>,
    #[serde(default, deserialize_with = "int64_or_none")]
    #[schema(minimum = 0)]
    context_tokens: Option<u64>,
    #[serde(default, deserialize_with = "int64_or_none")]
    #[schema(minimum = 0)]
    min_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "int64_or_none")]
    #[schema(minimum = 0)]
    max_input_tokens: Option<u64>,
    /// By their names.
    #[serde(default)]
    #[schema(required = false, max_items = 64, value_type = Vec<NameText>)]
    teams: Vec<String>,
    #[serde(default)]
    #[schema(required = false, max_items = 64, value_type = Vec<TagText>)]
    tags: Vec<String>,
    #[serde(default)]
    #[schema(required = false, value_type = HeaderWishes)]
    headers: BTreeMap<String, String>,
}

/// The most teams a model is for.
const TEAMS_MAX: usize = 64;

impl FitEntry {
    /// The same without its teams.
    fn bounds(&self) -> FitBody {
        FitBody {
            abilities: self.abilities.clone(),
            context_tokens: self.context_tokens,
            min_input_tokens: self.min_input_tokens,
            max_input_tokens: self.max_input_tokens,
            teams: Vec::new(),
            tags: self.tags.clone(),
            headers: self.headers.clone(),
        }
    }

    pub fn check(&self, check: &mut Check, at: &str) {
        self.bounds().checked(check, at);
        if self.teams.len() > TEAMS_MAX {
            check.flaw(&format!("{at}/teams"), format!("has more than {TEAMS_MAX} entries"));
        }
    }

    /// As a configuration file says it; it was checked before.
    pub fn into_settings(self) -> settings::Fit {
        settings::Fit { bounds: self.bounds().checked(&mut Check::default(), ""), teams: self.teams }
    }
}

/// What is set for an alias beside its models. It holds as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfiguredRule)]
pub struct RuleEntry {
    #[schema(value_type = ModelText)]
    alias: String,
    /// Whose rule it is, by its name; none: everybody's.
    #[serde(default)]
    #[schema(value_type = Option<NameText>)]
    team: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<ModelText>)]
    stands_for: Option<String>,
    #[serde(default = "weighted")]
    #[schema(default = "weighted")]
    policy: PolicyWord,
    #[serde(default)]
    #[schema(default = false)]
    affinity: bool,
    #[serde(default)]
    #[schema(required = false, value_type = Fallbacks)]
    fallbacks: BTreeMap<CauseWord, Vec<String>>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 604_800)]
    cache_ttl_s: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 50)]
    hedge_percent: Option<u8>,
    #[serde(default)]
    #[schema(default = false)]
    r#continue: bool,
}

fn weighted() -> PolicyWord {
    PolicyWord::Weighted
}

/// A rule as it is to be.
pub struct OfferedRule {
    /// Where its members stand, for what is told of them.
    pub place: String,
    pub alias: String,
    /// By its name.
    pub team: Option<String>,
    pub rule: Rule,
}

impl From<settings::Rule> for OfferedRule {
    fn from(file: settings::Rule) -> Self {
        Self { place: format!("rule {}: ", file.alias), alias: file.alias, team: file.team, rule: file.rule }
    }
}

/// The rules as they are to be; what is not right with them is told.
pub fn offered(entries: Vec<RuleEntry>, check: &mut Check) -> Vec<OfferedRule> {
    let mut known = HashSet::new();
    let mut offered = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let place = format!("/rules/{at}");
        check_model(check, &format!("{place}/alias"), &entry.alias);
        if !known.insert((entry.alias.clone(), entry.team.clone())) {
            check.flaw(&format!("{place}/alias"), "stands there twice for the same team; write one rule");
        }
        let said = RulePut {
            stands_for: entry.stands_for,
            policy: entry.policy,
            affinity: entry.affinity,
            fallbacks: without_empty(entry.fallbacks),
            cache_ttl_s: entry.cache_ttl_s,
            hedge_percent: entry.hedge_percent,
            r#continue: entry.r#continue,
        };
        let rule = said.checked_at(check, &place);
        offered.push(OfferedRule { place, alias: entry.alias, team: entry.team, rule });
    }
    offered
}

fn without_empty(mut fallbacks: BTreeMap<CauseWord, Vec<String>>) -> BTreeMap<CauseWord, Vec<String>> {
    fallbacks.retain(|_, aliases| !aliases.is_empty());
    fallbacks
}
