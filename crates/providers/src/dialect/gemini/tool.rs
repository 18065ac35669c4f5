//! Tools, which of them must be called, and the form an answer must have.

use std::borrow::Cow;

use nexus_wire::conversation::{
    members::Wrong,
    tool::{self, ResponseFormat, ToolChoice},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::model::Json;
use crate::part::structured::{self, ANSWER_TOOL};

/// What the model may use.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Tools<'a> {
    FunctionDeclarations(Vec<Declaration<'a>>),
    /// The vendor's own search, which needs no telling.
    GoogleSearch {},
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Declaration<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
    /// The vendor's `parameters` knows a part of JSON schema only.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a RawValue>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    function_calling_config: Calling<'a>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_function_names: Vec<Cow<'a, str>>,
}

/// The form of the answer's text.
#[derive(Clone, Debug, Default)]
pub(super) enum Form<'a> {
    #[default]
    Free,
    /// JSON because the prompt says so.
    Instructed,
    Json {
        schema: Option<&'a RawValue>,
    },
}

/// What the request offers to call.
#[derive(Clone, Debug)]
pub(super) struct Offer<'a> {
    /// At most one set of functions, or the search.
    pub(super) tools: Vec<Tools<'a>>,
    pub(super) config: Option<ToolConfig<'a>>,
    pub(super) form: Form<'a>,
}

pub(super) fn offer<'a>(
    tools: Vec<tool::Tool<'a>>,
    choice: ToolChoice<'a>,
    format: &ResponseFormat<'a>,
    json: Json,
) -> Result<Offer<'a>, Wrong> {
    structured::check_names(&tools)?;
    let is_free = tools.is_empty() || json == Json::BesideTools;
    let is_forced = matches!(choice, ToolChoice::Required | ToolChoice::Named(_));
    let form = match format {
        ResponseFormat::JsonObject if is_free => Form::Json { schema: None },
        ResponseFormat::JsonObject => Form::Instructed,
        ResponseFormat::JsonSchema { schema, .. } if is_free => Form::Json { schema: Some(schema) },
        ResponseFormat::JsonSchema { schema, description } if !is_forced => {
            return Ok(with_answer_tool(tools, &choice, schema, description.as_deref()));
        }
        // A call is wanted: its form is the tool's.
        ResponseFormat::JsonSchema { .. } | ResponseFormat::Text => Form::Free,
    };
    let config = chosen(choice, &tools);
    Ok(Offer { tools: set(tools.into_iter().map(declared).collect()), config, form })
}

impl Offer<'_> {
    /// Lets the model search. The vendor takes no functions beside its search, and before the third generation no
    /// form of the answer either.
    pub(super) fn search(mut self, json: Json) -> Result<Self, Wrong> {
        if !self.tools.is_empty() {
            return Err(Wrong::new(
                "web_search_options",
                "left away beside `tools`: this model takes one of both",
            ));
        }
        if json == Json::Alone && matches!(self.form, Form::Json { .. }) {
            let why = "left away beside `response_format`: this model takes one of both";
            return Err(Wrong::new("web_search_options", why));
        }
        self.tools.push(Tools::GoogleSearch {});
        Ok(self)
    }
}

fn set(function_declarations: Vec<Declaration<'_>>) -> Vec<Tools<'_>> {
    match function_declarations.is_empty() {
        true => Vec::new(),
        false => vec![Tools::FunctionDeclarations(function_declarations)],
    }
}

fn declared(tool: tool::Tool<'_>) -> Declaration<'_> {
    Declaration { name: tool.name, description: tool.description, parameters_json_schema: tool.parameters }
}

fn calling<'a>(mode: &'static str, allowed_function_names: Vec<Cow<'a, str>>) -> ToolConfig<'a> {
    ToolConfig { function_calling_config: Calling { mode, allowed_function_names } }
}

/// A choice among no tools says nothing. `VALIDATED` is `AUTO` with calls bound to their schemas.
fn chosen<'a>(choice: ToolChoice<'a>, tools: &[tool::Tool<'a>]) -> Option<ToolConfig<'a>> {
    let is_strict = tools.iter().any(|tool| tool.is_strict);
    Some(match choice {
        _ if tools.is_empty() => return None,
        ToolChoice::Unsaid | ToolChoice::Auto if is_strict => calling("VALIDATED", Vec::new()),
        ToolChoice::Unsaid => return None,
        ToolChoice::Auto => calling("AUTO", Vec::new()),
        ToolChoice::None => calling("NONE", Vec::new()),
        ToolChoice::Required => calling("ANY", Vec::new()),
        ToolChoice::Named(name) => calling("ANY", vec![name]),
    })
}

/// The tool whose arguments are the answer, beside the caller's own where those may be called.
fn with_answer_tool<'a>(
    tools: Vec<tool::Tool<'a>>,
    choice: &ToolChoice<'a>,
    schema: &'a RawValue,
    description: Option<&str>,
) -> Offer<'a> {
    let allowed = if *choice == ToolChoice::None { vec![Cow::Borrowed(ANSWER_TOOL)] } else { Vec::new() };
    let mut declarations: Vec<_> = tools.into_iter().map(declared).collect();
    declarations.push(Declaration {
        name: Cow::Borrowed(ANSWER_TOOL),
        description: Some(structured::answer_tool_is_for(description)),
        parameters_json_schema: Some(schema),
    });
    Offer { tools: set(declarations), config: Some(calling("ANY", allowed)), form: Form::Free }
}
