//! Providers, their models, rules, prices and quotas as the configuration file says them, with variables in the place of keys.
//!
//! What the file has no words for is told in comments and never silently left out.

mod money;
mod rules;

use std::collections::{BTreeMap, HashMap, HashSet};

use nexus_core::id::{ProviderId, TeamId};
use nexus_store::{
    AnyConnection, StoreError,
    repo::{
        price,
        provider::{self, StoredProvider},
        quota,
        route::{self, StoredRoute},
        rule, team,
    },
};
use serde::Serialize;

use self::{
    money::Providers,
    rules::{ExportedFit, ExportedRule},
};
use super::entry::QuotaEntry;
use crate::admin::{
    prices::PriceEntry,
    providers::{credentials, shown_options},
    routes::{CapabilitiesBody, Multiplier},
};

/// What the file's `providers`, `rules`, `prices` and `quotas` say.
#[derive(Debug, Default, Serialize)]
pub struct Exported {
    providers: Vec<ExportedProvider>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<ExportedRule>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prices: Vec<PriceEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quotas: Vec<QuotaEntry>,
    /// What could not be said.
    #[serde(skip)]
    left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ExportedProvider {
    name: String,
    kind: String,
    endpoint: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    weight: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent: Option<u32>,
    allow_private_network: bool,
    models: Vec<ExportedModel>,
}

#[derive(Debug, Serialize)]
struct ExportedModel {
    alias: String,
    real_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    tier: u32,
    #[serde(skip_serializing_if = "ExportedFit::is_open")]
    fit: ExportedFit,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent: Option<u32>,
    cost_multiplier: Multiplier,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    region_weights: BTreeMap<String, u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<CapabilitiesBody>,
}

/// What has no words in a file, whatever there is of it.
const NEVER: &str =
    "teams, keys, users and settings, and prices that do not hold yet or any more: they stand in no file";

/// The names of teams.
type Names = HashMap<TeamId, String>;

/// Everything that is active and in force.
pub fn export(conn: &mut AnyConnection, now_ms: i64) -> Result<Exported, StoreError> {
    let mut exported = Exported { left_out: vec![NEVER.to_owned()], ..Exported::default() };
    let names: Names = team::list(conn)?.into_iter().map(|team| (team.id, team.name)).collect();
    let (providers, routes) = (provider::list(conn)?, route::list(conn)?);
    let active = providers.iter().filter(|provider| provider.is_active);
    let known: Providers = active.map(|provider| (provider.id, provider.name.clone())).collect();
    let mut variables = HashSet::new();
    for provider in providers {
        if !provider.is_active {
            exported.left_out.push(format!("provider {}: it is not active", quoted(&provider.name)));
            continue;
        }
        let keys = credentials(conn, provider.id)?.len();
        if keys > 1 {
            let name = quoted(&provider.name);
            exported.left_out.push(format!("provider {name}: its credentials but one, of {keys}"));
        }
        let api_key = (keys > 0).then(|| format!("${{{}}}", variable(&provider.name, &mut variables)));
        let models = models(&provider, &routes, &names, &mut exported.left_out);
        exported.providers.push(ExportedProvider {
            name: provider.name,
            kind: provider.kind,
            endpoint: provider.endpoint.to_string(),
            options: shown_options(&provider.options),
            api_key,
            weight: provider.weight,
            rate_limit: provider.rate_limit,
            token_limit: provider.token_limit,
            max_concurrent: provider.max_concurrent,
            allow_private_network: provider.allow_private_network,
            models,
        });
    }
    exported.rules = rules::exported(rule::list(conn)?, &names, &mut exported.left_out);
    let left_out = &mut exported.left_out;
    exported.prices = money::prices(&price::in_force(conn, now_ms)?, &known, left_out);
    exported.quotas = money::quotas(quota::list(conn)?, (&names, &known), left_out);
    Ok(exported)
}

fn models(
    provider: &StoredProvider,
    routes: &[StoredRoute],
    names: &Names,
    left_out: &mut Vec<String>,
) -> Vec<ExportedModel> {
    let mut aliases = HashSet::new();
    let mut models = Vec::new();
    for route in routes_of(provider.id, routes) {
        let name = || {
            let (alias, real) = (quoted(&route.alias), quoted(&route.real_model));
            format!("model {alias} at {}, real name {real}", quoted(&provider.name))
        };
        if !route.is_active {
            left_out.push(format!("{}: it is not active", name()));
            continue;
        }
        if !aliases.insert(route.alias.as_str()) {
            left_out.push(format!("{}: the alias stands there already", name()));
            continue;
        }
        let Some(fit) = ExportedFit::of(&route.fit, names) else {
            left_out.push(format!("{}: it is for a team that is not known", name()));
            continue;
        };
        models.push(ExportedModel {
            alias: route.alias.clone(),
            real_name: route.real_model.clone(),
            weight: route.weight,
            tier: route.tier,
            fit,
            rate_limit: route.rate_limit,
            token_limit: route.token_limit,
            max_concurrent: route.max_concurrent,
            cost_multiplier: Multiplier(route.cost_multiplier_ppm),
            region_weights: route.region_weights.clone(),
            capabilities: Some(CapabilitiesBody::from(&route.capabilities))
                .filter(|said| *said != CapabilitiesBody::default()),
        });
    }
    models
}

fn routes_of(provider: ProviderId, routes: &[StoredRoute]) -> impl Iterator<Item = &StoredRoute> {
    routes.iter().filter(move |route| route.provider == provider)
}

/// A variable for a provider's key, such as `MY_PROVIDER_KEY`; no two providers get the same.
fn variable(name: &str, taken: &mut HashSet<String>) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let mut stem: String = name.chars().map(word).collect();
    if stem.starts_with(|first: char| first.is_ascii_digit()) {
        stem.insert(0, '_');
    }
    let mut variable = format!("{stem}_KEY");
    let mut number = 2;
    while !taken.insert(variable.clone()) {
        variable = format!("{stem}_{number}_KEY");
        number += 1;
    }
    variable
}

/// Text in double quotes, as JSON and YAML both read it. Line and page marks that YAML counts as line ends
/// are written as escapes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Exported {
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        for what in &self.left_out {
            out.push_str(&format!("# left out: {what}\n"));
        }
        if self.providers.is_empty() {
            out.push_str("providers: []\n");
        } else {
            out.push_str("providers:\n");
        }
        self.providers.iter().for_each(|provider| provider.write(&mut out));
        if !self.rules.is_empty() {
            out.push_str("rules:\n");
        }
        self.rules.iter().for_each(|rule| rule.write(&mut out));
        money::write(&mut out, "prices", &self.prices);
        money::write(&mut out, "quotas", &self.quotas);
        out
    }
}

/// One line a number that is there.
fn numbers(out: &mut String, indent: &str, numbers: &[(&str, Option<u32>)]) {
    for (name, number) in numbers {
        if let Some(number) = number {
            out.push_str(&format!("{indent}{name}: {number}\n"));
        }
    }
}

impl ExportedProvider {
    fn limits(&self) -> [(&'static str, Option<u32>); 3] {
        let Self { rate_limit, token_limit, max_concurrent, .. } = self;
        [("rate_limit", *rate_limit), ("token_limit", *token_limit), ("max_concurrent", *max_concurrent)]
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!("  - name: {}\n", quoted(&self.name)));
        out.push_str(&format!("    kind: {}\n", quoted(&self.kind)));
        out.push_str(&format!("    endpoint: {}\n", quoted(&self.endpoint)));
        if !self.options.is_empty() {
            out.push_str("    options:\n");
        }
        for (name, value) in &self.options {
            out.push_str(&format!("      {}: {}\n", quoted(name), quoted(value)));
        }
        if let Some(variable) = &self.api_key {
            out.push_str(&format!("    api_key: {}\n", quoted(variable)));
        }
        out.push_str(&format!("    weight: {}\n", self.weight));
        numbers(out, "    ", &self.limits());
        out.push_str(&format!("    allow_private_network: {}\n", self.allow_private_network));
        if !self.models.is_empty() {
            out.push_str("    models:\n");
        }
        for model in &self.models {
            model.write(out);
        }
    }
}

impl ExportedModel {
    fn limits(&self) -> [(&'static str, Option<u32>); 3] {
        let Self { rate_limit, token_limit, max_concurrent, .. } = self;
        [("rate_limit", *rate_limit), ("token_limit", *token_limit), ("max_concurrent", *max_concurrent)]
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!("      - alias: {}\n", quoted(&self.alias)));
        out.push_str(&format!("        real_name: {}\n", quoted(&self.real_name)));
        numbers(out, "        ", &[("weight", self.weight), ("tier", Some(self.tier))]);
        self.fit.write(out);
        numbers(out, "        ", &self.limits());
        out.push_str(&format!("        cost_multiplier: \"{}\"\n", self.cost_multiplier));
        if !self.region_weights.is_empty() {
            out.push_str("        region_weights:\n");
        }
        for (region, weight) in &self.region_weights {
            out.push_str(&format!("          {}: {weight}\n", quoted(region)));
        }
        if let Some(said) = &self.capabilities {
            // JSON's objects are YAML's too
            let said = serde_json::to_string(said).unwrap_or_default();
            out.push_str(&format!("        capabilities: {said}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use nexus_config::{
        environment::Environment,
        load::{self, Flags},
        settings,
    };
    use nexus_core::{
        need::{Ability, Fit},
        policy::{Cause, Conduct, Policy, Rule},
        quota::Mode,
    };

    use super::*;
    use crate::admin::words::{ModalityWord, ThinkingWord};

    #[test]
    fn no_two_keys_get_the_same_variable() {
        let mut taken = HashSet::new();
        let names = ["open ai", "open-ai", "1st", "open_ai", "é"];
        let variables: Vec<_> = names.iter().map(|name| variable(name, &mut taken)).collect();
        assert_eq!(variables, ["OPEN_AI_KEY", "OPEN_AI_2_KEY", "_1ST_KEY", "OPEN_AI_3_KEY", "__KEY"]);
    }

    const TEAM: TeamId = TeamId(nexus_core::id::Uuid::from_u128(1));

    fn fit() -> Fit {
        Fit {
            abilities: Some([Ability::Tools].into_iter().collect()),
            context_tokens: Some(9),
            teams: vec![TEAM],
            tags: vec!["ni ght".into()],
            headers: vec![("x-plan".into(), "gold: 1".into())],
            ..Fit::default()
        }
    }

    fn rule() -> Rule {
        Rule {
            stands_for: Some("gpt".into()),
            policy: Policy::Priority,
            has_affinity: true,
            fallbacks: [(Cause::Failure, vec!["a".into(), "*".into()])].into(),
            conduct: Conduct { cache_ttl_s: Some(60), hedge_percent: Some(5), continues: true },
        }
    }

    fn said() -> CapabilitiesBody {
        CapabilitiesBody {
            like: Some("a: \"b\"".to_owned()),
            max_output_tokens: Some(8),
            sampling: Some(false),
            thinking: Some(ThinkingWord::Effort),
            structured_output: None,
            input_modalities: Some(vec![ModalityWord::Text, ModalityWord::File]),
            output_modalities: None,
        }
    }

    fn price() -> serde_json::Value {
        serde_json::json!({
            "real_name": "a \"b\" \\ c:\u{2028} #d", "provider": "true", "kind": "relative", "multiplier": "0.5",
            "rates": [{ "quantity": "output", "tier": "batch", "from_tokens": 7, "nano_usd_per_million": 1 }],
        })
    }

    fn quota() -> serde_json::Value {
        serde_json::json!({
            "name": "- a: 'b'", "subject": "team", "subject_value": "r: \"e\"d", "measure": "cost_nano_usd",
            "window": "day", "utc_offset_minutes": -330, "limit": i64::MAX, "mode": "cut",
        })
    }

    fn model(alias: &str) -> ExportedModel {
        let names = Names::from([(TEAM, "r: \"e\"d".to_owned())]);
        ExportedModel {
            alias: alias.to_owned(),
            real_name: "a \"b\" \\ c: #d".to_owned(),
            weight: Some(2),
            tier: 3,
            fit: ExportedFit::of(&fit(), &names).unwrap(),
            rate_limit: Some(7),
            token_limit: Some(8),
            max_concurrent: None,
            cost_multiplier: Multiplier(1_250_000),
            region_weights: BTreeMap::from([("eu: west".to_owned(), 3)]),
            capabilities: Some(said()),
        }
    }

    fn provider() -> ExportedProvider {
        ExportedProvider {
            name: "true".to_owned(),
            kind: "openai".to_owned(),
            endpoint: "https://{region}.openai.com/v1".to_owned(),
            options: BTreeMap::from([("region".to_owned(), "no".to_owned())]),
            api_key: Some("${TRUE_KEY}".to_owned()),
            weight: 5,
            rate_limit: None,
            token_limit: Some(6),
            max_concurrent: Some(5),
            allow_private_network: false,
            models: vec![model("*"), model("gpt")],
        }
    }

    #[test]
    fn what_is_exported_is_a_configuration_file() {
        let exported = Exported {
            providers: vec![provider()],
            rules: vec![ExportedRule::of("*", Some("r: \"e\"d".to_owned()), &rule())],
            left_out: vec!["something \"else\"".to_owned()],
            ..Exported::default()
        };
        let environment = Environment::from_pairs([("TRUE_KEY", "sk-1")]);
        for text in [exported.to_yaml(), exported.to_json()] {
            let Ok(settings) = load::load_text("the export", &text, &environment, &Flags::default()) else {
                panic!("{text}");
            };
            let provider = &settings.providers[0];
            assert_eq!((provider.name.as_str(), provider.weight), ("true", Some(5)));
            let endpoint = provider.endpoint.as_ref().map(ToString::to_string);
            assert_eq!(endpoint.as_deref(), Some("https://{region}.openai.com/v1"));
            assert_eq!(provider.options, Some(BTreeMap::from([("region".to_owned(), "no".to_owned())])));
            assert_eq!(provider.api_key.as_ref().map(|key| key.expose().to_owned()), Some("sk-1".to_owned()));
            let [first, second] = &provider.models[..] else { panic!("{text}") };
            assert_eq!((first.alias.as_str(), second.alias.as_str()), ("*", "gpt"));
            assert_eq!(first.real_name, "a \"b\" \\ c: #d");
            assert_eq!((first.rate_limit, first.cost_multiplier_ppm), (Some(7), Some(1_250_000)));
            assert_eq!((first.weight, first.tier, first.token_limit), (Some(2), Some(3), Some(8)));
            assert_eq!((provider.token_limit, provider.max_concurrent), (Some(6), Some(5)));
            let written = first.fit.clone().unwrap();
            assert_eq!(written.teams, ["r: \"e\"d"]);
            assert_eq!(Fit { teams: vec![TEAM], ..written.bounds }, fit());
            let settings::Rule { alias, team, rule: read } = &settings.rules[0];
            assert_eq!((alias.as_str(), team.as_deref(), read), ("*", Some("r: \"e\"d"), &rule()));
            let said = first.capabilities.as_ref().map(CapabilitiesBody::from);
            assert_eq!(said, model("gpt").capabilities, "{text}");
            assert_eq!(first.region_weights, Some(BTreeMap::from([("eu: west".to_owned(), 3)])));
        }
    }

    #[test]
    fn exported_prices_and_quotas_are_read_as_they_are() {
        let exported = Exported {
            providers: vec![provider()],
            prices: vec![serde_json::from_value(price()).unwrap()],
            quotas: vec![serde_json::from_value(quota()).unwrap()],
            ..Exported::default()
        };
        for text in [exported.to_yaml(), exported.to_json()] {
            let environment = Environment::from_pairs([("TRUE_KEY", "sk-1")]);
            let Ok(settings) = load::load_text("the export", &text, &environment, &Flags::default()) else {
                panic!("{text}");
            };
            let read = PriceEntry::of_file(settings.prices[0].clone());
            assert_eq!(serde_json::json!(read), serde_json::json!(exported.prices[0]), "{text}");
            let read = &settings.quotas[0];
            assert_eq!((&*read.name, read.utc_offset_minutes, read.mode), ("- a: 'b'", -330, Mode::Cut));
            assert_eq!(read.limit, i64::MAX as u64);
        }
    }
}
