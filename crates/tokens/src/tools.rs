//! Tokens of the functions a request offers.
//!
//! A model is not shown their JSON, so it is not counted: the figures are those of OpenAI's cookbook, "How to
//! count tokens with tiktoken", for gpt-4o, carried on into nested schemas.

use serde_json::{Map, Value};

use crate::meter::Meter;

/// Each function, before its name.
const FUNCTION: u64 = 7;
/// The properties of an object, if it has any.
const PROPERTIES: u64 = 3;
/// Each property, before its name.
const PROPERTY: u64 = 3;
/// Each value of an enumeration but the first.
const ENUM_VALUE: u64 = 3;
/// Behind the last function.
const END: u64 = 12;

/// Members of a schema that a model is not shown.
const UNSEEN: [&str; 6] = ["required", "additionalProperties", "strict", "title", "$schema", "$id"];

/// Counts the `tools` of a request, or its `functions` as they were once called, or the schema its answer must
/// have: that is shown to the model in much the same way.
pub(crate) fn count(tools: &[Value], meter: &mut Meter) {
    for tool in tools {
        meter.add(FUNCTION);
        let function = tool.get("function").unwrap_or(tool);
        match function.as_object() {
            Some(function) if function.contains_key("name") => count_function(function, meter),
            _ => meter.value(tool),
        }
    }
    if !tools.is_empty() {
        meter.add(END);
    }
}

fn count_function(function: &Map<String, Value>, meter: &mut Meter) {
    meter.text(&[text(function, "name"), text(function, "description")].join(":"));
    for (name, value) in function {
        match (name.as_str(), value.as_object()) {
            ("name" | "description", _) => {}
            ("parameters" | "schema", Some(schema)) => count_schema(schema, meter),
            (name, _) if UNSEEN.contains(&name) => {}
            _ => meter.value(value),
        }
    }
}

fn count_schema(schema: &Map<String, Value>, meter: &mut Meter) {
    for (name, value) in schema {
        match (name.as_str(), value) {
            ("type" | "description", Value::String(_)) => {}
            ("properties", Value::Object(properties)) if properties.is_empty() => {}
            ("properties", Value::Object(properties)) => {
                meter.add(PROPERTIES);
                properties.iter().for_each(|(name, schema)| count_property(name, schema, meter));
            }
            ("items", Value::Object(schema)) => count_schema(schema, meter),
            ("enum", Value::Array(values)) => {
                meter.add(ENUM_VALUE * (values.len() as u64).saturating_sub(1));
                values.iter().for_each(|value| meter.value(value));
            }
            (name, _) if UNSEEN.contains(&name) => {}
            _ => meter.value(value),
        }
    }
}

fn count_property(name: &str, schema: &Value, meter: &mut Meter) {
    meter.add(PROPERTY);
    match schema {
        Value::Object(schema) => {
            meter.text(&[name, text(schema, "type"), text(schema, "description")].join(":"));
            count_schema(schema, meter);
        }
        _ => meter.text(name),
    }
}

/// A member that is text, without the full stop at its end.
fn text<'a>(object: &'a Map<String, Value>, name: &str) -> &'a str {
    let text = object.get(name).and_then(Value::as_str).unwrap_or_default();
    text.strip_suffix('.').unwrap_or(text)
}
