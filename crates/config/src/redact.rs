//! What holds, as YAML that may be shown to anyone.
//!
//! A field is shown because its kind says so: a new kind that can hold a secret must be hidden here.

use figment::{
    Figment,
    value::{Dict, Value},
};
use nexus_core::site::looks_secret;
use url::Url;

use crate::{
    environment::is_variable,
    field::{Field, Kind},
    raw::Raw,
};

const HIDDEN: &str = "***";

/// The merged layers as YAML; `None` where they cannot be written.
pub(crate) fn to_yaml(layers: &Figment) -> Option<String> {
    let merged = layers.extract::<Dict>().ok()?;
    serde_saphyr::to_string(&section(&merged, Raw::FIELDS)).ok()
}

/// Fields only: a key that is in no table is not shown.
fn section(dict: &Dict, fields: &[Field]) -> Dict {
    let shown = |field: &Field| Some((field.name.to_owned(), value(dict.get(field.name)?, field.kind)));
    fields.iter().filter_map(shown).collect()
}

fn value(value: &Value, kind: Kind) -> Value {
    match (kind, value) {
        (Kind::Section(fields), Value::Dict(_, dict)) => section(dict, fields).into(),
        (Kind::List(fields), Value::Array(_, items)) => {
            items.iter().map(|item| self::value(item, Kind::Section(fields))).collect::<Vec<_>>().into()
        }
        (Kind::Section(_) | Kind::List(_), _) => HIDDEN.into(),
        (Kind::Secret, _) => value.as_str().filter(|text| is_reference(text)).unwrap_or(HIDDEN).into(),
        (Kind::SecretUrl, _) => value.as_str().map_or_else(|| HIDDEN.to_owned(), redact_url).into(),
        (Kind::Named, Value::Dict(_, dict)) => {
            let shown = |text: &Value| match text.as_str() {
                Some(text) if !looks_secret(text) => text.into(),
                _ => Value::from(HIDDEN),
            };
            let name = |name: &str| if looks_secret(name) { HIDDEN.to_owned() } else { name.to_owned() };
            dict.iter().map(|(named, text)| (name(named), shown(text))).collect::<Dict>().into()
        }
        (Kind::Named, _) => HIDDEN.into(),
        (
            Kind::Text
            | Kind::Whole { .. }
            | Kind::Signed { .. }
            | Kind::Decimal
            | Kind::Flag
            | Kind::Choice(_)
            | Kind::Texts
            | Kind::Shares,
            _,
        ) => value.clone(),
    }
}

fn is_reference(text: &str) -> bool {
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(is_variable)
}

/// Scheme, host, port and path stay; user, password, query and fragment do not.
fn redact_url(text: &str) -> String {
    if is_reference(text) {
        return text.to_owned();
    }
    if text.starts_with("sqlite://") && !text.contains(['?', '#', '@', '$']) {
        return text.to_owned();
    }
    let Ok(url) = Url::parse(text) else {
        return HIDDEN.to_owned();
    };
    let Some(host) = url.host_str() else {
        return HIDDEN.to_owned();
    };
    let user = if url.username().is_empty() && url.password().is_none() { "" } else { "***@" };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = if url.query().is_some() || url.fragment().is_some() { "?***" } else { "" };
    format!("{}://{user}{host}{port}{}{query}", url.scheme(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_place_and_loses_its_secrets() {
        for (url, expected) in [
            ("sqlite://nexus-data/nexus.db", "sqlite://nexus-data/nexus.db"),
            ("sqlite:///var/lib/a b.db", "sqlite:///var/lib/a b.db"),
            ("sqlite://x.db?key=hunter2", "sqlite://x.db?***"),
            ("postgres://db/nexus", "postgres://db/nexus"),
            ("postgres://nexus:hunter2@db:5433/nexus", "postgres://***@db:5433/nexus"),
            ("postgres://hunter2@db/nexus", "postgres://***@db/nexus"),
            ("postgres://db/nexus?password=hunter2#hunter2", "postgres://db/nexus?***"),
            ("postgres://u:${PASSWORD}@db/nexus", "postgres://***@db/nexus"),
            ("${DATABASE}", "${DATABASE}"),
            ("hunter2", "***"),
            ("mailto:hunter2", "***"),
            ("hunter2:", "***"),
        ] {
            assert_eq!(redact_url(url), expected, "{url}");
        }
    }
}
