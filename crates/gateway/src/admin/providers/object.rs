//! Providers as requests and answers write them. No answer holds a key.

use std::{borrow::Cow, collections::BTreeMap};

use nexus_config::raw::WEIGHT_MAX;
use nexus_core::{endpoint::Template, id::Uuid, site::Options};
use nexus_providers::registry;
use nexus_store::repo::provider::StoredProvider;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use super::options::{OptionsObject, check_options, shown};
use crate::admin::{body::present, check::Check, credentials::KeyText};

/// The highest limit of anything; the configuration file knows the same.
const LIMIT_MAX: i64 = 1_000_000_000;

/// Bytes in the longest endpoint and in the longest name of a model; the configuration file knows the same.
const TEXT_BYTES_MAX: usize = 512;

/// The schema of a kind.
pub struct KindText;

impl PartialSchema for KindText {
    fn schema() -> RefOr<Schema> {
        let kinds = registry::kinds().map(|kind| kind.id);
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(kinds)).into()
    }
}

impl ToSchema for KindText {
    fn name() -> Cow<'static, str> {
        "ProviderKind".into()
    }
}

/// The schema of a name that the configuration file can say too: without white space around it.
#[derive(ToSchema)]
#[schema(
    as = TidyName, min_length = 1, max_length = 100,
    pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
)]
#[expect(dead_code, reason = "a schema and never a value")]
pub struct TidyText(String);

/// The schema of a base URL. Names of hosts in other scripts are taken too; nothing it allows is refused.
/// Beyond it `{region}` and the names of options in braces stand for their values.
#[derive(ToSchema)]
#[schema(
    as = BaseUrl, max_length = 512,
    pattern = r"^https?://(([a-z0-9]+(-[a-z0-9]+)*\.)*[a-z][a-z0-9]*(-[a-z0-9]+)*|((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])|\[([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\]|\[::1\])(:[1-9][0-9]{0,3}|:[1-5][0-9]{4})?(/[A-Za-z0-9._~-]+)*/?$"
)]
#[expect(dead_code, reason = "a schema and never a value")]
pub struct UrlText(String);

/// An account at a vendor.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Provider)]
pub struct ProviderBody {
    pub id: Uuid,
    #[schema(value_type = TidyText)]
    pub name: String,
    pub kind: String,
    pub endpoint: String,
    #[schema(value_type = OptionsObject)]
    pub options: BTreeMap<String, String>,
    pub weight: u32,
    /// Requests a minute over all its models.
    pub rate_limit: Option<u32>,
    /// Tokens a minute over all its models, of prompts and answers together.
    pub token_limit: Option<u32>,
    /// Requests at once over all its models.
    pub max_concurrent: Option<u32>,
    pub allow_private_network: bool,
    /// Whether it gets requests.
    pub is_active: bool,
    /// The `ETag` without its quotes.
    pub version: i64,
    /// Unix seconds, as `updated_at`.
    pub created_at: i64,
    pub updated_at: i64,
}

impl From<&StoredProvider> for ProviderBody {
    fn from(provider: &StoredProvider) -> Self {
        Self {
            id: provider.id.0,
            name: provider.name.clone(),
            kind: provider.kind.clone(),
            endpoint: provider.endpoint.to_string(),
            options: shown(&provider.options),
            weight: provider.weight,
            rate_limit: provider.rate_limit,
            token_limit: provider.token_limit,
            max_concurrent: provider.max_concurrent,
            allow_private_network: provider.allow_private_network,
            is_active: provider.is_active,
            version: provider.version,
            created_at: provider.created_at_ms.div_euclid(1000),
            updated_at: provider.updated_at_ms.div_euclid(1000),
        }
    }
}

/// A provider to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProvider {
    #[schema(value_type = TidyText)]
    pub name: String,
    #[schema(value_type = KindText)]
    pub kind: String,
    /// The base URL; the vendor's own where it is left away. Without TLS only in a private network.
    #[serde(default)]
    #[schema(value_type = Option<UrlText>, nullable = false)]
    pub endpoint: Option<String>,
    #[serde(default)]
    #[schema(value_type = OptionsObject, required = false)]
    pub options: BTreeMap<String, String>,
    /// Its share among the providers of one alias; 0 takes requests only when no other can.
    #[serde(default = "usual_weight")]
    #[schema(minimum = 0, maximum = 1_000_000, default = 100)]
    pub weight: u32,
    /// Requests a minute over all its models.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub rate_limit: Option<u32>,
    /// Tokens a minute over all its models, of prompts and answers together.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub token_limit: Option<u32>,
    /// Requests at once over all its models.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub max_concurrent: Option<u32>,
    /// Whether addresses inside private networks may be connected to.
    #[serde(default)]
    #[schema(default = false)]
    pub allow_private_network: bool,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub is_active: bool,
    /// Makes its first credential, which is called `default`.
    #[serde(default)]
    #[schema(nullable = false, write_only)]
    pub api_key: Option<KeyText>,
}

pub fn usual_weight() -> u32 {
    100
}

pub fn yes() -> bool {
    true
}

/// What is to be another in a provider; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = TidyText, required = false)]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = KindText, required = false)]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "present")]
    /// On another server than before it needs `api_key`.
    #[schema(value_type = UrlText, required = false)]
    pub endpoint: Option<String>,
    /// All of them: what is left away goes.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = OptionsObject, required = false)]
    pub options: Option<BTreeMap<String, String>>,
    /// The key of the credential `default`, in the place of the one that is there. With an endpoint on another
    /// server it takes the place of every credential.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = KeyText, required = false, write_only)]
    pub api_key: Option<KeyText>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = u32, required = false, minimum = 0, maximum = 1_000_000)]
    pub weight: Option<u32>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    pub rate_limit: Option<Option<u32>>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    pub token_limit: Option<Option<u32>>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    pub max_concurrent: Option<Option<u32>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    pub allow_private_network: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    pub is_active: Option<bool>,
}

/// A name that the configuration file can say too.
pub fn check_name(check: &mut Check, pointer: &str, text: &str) {
    check.name(pointer, text);
    check_trimmed(check, pointer, text);
}

/// The name of a model, ours or the provider's.
pub fn check_model(check: &mut Check, pointer: &str, text: &str) {
    if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        check.flaw(pointer, format!("is not 1 to {TEXT_BYTES_MAX} bytes without control characters"));
    }
    check_trimmed(check, pointer, text);
}

fn check_trimmed(check: &mut Check, pointer: &str, text: &str) {
    if text.trim() != text {
        check.flaw(pointer, "begins or ends with white space; take it away");
    }
}

pub fn check_kind(check: &mut Check, pointer: &str, kind: &str) {
    if registry::dialect(kind).is_none() {
        check
            .flaw(pointer, "is no kind that is spoken here; `nexus provider kinds` lists them, as the description does under `ProviderKind`");
    }
}

pub fn check_weight(check: &mut Check, pointer: &str, weight: u32) {
    check.within(pointer, weight.into(), 0, i64::try_from(WEIGHT_MAX).unwrap_or(i64::MAX));
}

/// Requests a minute, tokens a minute, requests at once, of the thing at this pointer.
pub fn check_limits(check: &mut Check, at: &str, limits: [Option<u32>; 3]) {
    for (name, limit) in ["rate_limit", "token_limit", "max_concurrent"].into_iter().zip(limits) {
        check_rate(check, &format!("{at}/{name}"), limit);
    }
}

pub fn check_rate(check: &mut Check, pointer: &str, limit: Option<u32>) {
    if let Some(rate) = limit {
        check.within(pointer, rate.into(), 1, LIMIT_MAX);
    }
}

/// A base URL, judged for its shape alone; where it leads is judged each time it is connected to.
pub fn read_endpoint(check: &mut Check, pointer: &str, text: &str) -> Option<Template> {
    if text.len() > TEXT_BYTES_MAX {
        check.flaw(pointer, format!("is longer than {TEXT_BYTES_MAX} bytes; shorten it"));
        return None;
    }
    Template::parse(text).map_err(|bad| check.flaw(pointer, bad.to_string())).ok()
}

/// The endpoint of a kind for which none is said.
pub fn usual_endpoint(check: &mut Check, pointer: &str, kind: &str) -> Option<Template> {
    let endpoint = Template::parse(registry::kind(kind)?.base_url).ok();
    if endpoint.is_none() {
        check.flaw(pointer, "is missing; this kind has no endpoint of its own");
    }
    endpoint
}

/// A key is sent to the server it was given for: whoever may move a provider elsewhere does not learn its keys.
pub fn check_key(check: &mut Check, pointer: &str, given: Option<&KeyText>) {
    if given.is_none() {
        let why = "is missing: the endpoint leads to another server, and the keys that are there are not sent to it; \
                   give the key for it, which takes the place of the others";
        check.flaw(pointer, why);
    }
}

/// Keys go over the open internet under TLS only.
pub fn check_way(check: &mut Check, pointer: &str, endpoint: &Template, allow_private_network: bool) {
    if !endpoint.is_tls() && !allow_private_network {
        check.flaw(pointer, "is not `https`; only with `allow_private_network` may it be `http`");
    }
}

impl NewProvider {
    /// Its endpoint and its options, where everything it says can be.
    pub fn check(&self, check: &mut Check) -> Option<(Template, Options)> {
        check_name(check, "/name", &self.name);
        check_kind(check, "/kind", &self.kind);
        check_weight(check, "/weight", self.weight);
        check_limits(check, "", [self.rate_limit, self.token_limit, self.max_concurrent]);
        if let Some(key) = &self.api_key {
            key.check(check, "/api_key");
        }
        let endpoint = match &self.endpoint {
            Some(text) => read_endpoint(check, "/endpoint", text),
            None => usual_endpoint(check, "/endpoint", &self.kind),
        }?;
        check_way(check, "/endpoint", &endpoint, self.allow_private_network);
        let options = check_options(check, "", &self.kind, &endpoint, &self.options);
        Some((endpoint, options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaws(wish: &str) -> Vec<String> {
        let wish: NewProvider = serde_json::from_str(wish).unwrap();
        let mut check = Check::default();
        wish.check(&mut check);
        let problem = check.finish();
        problem
            .err()
            .map(|problem| problem.errors.into_iter().map(|flaw| flaw.pointer).collect())
            .unwrap_or_default()
    }

    #[test]
    fn a_provider_that_cannot_be_is_refused_by_its_members() {
        for (wish, pointers) in [
            (r#"{"name":"a","kind":"openai"}"#, vec![]),
            (r#"{"name":"a","kind":"anthropic"}"#, vec![]),
            (r#"{"name":"a","kind":"ollama","allow_private_network":true}"#, vec![]),
            (r#"{"name":"a","kind":"ollama"}"#, vec!["/endpoint"]),
            (r#"{"name":"a","kind":"custom"}"#, vec!["/endpoint"]),
            (r#"{"name":"a","kind":"custom","endpoint":"https://a.example/v1"}"#, vec![]),
            (r#"{"name":"a","kind":"custom","endpoint":"http://a.example/v1"}"#, vec!["/endpoint"]),
            (r#"{"name":"a","kind":"custom","endpoint":"https://u:p@a.example"}"#, vec!["/endpoint"]),
            (r#"{"name":"a","kind":"custom","endpoint":"https://a.example/${HOME}"}"#, vec!["/endpoint"]),
            (r#"{"name":"a","kind":"azure","options":{"resource":"acme"}}"#, vec![]),
            (r#"{"name":"a","kind":"azure"}"#, vec!["/options"]),
            (r#"{"name":"a","kind":"openai","options":{"region":"eu"}}"#, vec!["/options/region"]),
            (r#"{"name":" a","kind":"nobody","weight":1000001}"#, vec!["/name", "/kind", "/weight"]),
            (r#"{"name":"","kind":"openai","rate_limit":0}"#, vec!["/name", "/rate_limit"]),
            (r#"{"name":"a","kind":"openai","api_key":""}"#, vec!["/api_key"]),
            (r#"{"name":"a","kind":"openai","api_key":"a b"}"#, vec!["/api_key"]),
        ] {
            assert_eq!(flaws(wish), pointers, "{wish}");
        }
    }
}
