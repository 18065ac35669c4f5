//! Tools, and which of them must be called.

use std::borrow::Cow;

use nexus_wire::{chat::BodyError, conversation::members::Wrong};
use serde_json::value::RawValue;

use super::{said::Said, schema};
use crate::{
    part::object::{Object, array},
    tongue::body::Retelling,
};

/// Tools that the vendor runs itself: a model that does not know them calls none.
const RUN_BY_THE_VENDOR: &[&str] = &[
    "googleSearch",
    "googleSearchRetrieval",
    "enterpriseWebSearch",
    "urlContext",
    "codeExecution",
    "googleMaps",
];

/// Tools that look into what the provider's account keeps, which is every caller's.
pub(super) const OF_THE_ACCOUNT: &[&str] = &["fileSearch", "retrieval"];

const FUNCTIONS: &str = "functionDeclarations";

/// Tells of the request's tools.
pub(super) fn tools(said: &Said<'_>, told: Object, telling: &mut Retelling) -> Result<Object, BodyError> {
    let config = said.object("toolConfig")?.object("functionCallingConfig")?;
    let mode = config.word("mode").to_ascii_uppercase();
    let allowed: Vec<Cow<'_, str>> = config
        .list("allowedFunctionNames")?
        .into_iter()
        .filter_map(|name| serde_json::from_str(name.get()).ok())
        .collect();
    let mut tools = Vec::new();
    for (at, raw) in said.list("tools")?.into_iter().enumerate() {
        let path = format!("tools[{at}]");
        let tool = Said::read(raw).ok_or_else(|| Wrong::new(&*path, "an object"))?;
        for name in tool.names() {
            if name != FUNCTIONS && !RUN_BY_THE_VENDOR.contains(&&*name) {
                let message = format!(
                    "only Google's own models know the tool `{name}`; say it as one of `functionDeclarations`"
                );
                telling.cannot(format!("{path}.{name}"), message);
            }
        }
        for (at, raw) in tool.list(FUNCTIONS).map_err(|wrong| wrong.under(&path))?.into_iter().enumerate() {
            let path = format!("{path}.{FUNCTIONS}[{at}]");
            let (name, tool) = declared(raw, &path)?;
            if allowed.is_empty() || allowed.contains(&name) {
                tools.push(tool);
            }
        }
    }
    if tools.is_empty() {
        return match allowed.is_empty() {
            true => Ok(told),
            false => Err(Wrong::new(
                "toolConfig.functionCallingConfig.allowedFunctionNames",
                "names of functions that are declared",
            )
            .into()),
        };
    }
    let told = told.raw("tools", &array(&tools));
    Ok(match (&*mode, &*allowed) {
        ("" | "MODE_UNSPECIFIED", _) => told,
        ("AUTO" | "VALIDATED", _) => told.text("tool_choice", "auto"),
        ("NONE", _) => told.text("tool_choice", "none"),
        ("ANY", [name]) => {
            let function = Object::default().text("name", name).done();
            told.raw("tool_choice", &Object::of("function").raw("function", &function).done())
        }
        ("ANY", _) => told.text("tool_choice", "required"),
        _ => {
            let path = "toolConfig.functionCallingConfig.mode";
            return Err(Wrong::new(path, "`AUTO`, `ANY`, `NONE` or `VALIDATED`").into());
        }
    })
}

fn declared<'a>(raw: &'a RawValue, path: &str) -> Result<(Cow<'a, str>, String), Wrong> {
    let said = Said::read(raw).ok_or_else(|| Wrong::new(path, "an object"))?;
    let name = said.needed("name").map_err(|wrong| wrong.under(path))?;
    let function = Object::default().text("name", &name);
    let function = function.maybe("description", said.raw("description").map(RawValue::get));
    let parameters = match said.raw("parametersJsonSchema") {
        Some(schema) => Some(schema.get().to_owned()),
        None => said.raw("parameters").map(schema::json_schema),
    };
    let function = function.maybe("parameters", parameters.as_deref());
    Ok((name, Object::of("function").raw("function", &function.done()).done()))
}
