//! Tools in OpenAI's form, for vendors that took it over.

use std::borrow::Cow;

use nexus_wire::conversation::tool;
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
pub(crate) struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
    parameters: Cow<'a, RawValue>,
}

/// A function that takes nothing.
const NOTHING: &str = r#"{"type":"object","properties":{}}"#;

impl<'a> Tool<'a> {
    /// With parameters, which the vendors insist on.
    pub(crate) fn of(tool: tool::Tool<'a>) -> Self {
        let tool::Tool { name, description, parameters, .. } = tool;
        let parameters = match parameters {
            Some(parameters) => Cow::Borrowed(parameters),
            None => Cow::Owned(RawValue::from_string(NOTHING.to_owned()).unwrap_or_default()),
        };
        Self { kind: "function", function: Function { name, description, parameters } }
    }
}
