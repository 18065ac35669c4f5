//! What a provider's kind takes beside the rest: held against what the kind knows.
//!
//! Options are shown to whoever may see providers: what looks like a secret is refused and not repeated.

use std::collections::BTreeMap;

use nexus_core::{
    endpoint::{Template, Unfilled},
    site::{Options, Site, looks_secret},
};
use nexus_providers::registry::{self, Kind, Known};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::admin::check::Check;

/// The option, and the place of an endpoint, that a route's regions take the place of.
const REGION: &str = "region";

/// The schema of options.
pub struct OptionsObject;

impl PartialSchema for OptionsObject {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(200));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(text))
            .description(Some(described()))
            .into()
    }
}

impl ToSchema for OptionsObject {
    fn name() -> std::borrow::Cow<'static, str> {
        "ProviderOptions".into()
    }
}

/// Every option of every kind, for people.
fn described() -> String {
    let mut text = "What the kind takes beside the rest. No secret belongs here.".to_owned();
    text.push_str("\n\nEvery kind:");
    for Known { name, form, meaning, .. } in registry::COMMON {
        text.push_str(&format!("\n- `{name}`: {meaning} (`{}`)", form.pattern()));
    }
    for kind in registry::kinds().filter(|kind| !kind.options.is_empty()) {
        text.push_str(&format!("\n\n`{}`:", kind.id));
        for Known { name, is_required, form, meaning } in kind.options {
            let need = if *is_required { "required; " } else { "" };
            text.push_str(&format!("\n- `{name}`: {need}{meaning} (`{}`)", form.pattern()));
        }
    }
    text
}

/// A provider's options as answers show them.
pub fn shown(options: &Options) -> BTreeMap<String, String> {
    options.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Holds options against the kind and the endpoint they are for. `at` is where the provider stands.
pub fn check_options(
    check: &mut Check,
    at: &str,
    kind: &str,
    endpoint: &Template,
    options: &BTreeMap<String, String>,
) -> Options {
    let Some(kind) = registry::kind(kind) else { return Options::default() };
    for (name, value) in options {
        let pointer = format!("{at}/options/{}", name.replace('~', "~0").replace('/', "~1"));
        match kind.option(name) {
            None if looks_secret(name) => {
                check.flaw(&format!("{at}/options"), "has a name that looks like a secret");
            }
            None => check.flaw(&pointer, format!("is no option of the kind `{}`; {}", kind.id, known(&kind))),
            Some(_) if looks_secret(value) => {
                check.flaw(&pointer, "looks like a secret; a key belongs into `api_key` or a credential");
            }
            Some(known) if !known.form.takes(value) => {
                check.flaw(&pointer, format!("does not match `{}`: {}", known.form.pattern(), known.meaning));
            }
            Some(_) => {}
        }
    }
    let lacks = |name: &str| !options.contains_key(name);
    for known in kind.options.iter().filter(|known| known.is_required && lacks(known.name)) {
        check.flaw(&format!("{at}/options"), format!("lacks `{}`: {}", known.name, known.meaning));
    }
    check_places(check, at, &kind, endpoint, options)
}

/// Every place of the endpoint is to be filled by an option. A region that is none of the kind's is brought by the
/// routes alone.
fn check_places(
    check: &mut Check,
    at: &str,
    kind: &Kind,
    endpoint: &Template,
    options: &BTreeMap<String, String>,
) -> Options {
    for (place, is_needed) in endpoint.places() {
        match kind.option(place) {
            None if place == REGION => {}
            None => check.flaw(
                &format!("{at}/endpoint"),
                format!("has the place `{{{place}}}`, which is no option of the kind `{}`", kind.id),
            ),
            Some(known) if is_needed && !known.is_required && !options.contains_key(place) => {
                check.flaw(&format!("{at}/options"), format!("lacks `{place}`: {}", known.meaning));
            }
            Some(_) => {}
        }
    }
    let options: Options = options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let site = Site { region: options.option(REGION).or(Some("region")), options: &options, base_path: "" };
    if let Err(unfit @ Unfilled::Unfit(_)) = endpoint.fill(site) {
        check.flaw(&format!("{at}/options"), unfit.to_string());
    }
    options
}

fn known(kind: &Kind) -> String {
    let names: Vec<_> = kind.all_options().map(|known| format!("`{}`", known.name)).collect();
    format!("it takes {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_held_against_what_the_kind_knows() {
        const AZURE: &str = "https://{resource}.openai.azure.com";
        for (kind, endpoint, options, expected) in [
            ("azure", AZURE, &[("resource", "acme")][..], &[][..]),
            ("azure", AZURE, &[("resource", "acme"), ("api_version", "2024-10-21")], &[]),
            ("azure", "https://acme.openai.azure.com", &[], &[]),
            ("azure", "https://acme-{region}.openai.azure.com", &[], &[]),
            ("azure", AZURE, &[], &["/options lacks `resource`"]),
            ("bedrock", "https://runtime.{region}.example", &[], &["/options lacks `region`"]),
            ("bedrock", "https://runtime.eu-west-1.example", &[], &[]),
            ("vertex", "https://{region-}ai.example", &[("project", "p")], &[]),
            ("vertex", "https://ai.example", &[("region", "eu")], &["/options lacks `project`"]),
            (
                "azure",
                AZURE,
                &[("resource", "a/b")],
                &["/options/resource does not match", "/options the `resource` cannot stand"],
            ),
            (
                "azure",
                "https://acme.openai.azure.com",
                &[("version", "v1")],
                &[
                    "/options/version is no option of the kind `azure`; it takes `resource`, `api_version`, `credentials`, `client_id`, `health_check_s`, `read_on_s`, `read_on_kib`",
                ],
            ),
            (
                "openai",
                "https://a.example",
                &[("a/b", "c")],
                &[
                    "/options/a~1b is no option of the kind `openai`; it takes `health_check_s`, `read_on_s`, `read_on_kib`",
                ],
            ),
            ("openai", "https://a.example", &[("health_check_s", "30")], &[]),
            (
                "openai",
                "https://a.example",
                &[("health_check_s", "3")],
                &["/options/health_check_s does not match `^(5|10|15|30|60|120|300|600)$`: seconds between"],
            ),
            ("openai", "https://{resource}.example", &[], &["/endpoint has the place `{resource}`"]),
            ("azure", AZURE, &[("resource", "sk-canary")], &["/options/resource looks like a secret"]),
            ("azure", AZURE, &[("resource", "acme"), ("sk-canary", "")], &["/options has a name that looks"]),
            ("nobody", "https://a.example", &[("a", "b")], &[]),
        ] {
            let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let mut check = Check::default();
            check_options(&mut check, "", kind, &Template::parse(endpoint).unwrap(), &options.collect());
            let flaws = check.finish().err().map(|problem| problem.errors).unwrap_or_default();
            let flaws: Vec<_> =
                flaws.iter().map(|flaw| format!("{} {}", flaw.pointer, flaw.detail)).collect();
            assert_eq!(flaws.len(), expected.len(), "{kind} {endpoint}: {flaws:?}");
            for (flaw, expected) in flaws.iter().zip(expected) {
                assert!(flaw.starts_with(expected) && !flaw.contains("canary"), "{flaw}");
            }
        }
    }
}
