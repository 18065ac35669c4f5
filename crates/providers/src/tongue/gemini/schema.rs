//! Google's schemas, which are a part of OpenAPI's, as JSON schemas: kinds in lower case, counts as numbers, `nullable` as a
//! kind. Members stay in their order, as models write in it.

use serde_json::value::RawValue;

use super::said::{Said, camel};
use crate::part::object::{Object, array, quoted};

/// How deep a schema may be nested; what is deeper is left out.
const DEPTH_MAX: usize = 64;

/// Counts that Google's JSON may write in quotes.
const COUNTS: &[&str] = &["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

/// A schema of Google's as JSON.
pub(super) fn json_schema(schema: &RawValue) -> String {
    translated(schema, DEPTH_MAX)
}

fn translated(schema: &RawValue, depth: usize) -> String {
    let Some(said) = Said::read(schema).filter(|_| depth > 0) else { return "{}".to_owned() };
    let is_nullable = said.flag("nullable");
    let mut told = Object::default();
    for (name, value) in said.0.iter().filter(|(_, value)| value.get() != "null") {
        let inner = |value: &RawValue| translated(value, depth - 1);
        let name = camel(name);
        told = match &*name {
            "type" => {
                let kind = quoted(&said.word("type").to_ascii_lowercase());
                told.raw("type", &if is_nullable { array(&[&*kind, "\"null\""]) } else { kind })
            }
            // Google's own: the first is said with the kind, the second by the order here
            "nullable" | "propertyOrdering" => told,
            // the one word there of a string that JSON schema has no such word for
            "format" if matches!(value.get(), "\"enum\"" | "\"\"") => told,
            "properties" | "defs" => {
                let Some(properties) = Said::read(value) else { continue };
                let written = properties
                    .0
                    .iter()
                    .fold(Object::default(), |written, (name, value)| written.raw_named(name, &inner(value)));
                told.raw(&name, &written.done())
            }
            "items" | "additionalProperties" if value.get().starts_with('{') => {
                told.raw(&name, &inner(value))
            }
            "anyOf" | "prefixItems" => {
                let Ok(all) = said.list(&name) else { continue };
                told.raw(&name, &array(&all.into_iter().map(inner).collect::<Vec<_>>()))
            }
            name if COUNTS.contains(&name) => told.raw(name, value.get().trim_matches('"')),
            name => told.raw_named(name, value.get()),
        };
    }
    told.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_of_google_s_is_a_json_schema() {
        for (schema, expected) in [
            (
                r#"{"type":"OBJECT","properties":{"z_a":{"type":"STRING","nullable":true},"a":{"type":"ARRAY","items":{"type":"INTEGER"},"minItems":"1"}},"required":["z_a"],"propertyOrdering":["z_a","a"]}"#,
                r#"{"type":"object","properties":{"z_a":{"type":["string","null"]},"a":{"type":"array","items":{"type":"integer"},"minItems":1}},"required":["z_a"]}"#,
            ),
            (
                r#"{"type":"STRING","format":"enum","enum":["a","b"]}"#,
                r#"{"type":"string","enum":["a","b"]}"#,
            ),
            (
                r#"{"any_of":[{"type":"NUMBER"},{"type":"NULL"}],"description":"d","format":null}"#,
                r#"{"anyOf":[{"type":"number"},{"type":"null"}],"description":"d"}"#,
            ),
            (
                r#"{"type":"OBJECT","properties":{"a\"b":{}}}"#,
                r#"{"type":"object","properties":{"a\"b":{}}}"#,
            ),
            ("7", "{}"),
        ] {
            let schema = RawValue::from_string(schema.to_owned()).unwrap();
            assert_eq!(json_schema(&schema), expected);
        }
        let deep = format!("{}{}", r#"{"items":"#.repeat(100), "{}".to_owned() + &"}".repeat(100));
        let deep = RawValue::from_string(deep).unwrap();
        assert_eq!(json_schema(&deep).matches("items").count(), DEPTH_MAX);
    }
}
