//! The least value that satisfies a JSON schema, for tool arguments and structured answers.
//!
//! Required members only, shortest arrays, null where null will do. `pattern`, `not` and `multipleOf` are not honoured. Recursion ends at a depth, so a hostile schema cannot hang the mock.

use serde_json::{Map, Value, json};

const MAX_DEPTH: u32 = 24;

/// An instance of `schema`.
pub(crate) fn instance(schema: &Value) -> Value {
    build(schema, schema, 0)
}

fn build(root: &Value, schema: &Value, depth: u32) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    let inner = |part: &Value| build(root, part, depth + 1);
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(value) = list(schema, "enum").first() {
        return value.clone();
    }
    if let Some(pointer) = schema.get("$ref").and_then(Value::as_str) {
        return root.pointer(pointer.trim_start_matches('#')).map_or(Value::Null, inner);
    }
    for choice in ["anyOf", "oneOf"] {
        let options = list(schema, choice);
        let null = options.iter().find(|option| kind(option) == "null");
        if let Some(option) = null.or(options.first()) {
            return inner(option);
        }
    }
    let parts = list(schema, "allOf");
    if !parts.is_empty() {
        return parts.iter().map(inner).reduce(merged).unwrap_or_default();
    }
    match kind(schema) {
        "object" => object(schema, inner),
        "array" => {
            let items = schema.get("items").map_or(Value::Null, inner);
            Value::Array((0..bound(schema, "minItems").unwrap_or(0)).map(|_| items.clone()).collect())
        }
        "string" => string(schema).into(),
        "integer" | "number" => number(schema),
        "boolean" => false.into(),
        _ => Value::Null,
    }
}

fn list<'a>(schema: &'a Value, name: &str) -> &'a [Value] {
    schema.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => names.first().and_then(Value::as_str).unwrap_or_default(),
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "",
    }
}

fn object(schema: &Value, inner: impl Fn(&Value) -> Value) -> Value {
    let value_of =
        |name: &str| schema.get("properties").and_then(|all| all.get(name)).map_or(Value::Null, &inner);
    let required = list(schema, "required").iter().filter_map(Value::as_str);
    required.map(|name| (name.to_owned(), value_of(name))).collect::<Map<_, _>>().into()
}

fn merged(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            one.extend(other);
            one.into()
        }
        (one, _) => one,
    }
}

fn string(schema: &Value) -> String {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date") => "2026-01-31",
        Some("date-time") => "2026-01-31T12:00:00Z",
        Some("time") => "12:00:00Z",
        Some("email") => "someone@example.com",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        Some("uri") => "https://example.com/",
        _ => "text",
    };
    let long = format!("{text:x<width$}", width = bound(schema, "minLength").unwrap_or(0));
    long.chars().take(bound(schema, "maxLength").unwrap_or(usize::MAX)).collect()
}

/// A length out of a schema; a monstrous one is cut, the mock's memory being bounded.
fn bound(schema: &Value, name: &str) -> Option<usize> {
    schema
        .get(name)
        .and_then(Value::as_u64)
        .and_then(|length| usize::try_from(length).ok())
        .map(|length| length.min(1000))
}

fn number(schema: &Value) -> Value {
    let limit = |name: &str| schema.get(name).and_then(Value::as_i64);
    let least = limit("minimum").or(limit("exclusiveMinimum").map(|least| least + 1)).unwrap_or(0);
    let most = limit("maximum").or(limit("exclusiveMaximum").map(|most| most - 1)).unwrap_or(least.max(0));
    json!(least.max(0).min(most).max(limit("minimum").unwrap_or(i64::MIN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_instance_of_each_kind_of_schema() {
        let cases = [
            (json!({"type": "string"}), json!("text")),
            (json!({"type": "string", "minLength": 6}), json!("textxx")),
            (json!({"type": "string", "maxLength": 2}), json!("te")),
            (json!({"type": "string", "format": "date"}), json!("2026-01-31")),
            (json!({"type": ["integer", "null"], "minimum": 3}), json!(3)),
            (json!({"type": "number", "exclusiveMinimum": 0}), json!(1)),
            (json!({"type": "integer", "maximum": -2}), json!(-2)),
            (json!({"type": "boolean"}), json!(false)),
            (json!({"type": "array", "items": {"type": "null"}}), json!([])),
            (json!({"items": {"enum": ["a", "b"]}, "minItems": 2}), json!(["a", "a"])),
            (json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), json!(null)),
            (json!({"oneOf": [{"const": 7}]}), json!(7)),
            (
                json!({"properties": {"a": {"type": "string"}, "b": {"type": "null"}}, "required": ["a"]}),
                json!({"a": "text"}),
            ),
            (
                json!({"allOf": [
                    {"properties": {"a": {"const": 1}}, "required": ["a"]},
                    {"properties": {"b": {"const": 2}}, "required": ["b"]},
                ]}),
                json!({"a": 1, "b": 2}),
            ),
            (json!({"$ref": "#/$defs/X", "$defs": {"X": {"type": "boolean"}}}), json!(false)),
            (json!({}), json!(null)),
        ];
        for (schema, expected) in cases {
            assert_eq!(instance(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_holds_itself_ends() {
        let schema = json!({"type": "object", "required": ["me"], "properties": {"me": {"$ref": "#"}}});
        assert!(instance(&schema).get("me").is_some());
    }
}
