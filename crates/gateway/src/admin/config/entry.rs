//! The configuration file's providers, rules, prices and quotas as a request says them, checked into [`Offer`]s. What is not said is not
//! filled in here: it stays as the database has it.
//!
//! Nothing here is resolved from the environment: whoever may write configuration over the network may not
//! read the process's variables.

mod money;
mod rule;

use std::collections::{BTreeMap, HashSet};

use nexus_config::settings;
use nexus_core::{capabilities::Capabilities, endpoint::Template};
use serde::Deserialize;
use utoipa::ToSchema;

use self::rule::{FitEntry, RuleEntry};
pub use self::{
    money::{OfferedPrice, OfferedQuota, QuotaEntry},
    rule::OfferedRule,
};
use crate::admin::{
    body::object_or_none,
    check::Check,
    credentials::KeyText,
    prices::PriceEntry,
    problem::Problem,
    providers::{
        KindText, OptionsObject, TidyText, UrlText, check_kind, check_limits, check_model, check_name,
        check_weight, read_endpoint,
    },
    routes::{CapabilitiesBody, ModelText, Multiplier, RegionShares, check_regions, check_tier},
};

/// Providers, their models, what is set for aliases, prices and quotas, in the shape of the configuration file.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Configuration)]
pub struct ConfigBody {
    #[serde(default)]
    #[schema(required = false, max_items = 1000)]
    providers: Vec<ProviderEntry>,
    #[serde(default)]
    #[schema(required = false, max_items = 1000)]
    rules: Vec<RuleEntry>,
    #[serde(default)]
    #[schema(required = false, max_items = 1000)]
    prices: Vec<PriceEntry>,
    #[serde(default)]
    #[schema(required = false, max_items = 1000)]
    quotas: Vec<QuotaEntry>,
}

/// The most entries of a list taken at once.
const ENTRIES_MAX: usize = 1000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfiguredProvider)]
pub struct ProviderEntry {
    #[schema(value_type = TidyText)]
    name: String,
    #[schema(value_type = KindText)]
    kind: String,
    /// Where it is left away: as it is; of a new one, the vendor's own. The same holds for what follows. On another
    /// server it needs `api_key`.
    #[serde(default)]
    #[schema(value_type = Option<UrlText>)]
    endpoint: Option<String>,
    /// All of them, where they are to be others.
    #[serde(default)]
    #[schema(value_type = Option<OptionsObject>)]
    options: Option<BTreeMap<String, String>>,
    /// The key itself. `${NAME}` as exported, or none: the key that is there stays.
    #[serde(default)]
    #[schema(write_only)]
    api_key: Option<KeyText>,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000)]
    weight: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    rate_limit: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    token_limit: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    max_concurrent: Option<u32>,
    #[serde(default)]
    allow_private_network: Option<bool>,
    #[serde(default)]
    #[schema(required = false)]
    models: Vec<ModelEntry>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfiguredModel)]
pub struct ModelEntry {
    #[schema(value_type = ModelText)]
    alias: String,
    #[serde(default)]
    #[schema(value_type = Option<ModelText>)]
    real_name: Option<String>,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000)]
    weight: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1000)]
    tier: Option<u32>,
    #[serde(default, deserialize_with = "object_or_none")]
    #[schema(value_type = Option<FitEntry>)]
    fit: Option<FitEntry>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    rate_limit: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    token_limit: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    max_concurrent: Option<u32>,
    #[serde(default)]
    cost_multiplier: Option<Multiplier>,
    #[serde(default)]
    #[schema(value_type = Option<RegionShares>)]
    region_weights: Option<BTreeMap<String, u32>>,
    /// All of them, where they are to be others.
    #[serde(default, deserialize_with = "object_or_none")]
    #[schema(value_type = Option<CapabilitiesBody>)]
    capabilities: Option<CapabilitiesBody>,
}

/// Everything that is to be.
#[derive(Default)]
pub struct Offers {
    pub providers: Vec<Offer>,
    pub rules: Vec<OfferedRule>,
    pub prices: Vec<OfferedPrice>,
    pub quotas: Vec<OfferedQuota>,
}

/// A provider as it is to be; `None`: what is there stays.
pub struct Offer {
    /// Where its members stand, for what is told of them.
    pub place: String,
    pub name: String,
    pub kind: String,
    pub endpoint: Option<Template>,
    /// None: what is there stays.
    pub options: Option<BTreeMap<String, String>>,
    pub api_key: Option<KeyText>,
    pub weight: Option<u32>,
    pub rate_limit: Option<u32>,
    pub token_limit: Option<u32>,
    pub max_concurrent: Option<u32>,
    pub allow_private_network: Option<bool>,
    pub models: Vec<OfferedModel>,
}

/// A model of it.
pub struct OfferedModel {
    pub alias: String,
    pub real_name: String,
    pub weight: Option<u32>,
    pub tier: Option<u32>,
    pub fit: Option<settings::Fit>,
    pub rate_limit: Option<u32>,
    pub token_limit: Option<u32>,
    pub max_concurrent: Option<u32>,
    pub cost_multiplier: Option<Multiplier>,
    pub region_weights: Option<BTreeMap<String, u32>>,
    pub capabilities: Option<Capabilities>,
}

impl ConfigBody {
    /// Everything that is not right with it is told at once.
    pub fn offers(self) -> Result<Offers, Problem> {
        let mut check = Check::default();
        for (pointer, length) in [
            ("/providers", self.providers.len()),
            ("/rules", self.rules.len()),
            ("/prices", self.prices.len()),
            ("/quotas", self.quotas.len()),
        ] {
            if length > ENTRIES_MAX {
                check.flaw(pointer, format!("has more than {ENTRIES_MAX} entries; send them in parts"));
            }
        }
        let mut names = HashSet::new();
        let mut providers = Vec::new();
        for (at, entry) in self.providers.into_iter().enumerate() {
            let pointer = format!("/providers/{at}");
            if !names.insert(entry.name.clone()) {
                check.flaw(&format!("{pointer}/name"), "stands there twice; give each entry its own");
            }
            providers.extend(entry.offer(&mut check, &pointer));
        }
        let rules = rule::offered(self.rules, &mut check);
        let prices = money::offered_prices(self.prices, &mut check);
        let quotas = money::offered_quotas(self.quotas);
        check.finish()?;
        Ok(Offers { providers, rules, prices, quotas })
    }
}

impl ProviderEntry {
    fn offer(self, check: &mut Check, at: &str) -> Option<Offer> {
        check_name(check, &format!("{at}/name"), &self.name);
        check_kind(check, &format!("{at}/kind"), &self.kind);
        if let Some(weight) = self.weight {
            check_weight(check, &format!("{at}/weight"), weight);
        }
        check_limits(check, at, [self.rate_limit, self.token_limit, self.max_concurrent]);
        let api_key = self.api_key.filter(|key| !key.is_reference());
        if let Some(key) = &api_key {
            key.check(check, &format!("{at}/api_key"));
        }
        let mut known = HashSet::new();
        for (number, model) in self.models.iter().enumerate() {
            let at = format!("{at}/models/{number}");
            model.check(check, &at);
            if !known.insert(model.alias.as_str()) {
                check.flaw(&format!("{at}/alias"), "stands there twice; give each entry its own");
            }
        }
        let endpoint = match &self.endpoint {
            Some(text) => Some(read_endpoint(check, &format!("{at}/endpoint"), text)?),
            None => None,
        };
        Some(Offer {
            place: at.to_owned(),
            name: self.name,
            kind: self.kind,
            endpoint,
            options: self.options,
            api_key,
            weight: self.weight,
            rate_limit: self.rate_limit,
            token_limit: self.token_limit,
            max_concurrent: self.max_concurrent,
            allow_private_network: self.allow_private_network,
            models: self.models.into_iter().map(ModelEntry::offered).collect(),
        })
    }
}

impl ModelEntry {
    fn check(&self, check: &mut Check, at: &str) {
        check_model(check, &format!("{at}/alias"), &self.alias);
        if let Some(name) = &self.real_name {
            check_model(check, &format!("{at}/real_name"), name);
        }
        if let Some(weight) = self.weight {
            check_weight(check, &format!("{at}/weight"), weight);
        }
        check_tier(check, &format!("{at}/tier"), self.tier.unwrap_or_default());
        check_limits(check, at, [self.rate_limit, self.token_limit, self.max_concurrent]);
        if let Some(fit) = &self.fit {
            fit.check(check, &format!("{at}/fit"));
        }
        if let Some(weights) = &self.region_weights {
            check_regions(check, &format!("{at}/region_weights"), weights);
        }
        if let Some(said) = &self.capabilities {
            said.checked(check, &format!("{at}/capabilities"));
        }
    }

    fn offered(self) -> OfferedModel {
        OfferedModel {
            real_name: self.real_name.unwrap_or_else(|| self.alias.clone()),
            alias: self.alias,
            weight: self.weight,
            tier: self.tier,
            fit: self.fit.map(FitEntry::into_settings),
            rate_limit: self.rate_limit,
            token_limit: self.token_limit,
            max_concurrent: self.max_concurrent,
            cost_multiplier: self.cost_multiplier,
            region_weights: self.region_weights,
            // what is not right with it was told by `check`
            capabilities: self.capabilities.map(|said| said.checked(&mut Check::default(), "")),
        }
    }
}

impl Offer {
    /// From a configuration file, which was checked and whose variables were resolved by whoever ran us.
    pub fn of_file(file: settings::Provider) -> Result<Self, Problem> {
        let place = format!("provider {}: ", file.name);
        let mut check = Check::default();
        check_kind(&mut check, &format!("{place}/kind"), &file.kind);
        check.finish()?;
        let models = file.models.into_iter().map(|model| OfferedModel {
            alias: model.alias,
            real_name: model.real_name,
            weight: model.weight,
            tier: model.tier,
            fit: model.fit,
            rate_limit: model.rate_limit,
            token_limit: model.token_limit,
            max_concurrent: model.max_concurrent,
            cost_multiplier: model
                .cost_multiplier_ppm
                .map(|ppm| Multiplier(i64::try_from(ppm).unwrap_or(i64::MAX))),
            region_weights: model.region_weights,
            capabilities: model.capabilities,
        });
        Ok(Self {
            place,
            name: file.name,
            kind: file.kind,
            endpoint: file.endpoint,
            options: file.options,
            api_key: file.api_key.map(|key| KeyText::new(key.into_text())),
            weight: file.weight,
            rate_limit: file.rate_limit,
            token_limit: file.token_limit,
            max_concurrent: file.max_concurrent,
            allow_private_network: file.allow_private_network,
            models: models.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(json: &str) -> Vec<String> {
        let offers = serde_json::from_str::<ConfigBody>(json).unwrap().offers();
        let problem = offers.err();
        problem
            .map(|problem| problem.errors.into_iter().map(|flaw| flaw.pointer).collect())
            .unwrap_or_default()
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        for (json, expected) in [
            (r#"{"providers":[]}"#, vec![]),
            (r#"{"providers":[{"name":"a","kind":"openai","models":[{"alias":"*"}]}]}"#, vec![]),
            (r#"{"providers":[{"name":"a","kind":"openai","api_key":"${A_KEY}"}]}"#, vec![]),
            (
                r#"{"providers":[{"name":"a","kind":"openai"},{"name":"a","kind":"x"}]}"#,
                vec!["/providers/1/name", "/providers/1/kind"],
            ),
            (
                r#"{"providers":[{"name":"a","kind":"openai","models":[{"alias":"m"},{"alias":"m"},{"alias":""}]}]}"#,
                vec!["/providers/0/models/1/alias", "/providers/0/models/2/alias"],
            ),
            (
                r#"{"providers":[{"name":"a","kind":"custom","endpoint":"https://a.example/${DB_ENCRYPTION_KEY}"}]}"#,
                vec!["/providers/0/endpoint"],
            ),
        ] {
            assert_eq!(pointers(json), expected, "{json}");
        }
    }

    #[test]
    fn a_variable_in_the_place_of_a_key_is_no_key() {
        for (key, is_taken) in [("sk-abc", true), ("${OPENAI_KEY}", false), ("x${HOME}", false)] {
            let json = format!(r#"{{"providers":[{{"name":"a","kind":"openai","api_key":"{key}"}}]}}"#);
            let offers = serde_json::from_str::<ConfigBody>(&json).unwrap().offers().unwrap();
            assert_eq!(offers.providers[0].api_key.is_some(), is_taken, "{key}");
        }
    }
}
