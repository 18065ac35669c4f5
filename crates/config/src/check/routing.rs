//! Models and rules: what they say of where requests go.

use std::collections::{BTreeMap, HashMap};

use nexus_core::{
    capabilities::{Capabilities, Thinking},
    modality::{Modalities, Modality},
    need::{self, Abilities, Ability},
    policy::{Cause, Conduct, Policy, Rule as Set},
};

use super::Check;
use crate::{
    problem::{shown, under},
    raw, scalar,
    settings::{Fit, Model, Rule},
};

/// The most entries of a list; the administration knows the same.
const ENTRIES_MAX: usize = 64;
/// The most aliases that are asked instead, for one cause; the administration knows the same.
const FALLBACKS_MAX: usize = 16;

impl Check<'_> {
    pub(super) fn model(&mut self, raw: raw::Model, path: &str) -> Option<Model> {
        let fit = raw.fit.map(|fit| self.fit(fit, &under(path, "fit")));
        let said = raw.capabilities.map(|said| self.capabilities(said, &under(path, "capabilities")));
        let alias = raw.alias?;
        Some(Model {
            real_name: raw.real_name.unwrap_or_else(|| alias.clone()),
            alias,
            weight: raw.weight,
            tier: raw.tier,
            fit: match fit {
                Some(fit) => Some(fit?),
                None => None,
            },
            rate_limit: raw.rate_limit,
            token_limit: raw.token_limit,
            max_concurrent: raw.max_concurrent,
            cost_multiplier_ppm: raw.cost_multiplier.as_deref().and_then(scalar::millionths),
            region_weights: raw.region_weights,
            capabilities: said,
        })
    }

    fn fit(&mut self, raw: raw::Fit, path: &str) -> Option<Fit> {
        let before = self.problems.len();
        let abilities = raw.abilities.map(|words| self.abilities(&words, &under(path, "abilities")));
        let tags = raw.tags.unwrap_or_default();
        for (index, tag) in tags.iter().enumerate() {
            if tag.contains(',') {
                self.refuse(&format!("{path}.tags[{index}]"), "has a comma", "write each tag by itself");
            }
        }
        let headers = self.headers(raw.headers.unwrap_or_default(), &under(path, "headers"));
        let teams = raw.teams.unwrap_or_default();
        for (name, length) in [("teams", teams.len()), ("tags", tags.len()), ("headers", headers.len())] {
            if length > ENTRIES_MAX {
                let message = format!("has more than {ENTRIES_MAX} entries");
                self.refuse(&under(path, name), message, "leave some away");
            }
        }
        let bounds = need::Fit {
            abilities,
            context_tokens: raw.context_tokens,
            min_input_tokens: raw.min_input_tokens,
            max_input_tokens: raw.max_input_tokens,
            teams: Vec::new(),
            tags: tags.into_iter().map(String::into_boxed_str).collect(),
            headers,
        };
        (self.problems.len() == before).then_some(Fit { bounds, teams })
    }

    fn abilities(&mut self, words: &[String], path: &str) -> Abilities {
        let mut abilities = Abilities::default();
        for (index, word) in words.iter().enumerate() {
            match Ability::from_word(word) {
                Some(ability) => abilities = abilities.with(ability),
                None => {
                    let known = Ability::ALL.map(Ability::as_str).join("`, `");
                    let remedy = format!("write one of `{known}`");
                    self.refuse(&format!("{path}[{index}]"), "is none of the known words", remedy);
                }
            }
        }
        abilities
    }

    fn capabilities(&mut self, raw: raw::Capabilities, path: &str) -> Capabilities {
        let mut modalities =
            |words: Option<Vec<String>>, name| words.map(|words| self.modalities(&words, &under(path, name)));
        let input = modalities(raw.input_modalities, "input_modalities");
        let output = modalities(raw.output_modalities, "output_modalities");
        Capabilities {
            like: raw.like.map(Into::into),
            max_output_tokens: raw.max_output_tokens,
            takes_sampling: raw.sampling,
            thinking: raw.thinking.as_deref().and_then(Thinking::from_word),
            binds_schemas: raw.structured_output,
            input,
            output,
        }
    }

    fn modalities(&mut self, words: &[String], path: &str) -> Modalities {
        if words.is_empty() {
            self.refuse(path, "is empty", "leave it away where everything is taken");
        }
        let mut modalities = Modalities::NONE;
        for (index, word) in words.iter().enumerate() {
            match Modality::from_word(word) {
                Some(modality) => modalities = modalities.with(modality),
                None => {
                    let known = Modality::ALL.map(Modality::as_str).join("`, `");
                    let remedy = format!("write one of `{known}`");
                    self.refuse(&format!("{path}[{index}]"), "is none of the known words", remedy);
                }
            }
        }
        modalities
    }

    fn headers(&mut self, raw: BTreeMap<String, String>, path: &str) -> Vec<(Box<str>, Box<str>)> {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let mut headers = Vec::new();
        for (name, text) in raw {
            let path = under(path, shown(&name));
            if !name.starts_with("x-") || name.len() > 64 || !name.bytes().all(is_letter) {
                self.refuse(
                    &path,
                    "is no header that is looked at",
                    "write one such as `x-plan`, in lower case",
                );
            } else if let Some(text) = self.resolve(&path, &text) {
                headers.push((name.into_boxed_str(), text.into_boxed_str()));
            }
        }
        headers
    }

    pub(super) fn rules(&mut self, raw: Vec<raw::Rule>) -> Vec<Rule> {
        let mut first = HashMap::new();
        let mut rules = Vec::new();
        for (index, raw) in raw.into_iter().enumerate() {
            let path = format!("rules[{index}]");
            let fallbacks = self.fallbacks(raw.fallbacks.unwrap_or_default(), &under(&path, "fallbacks"));
            let (Some(alias), Some(policy)) = (raw.alias, raw.policy) else { continue };
            let earlier = *first.entry((alias.clone(), raw.team.clone())).or_insert(index);
            if earlier != index {
                let message = format!("repeats the alias and the team of `rules[{earlier}]`");
                self.refuse(&under(&path, "alias"), message, "write one rule for both");
            }
            rules.push(Rule {
                alias,
                team: raw.team,
                rule: Set {
                    stands_for: raw.stands_for.map(Into::into),
                    policy: Policy::from_word(&policy).unwrap_or_default(),
                    has_affinity: raw.affinity.unwrap_or_default(),
                    fallbacks,
                    conduct: Conduct {
                        cache_ttl_s: raw.cache_ttl_s,
                        hedge_percent: raw.hedge_percent,
                        continues: raw.r#continue.unwrap_or_default(),
                    },
                },
            });
        }
        rules
    }

    fn fallbacks(&mut self, raw: raw::Fallbacks, path: &str) -> BTreeMap<Cause, Vec<std::sync::Arc<str>>> {
        let lists = [
            (Cause::ContextWindow, raw.context_window),
            (Cause::ContentPolicy, raw.content_policy),
            (Cause::Failure, raw.failure),
            (Cause::Budget, raw.budget),
        ];
        let mut fallbacks = BTreeMap::new();
        for (cause, aliases) in lists {
            let Some(aliases) = aliases.filter(|aliases| !aliases.is_empty()) else { continue };
            if aliases.len() > FALLBACKS_MAX {
                let message = format!("has more than {FALLBACKS_MAX} entries");
                self.refuse(&under(path, cause.as_str()), message, "leave some away");
            }
            fallbacks.insert(cause, aliases.into_iter().map(Into::into).collect());
        }
        fallbacks
    }
}
