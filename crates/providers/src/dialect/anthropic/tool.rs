//! Tools, which of them must be called, and the form an answer must have.

use std::borrow::Cow;

use nexus_wire::conversation::{
    members::{Members, Wrong},
    tool::{self, ResponseFormat, ToolChoice},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::model::Schema;
use crate::part::structured::{self, ANSWER_TOOL};

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Tool<'a> {
    /// The caller's own.
    Function(Function<'a>),
    /// The vendor's own search of the web.
    Search(Search<'a>),
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Function<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
    input_schema: Box<RawValue>,
    #[serde(skip_serializing_if = "is_false")]
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<&'a RawValue>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Search<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_location: Option<Location<'a>>,
}

#[derive(Clone, Debug, Serialize)]
struct Location<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<Cow<'a, str>>,
}

/// The version of the vendor's search that all its models and hosts know.
const SEARCH: &str = "web_search_20250305";
const SEARCH_NAME: &str = "web_search";

/// The member that wishes for a search.
const WISH: &str = "web_search_options";

impl<'a> Search<'a> {
    /// As `web_search_options` has it. How much is searched is the model's to decide.
    fn read(wish: &Members<'a>) -> Result<Self, Wrong> {
        let place = wish.object("user_location")?.map(|place| place.object("approximate")).transpose()?;
        let location = |place: Members<'a>| -> Result<Location<'a>, Wrong> {
            Ok(Location {
                kind: "approximate",
                city: place.text("city")?,
                region: place.text("region")?,
                country: place.text("country")?,
                timezone: place.text("timezone")?,
            })
        };
        let user_location = place.flatten().map(location).transpose()?;
        Ok(Self { kind: SEARCH, name: SEARCH_NAME, user_location })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that `serde` calls")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in crate::dialect) enum Choice<'a> {
    Auto {
        #[serde(skip_serializing_if = "is_false")]
        disable_parallel_tool_use: bool,
    },
    Any {
        #[serde(skip_serializing_if = "is_false")]
        disable_parallel_tool_use: bool,
    },
    Tool {
        name: Cow<'a, str>,
        #[serde(skip_serializing_if = "is_false")]
        disable_parallel_tool_use: bool,
    },
    None,
}

impl Choice<'_> {
    /// Whether the model has no choice but to call something.
    pub(super) fn is_forced(&self) -> bool {
        matches!(self, Self::Any { .. } | Self::Tool { .. })
    }
}

/// Whether the model may call several tools at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect) enum Parallel {
    Allowed,
    OneByOne,
}

/// What the request offers to call.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer<'a> {
    pub(super) tools: Vec<Tool<'a>>,
    pub(super) choice: Option<Choice<'a>>,
    /// The schema that binds the answer, where the model knows such a thing.
    pub(super) schema: Option<&'a RawValue>,
}

impl<'a> Offer<'a> {
    /// Lets the model search. Where an answer's form is a tool that must be called, it cannot.
    pub(super) fn search(mut self, wish: &Members<'a>) -> Result<Self, Wrong> {
        let is_called = |name: &str| {
            self.tools
                .iter()
                .position(|tool| matches!(tool, Tool::Function(function) if function.name == name))
        };
        if let Some(at) = is_called(SEARCH_NAME) {
            let why = "a name that is not the search's own beside `web_search_options`";
            return Err(Wrong::new(format!("tools[{at}].function.name"), why));
        }
        if is_called(ANSWER_TOOL).is_some() {
            let why = "left away beside `response_format`: this model takes one of both";
            return Err(Wrong::new(WISH, why));
        }
        self.tools.push(Tool::Search(Search::read(wish).map_err(|wrong| wrong.under(WISH))?));
        Ok(self)
    }
}

pub(super) fn offer<'a>(
    tools: Vec<tool::Tool<'a>>,
    choice: ToolChoice<'a>,
    parallel: Parallel,
    format: &ResponseFormat<'a>,
    schemas: Schema,
) -> Result<Offer<'a>, Wrong> {
    structured::check_names(&tools)?;
    let tools: Vec<_> = tools.into_iter().map(|tool| offered(tool, schemas)).collect();
    match format {
        ResponseFormat::JsonSchema { schema, .. } if schemas == Schema::Native => {
            Ok(Offer { choice: chosen(choice, parallel, &tools), tools, schema: Some(schema) })
        }
        // A call is wanted: its form is the tool's.
        ResponseFormat::JsonSchema { .. }
            if matches!(choice, ToolChoice::Required | ToolChoice::Named(_)) && !tools.is_empty() =>
        {
            Ok(Offer { choice: chosen(choice, parallel, &tools), tools, schema: None })
        }
        ResponseFormat::JsonSchema { schema, description } => {
            Ok(with_answer_tool(tools, &choice, schema, description.as_deref()))
        }
        ResponseFormat::Text | ResponseFormat::JsonObject => {
            Ok(Offer { choice: chosen(choice, parallel, &tools), tools, schema: None })
        }
    }
}

fn offered(tool: tool::Tool<'_>, schemas: Schema) -> Tool<'_> {
    Tool::Function(Function {
        name: tool.name,
        description: tool.description,
        input_schema: input_schema(tool.parameters),
        strict: tool.is_strict && schemas == Schema::Native,
        cache_control: tool.cache_control,
    })
}

/// The tool whose arguments are the answer, beside the caller's own where those may be called.
fn with_answer_tool<'a>(
    mut tools: Vec<Tool<'a>>,
    choice: &ToolChoice<'a>,
    schema: &'a RawValue,
    description: Option<&str>,
) -> Offer<'a> {
    let is_alone = tools.is_empty() || *choice == ToolChoice::None;
    tools.push(Tool::Function(Function {
        name: Cow::Borrowed(ANSWER_TOOL),
        description: Some(structured::answer_tool_is_for(description)),
        input_schema: input_schema(Some(schema)),
        strict: false,
        cache_control: None,
    }));
    // One answer, and none beside a call.
    let choice = if is_alone {
        Choice::Tool { name: Cow::Borrowed(ANSWER_TOOL), disable_parallel_tool_use: true }
    } else {
        Choice::Any { disable_parallel_tool_use: true }
    };
    Offer { tools, choice: Some(choice), schema: None }
}

/// The vendor refuses a choice without tools.
fn chosen<'a>(choice: ToolChoice<'a>, parallel: Parallel, tools: &[Tool<'_>]) -> Option<Choice<'a>> {
    let disable_parallel_tool_use = parallel == Parallel::OneByOne;
    let choice = match choice {
        _ if tools.is_empty() => return None,
        ToolChoice::Unsaid if parallel == Parallel::Allowed => return None,
        ToolChoice::Unsaid | ToolChoice::Auto => Choice::Auto { disable_parallel_tool_use },
        ToolChoice::Required => Choice::Any { disable_parallel_tool_use },
        ToolChoice::Named(name) => Choice::Tool { name, disable_parallel_tool_use },
        ToolChoice::None => Choice::None,
    };
    Some(choice)
}

/// A schema with the `type` that the vendor insists on.
pub(in crate::dialect) fn input_schema(parameters: Option<&RawValue>) -> Box<RawValue> {
    const ANY: &str = r#"{"type":"object","properties":{}}"#;
    let said = parameters.map_or(ANY, RawValue::get);
    let is_typed = Members::read(said).is_some_and(|members| members.raw("type").is_some());
    let rest = said.strip_prefix('{').unwrap_or_default().trim_start();
    let schema = match rest {
        _ if is_typed => said.to_owned(),
        "" | "}" => ANY.to_owned(),
        rest => format!(r#"{{"type":"object",{rest}"#),
    };
    RawValue::from_string(schema).unwrap_or_default()
}
