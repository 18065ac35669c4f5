//! Scopes as text: an object of lists, where a list that is left out sets no bound.
//!
//! Reading fails closed: an unknown member, a null or one bad entry makes the whole scope unreadable,
//! because leaving it out would widen what it was to narrow.

use nexus_core::scope::{Pattern, Scope};
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Option::is_none")]
    models: Option<Vec<String>>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Option::is_none")]
    providers: Option<Vec<String>>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Option::is_none")]
    addresses: Option<Vec<String>>,
}

/// A member that is there is a list.
fn list<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(reader).map(Some)
}

pub(super) fn read(text: &str) -> Option<Scope> {
    // serde takes a list for an object too, and an empty one would be the open scope
    if !text.starts_with('{') {
        return None;
    }
    let Written { models, providers, addresses } = serde_json::from_str(text).ok()?;
    Some(Scope {
        models: entries(models, |text| Pattern::parse(text).ok())?,
        providers: entries(providers, |text| Pattern::parse(text).ok())?,
        addresses: entries(addresses, |text| text.parse().ok())?,
    })
}

/// `None` where one entry cannot be read.
fn entries<T>(texts: Option<Vec<String>>, read: impl Fn(&str) -> Option<T>) -> Option<Option<Vec<T>>> {
    match texts {
        None => Some(None),
        Some(texts) => texts.iter().map(|text| read(text)).collect::<Option<_>>().map(Some),
    }
}

/// The scope as it stands in a row; the open one is `{}`.
pub(crate) fn written(scope: &Scope) -> String {
    fn texts<T>(list: &Option<Vec<T>>, text: impl Fn(&T) -> String) -> Option<Vec<String>> {
        list.as_ref().map(|list| list.iter().map(text).collect())
    }
    let written = Written {
        models: texts(&scope.models, |pattern| pattern.as_str().to_owned()),
        providers: texts(&scope.providers, |pattern| pattern.as_str().to_owned()),
        addresses: texts(&scope.addresses, ToString::to_string),
    };
    serde_json::json!(written).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_as_it_was_written() {
        for text in [
            "{}",
            r#"{"models":[]}"#,
            r#"{"models":["gpt-*","千问"],"providers":["azure"]}"#,
            r#"{"addresses":["10.0.0.0/8","2001:db8::/32"]}"#,
        ] {
            let scope = read(text).unwrap();
            assert_eq!(read(&written(&scope)), Some(scope), "{text}");
        }
        assert_eq!(written(&Scope::default()), "{}");
        assert_eq!(read("{}"), Some(Scope::default()));
        assert_eq!(written(&read(r#"{"models":[]}"#).unwrap()), r#"{"models":[]}"#);
    }

    #[test]
    fn what_is_not_understood_is_no_scope() {
        for text in [
            "",
            "null",
            "[]",
            r#"[["a"]]"#,
            r#"{"models":null}"#,
            r#"{"models":"gpt-4"}"#,
            r#"{"models":[""]}"#,
            r#"{"models":["a"],"models":["*"]}"#,
            r#"{"models":["a"],"regions":["eu"]}"#,
            r#"{"addresses":["10.0.0.0/33"]}"#,
            r#"{"addresses":["10.0.0.0/8","everywhere"]}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
