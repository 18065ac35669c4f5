//! The tools a request offers, which of them must be called, and the form the answer must have.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::members::{self, Members, Wrong};

/// A function the model may call.
#[derive(Clone, Debug)]
pub struct Tool<'a> {
    pub name: Cow<'a, str>,
    pub description: Option<Cow<'a, str>>,
    /// A JSON schema, an object.
    pub parameters: Option<&'a RawValue>,
    pub is_strict: bool,
    /// The extension of `message`, on the tool or its function.
    pub cache_control: Option<&'a RawValue>,
}

/// Whether tools are called, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    Unsaid,
    Auto,
    None,
    Required,
    Named(Cow<'a, str>),
}

#[derive(Clone, Debug)]
pub enum ResponseFormat<'a> {
    Text,
    JsonObject,
    JsonSchema {
        /// An object.
        schema: &'a RawValue,
        description: Option<Cow<'a, str>>,
    },
}

impl<'a> Tool<'a> {
    pub(super) fn read(value: &'a RawValue) -> Result<Self, Wrong> {
        let members = members::object(value)?;
        if members.needed("type")? != "function" {
            return Err(Wrong::new("type", "`function` for this model"));
        }
        let function = members.object("function")?.ok_or_else(|| Wrong::new("function", "an object"))?;
        let cache_control = members.raw("cache_control").or(function.raw("cache_control"));
        let read = || {
            Ok(Self {
                name: function.needed("name")?,
                description: function.text("description")?,
                parameters: object(&function, "parameters")?,
                is_strict: function.read_as("strict", "`true` or `false`")?.unwrap_or(false),
                cache_control,
            })
        };
        read().map_err(|wrong: Wrong| wrong.under("function"))
    }
}

/// A member that must be an object, as it stands.
fn object<'a>(members: &Members<'a>, name: &str) -> Result<Option<&'a RawValue>, Wrong> {
    match members.raw(name) {
        Some(value) if !value.get().starts_with('{') => Err(Wrong::new(name, "an object")),
        value => Ok(value),
    }
}

const CHOICE: &str = "`none`, `auto`, `required` or the name of a function";

impl<'a> ToolChoice<'a> {
    pub(super) fn read(members: &Members<'a>) -> Result<Self, Wrong> {
        let wrong = || Wrong::new("tool_choice", CHOICE);
        let Some(value) = members.raw("tool_choice") else { return Ok(Self::Unsaid) };
        if let Ok(word) = members::string(value) {
            return match &*word {
                "auto" => Ok(Self::Auto),
                "none" => Ok(Self::None),
                "required" => Ok(Self::Required),
                _ => Err(wrong()),
            };
        }
        let choice = Members::read(value.get()).ok_or_else(wrong)?;
        let function = choice.object("function").ok().flatten().ok_or_else(wrong)?;
        function.needed("name").map(Self::Named).map_err(|_| wrong())
    }
}

impl<'a> ResponseFormat<'a> {
    pub(super) fn read(members: &Members<'a>) -> Result<Self, Wrong> {
        let Some(format) = members.object("response_format")? else { return Ok(Self::Text) };
        let read = || match &*format.needed("type")? {
            "text" => Ok(Self::Text),
            "json_object" => Ok(Self::JsonObject),
            "json_schema" => {
                let said = format.object("json_schema")?.unwrap_or_default();
                let schema = object(&said, "schema").map_err(|wrong| wrong.under("json_schema"))?;
                let missing = || Wrong::new("json_schema.schema", "an object");
                let description = said.text("description").map_err(|wrong| wrong.under("json_schema"))?;
                Ok(Self::JsonSchema { schema: schema.ok_or_else(missing)?, description })
            }
            _ => Err(Wrong::new("type", "`text`, `json_object` or `json_schema`")),
        };
        read().map_err(|wrong| wrong.under("response_format"))
    }
}
