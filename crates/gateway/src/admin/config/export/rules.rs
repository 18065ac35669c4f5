//! What models are there for, and what is set for aliases beside their models, as the configuration file says them.

use std::collections::BTreeMap;

use nexus_core::{need::Fit, policy::Rule};
use nexus_store::repo::rule::StoredRule;
use serde::Serialize;

use super::{Names, quoted};
use crate::admin::words::{AbilityWord, PolicyWord};

/// What a model is there for, with the names of its teams.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct ExportedFit {
    #[serde(skip_serializing_if = "Option::is_none")]
    abilities: Option<Vec<AbilityWord>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    teams: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

impl ExportedFit {
    /// `None` where one of its teams has no name.
    pub(super) fn of(fit: &Fit, names: &Names) -> Option<Self> {
        Some(Self {
            abilities: fit.abilities.map(|abilities| abilities.iter().map(Into::into).collect()),
            context_tokens: fit.context_tokens,
            min_input_tokens: fit.min_input_tokens,
            max_input_tokens: fit.max_input_tokens,
            teams: fit.teams.iter().map(|team| names.get(team).cloned()).collect::<Option<_>>()?,
            tags: fit.tags.iter().map(ToString::to_string).collect(),
            headers: fit.headers.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect(),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn write(&self, out: &mut String) {
        if self.is_open() {
            return;
        }
        out.push_str("        fit:\n");
        if let Some(abilities) = &self.abilities {
            let words: Vec<_> = abilities.iter().map(word).collect();
            out.push_str(&format!("          abilities: [{}]\n", words.join(", ")));
        }
        for (name, number) in [
            ("context_tokens", self.context_tokens),
            ("min_input_tokens", self.min_input_tokens),
            ("max_input_tokens", self.max_input_tokens),
        ] {
            if let Some(number) = number {
                out.push_str(&format!("          {name}: {number}\n"));
            }
        }
        for (name, texts) in [("teams", &self.teams), ("tags", &self.tags)] {
            if !texts.is_empty() {
                out.push_str(&format!("          {name}: [{}]\n", list(texts)));
            }
        }
        if !self.headers.is_empty() {
            out.push_str("          headers:\n");
        }
        for (name, text) in &self.headers {
            out.push_str(&format!("            {}: {}\n", quoted(name), quoted(text)));
        }
    }
}

/// A rule, with the name of its team.
#[derive(Debug, Serialize)]
pub(super) struct ExportedRule {
    alias: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stands_for: Option<String>,
    policy: PolicyWord,
    affinity: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fallbacks: BTreeMap<&'static str, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_ttl_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hedge_percent: Option<u8>,
    r#continue: bool,
}

/// Every rule.
pub(super) fn exported(
    stored: Vec<StoredRule>,
    names: &Names,
    left_out: &mut Vec<String>,
) -> Vec<ExportedRule> {
    let mut rules = Vec::new();
    for StoredRule { alias, team, rule, .. } in stored {
        match team.map(|team| names.get(&team).cloned()) {
            Some(None) => {
                left_out.push(format!("rule for {}: its team is not known", quoted(&alias)));
            }
            name => rules.push(ExportedRule::of(&alias, name.flatten(), &rule)),
        }
    }
    rules
}

impl ExportedRule {
    pub(super) fn of(alias: &str, team: Option<String>, rule: &Rule) -> Self {
        let fallbacks = rule.fallbacks.iter();
        Self {
            alias: alias.to_owned(),
            team,
            stands_for: rule.stands_for.as_deref().map(str::to_owned),
            policy: rule.policy.into(),
            affinity: rule.has_affinity,
            fallbacks: fallbacks
                .map(|(cause, aliases)| (cause.as_str(), aliases.iter().map(ToString::to_string).collect()))
                .collect(),
            cache_ttl_s: rule.conduct.cache_ttl_s,
            hedge_percent: rule.conduct.hedge_percent,
            r#continue: rule.conduct.continues,
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        out.push_str(&format!("  - alias: {}\n", quoted(&self.alias)));
        for (name, text) in [("team", &self.team), ("stands_for", &self.stands_for)] {
            if let Some(text) = text {
                out.push_str(&format!("    {name}: {}\n", quoted(text)));
            }
        }
        out.push_str(&format!("    policy: {}\n    affinity: {}\n", word(&self.policy), self.affinity));
        if !self.fallbacks.is_empty() {
            out.push_str("    fallbacks:\n");
        }
        for (cause, aliases) in &self.fallbacks {
            out.push_str(&format!("      {cause}: [{}]\n", list(aliases)));
        }
        let percent = self.hedge_percent.map(u32::from);
        for (name, number) in [("cache_ttl_s", self.cache_ttl_s), ("hedge_percent", percent)] {
            if let Some(number) = number {
                out.push_str(&format!("    {name}: {number}\n"));
            }
        }
        out.push_str(&format!("    continue: {}\n", self.r#continue));
    }
}

/// A word as it is serialised, without quotes.
fn word(word: &impl Serialize) -> String {
    serde_json::to_string(word).unwrap_or_default().trim_matches('"').to_owned()
}

fn list(texts: &[String]) -> String {
    texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")
}
