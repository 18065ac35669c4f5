//! Tools, which of them must be called, and the form an answer must have.
//!
//! The vendor refuses a conversation with calls in it but no tools beside it, and knows neither "no call"
//! nor "one call at a time": Claude is told those in its own words.

use std::borrow::Cow;

use nexus_wire::conversation::{
    members::Wrong,
    tool::{self, ResponseFormat, ToolChoice},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::anthropic::{
        model::Schema,
        tool::{Choice as ClaudeChoice, Parallel, input_schema},
    },
    block::CachePoint,
    model::{Abilities, Demand, Family},
    turn::Caching,
};
use crate::part::structured::{self, ANSWER_TOOL};

/// Offered where a conversation has calls in it and there is nothing to call.
const NO_TOOL: &str = "nexus_no_tool";
const NO_TOOL_IS_FOR: &str = "There is no tool to call. Never call this one.";

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Tool<'a> {
    ToolSpec {
        name: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<Cow<'a, str>>,
        input_schema: InputSchema,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
    CachePoint(CachePoint),
}

#[derive(Clone, Debug, Serialize)]
struct InputSchema {
    json: Box<RawValue>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Choice<'a> {
    Auto {},
    Any {},
    Tool { name: Cow<'a, str> },
}

/// What the request says about calls, besides its tools.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) choice: ToolChoice<'a>,
    pub(super) parallel: Parallel,
    pub(super) format: ResponseFormat<'a>,
    /// Whether there are calls in the conversation.
    pub(super) has_calls: bool,
}

/// What the request offers to call.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer<'a> {
    pub(super) config: Option<ToolConfig<'a>>,
    /// The choice in Claude's own words, where the vendor has none for it.
    pub(super) claude: Option<ClaudeChoice<'a>>,
    /// The schema that binds the answer, where the model knows such a thing.
    pub(super) schema: Option<(&'a RawValue, Option<Cow<'a, str>>)>,
    /// Whether the model has no choice but to call something.
    pub(super) is_forced: bool,
}

pub(super) fn offer<'a>(
    tools: Vec<tool::Tool<'a>>,
    wanted: Wanted<'a>,
    abilities: &Abilities,
) -> Result<Offer<'a>, Wrong> {
    structured::check_names(&tools)?;
    let Wanted { choice, parallel, format, has_calls } = wanted;
    let is_call_wanted = matches!(choice, ToolChoice::Required | ToolChoice::Named(_)) && !tools.is_empty();
    let mut offered = offered(tools, abilities);
    match format {
        ResponseFormat::JsonSchema { schema, description } if abilities.schema == Schema::Native => {
            let offer = Chosen { choice, parallel, has_calls }.of(offered, abilities);
            Ok(Offer { schema: Some((schema, description)), ..offer })
        }
        // Where a call is wanted, its form is the tool's.
        ResponseFormat::JsonSchema { schema, description } if !is_call_wanted => {
            if choice == ToolChoice::None {
                offered.clear();
            }
            let choice = match offered.is_empty() {
                true => ToolChoice::Named(Cow::Borrowed(ANSWER_TOOL)),
                false => ToolChoice::Required,
            };
            offered.push(answer_tool(schema, description.as_deref()));
            // One answer, and none beside a call.
            let chosen = Chosen { choice, parallel: Parallel::OneByOne, has_calls };
            Ok(chosen.of(offered, abilities))
        }
        _ => Ok(Chosen { choice, parallel, has_calls }.of(offered, abilities)),
    }
}

fn offered<'a>(tools: Vec<tool::Tool<'a>>, abilities: &Abilities) -> Vec<Tool<'a>> {
    let mut offered = Vec::with_capacity(tools.len());
    for tool in tools {
        let mark = tool.cache_control.filter(|_| abilities.caching == Caching::Marked);
        offered.push(Tool::ToolSpec {
            name: tool.name,
            description: tool.description.filter(|words| !words.trim().is_empty()),
            input_schema: InputSchema { json: input_schema(tool.parameters) },
            strict: (tool.is_strict && abilities.schema == Schema::Native).then_some(true),
        });
        offered.extend(mark.map(|mark| Tool::CachePoint(CachePoint::read(mark))));
    }
    offered
}

fn answer_tool<'a>(schema: &RawValue, description: Option<&str>) -> Tool<'a> {
    Tool::ToolSpec {
        name: Cow::Borrowed(ANSWER_TOOL),
        description: Some(structured::answer_tool_is_for(description)),
        input_schema: InputSchema { json: input_schema(Some(schema)) },
        strict: None,
    }
}

/// Which calls the caller wants, with what bears on how it is said.
struct Chosen<'a> {
    choice: ToolChoice<'a>,
    parallel: Parallel,
    has_calls: bool,
}

impl<'a> Chosen<'a> {
    fn of(self, mut tools: Vec<Tool<'a>>, abilities: &Abilities) -> Offer<'a> {
        let is_claude = matches!(abilities.family, Family::Claude(_));
        if self.choice == ToolChoice::None && !self.has_calls {
            tools.clear();
        }
        if tools.is_empty() {
            let config = self.has_calls.then(|| ToolConfig { tools: vec![no_tool()], tool_choice: None });
            return Offer { config, ..Offer::default() };
        }
        let is_forced = matches!(self.choice, ToolChoice::Required | ToolChoice::Named(_));
        let claude = is_claude.then(|| self.for_claude()).flatten();
        let tool_choice =
            if claude.is_some() { None } else { said(self.choice, &mut tools, abilities.demand) };
        Offer { config: Some(ToolConfig { tools, tool_choice }), claude, schema: None, is_forced }
    }

    /// What only Claude can be told.
    fn for_claude(&self) -> Option<ClaudeChoice<'a>> {
        let disable_parallel_tool_use = self.parallel == Parallel::OneByOne;
        match &self.choice {
            ToolChoice::None => Some(ClaudeChoice::None),
            _ if !disable_parallel_tool_use => None,
            ToolChoice::Unsaid | ToolChoice::Auto => Some(ClaudeChoice::Auto { disable_parallel_tool_use }),
            ToolChoice::Required => Some(ClaudeChoice::Any { disable_parallel_tool_use }),
            ToolChoice::Named(name) => {
                Some(ClaudeChoice::Tool { name: name.clone(), disable_parallel_tool_use })
            }
        }
    }
}

/// The choice in the vendor's words. Where a model cannot be told to call one tool, it is offered no other.
fn said<'a>(choice: ToolChoice<'a>, tools: &mut Vec<Tool<'a>>, demand: Demand) -> Option<Choice<'a>> {
    let is_the_gateways = |name: &str| name == ANSWER_TOOL;
    match choice {
        ToolChoice::Unsaid | ToolChoice::None => None,
        ToolChoice::Auto => (demand != Demand::Nothing).then_some(Choice::Auto {}),
        ToolChoice::Required => Some(Choice::Any {}),
        ToolChoice::Named(name) if demand == Demand::Any => {
            tools.retain(|tool| matches!(tool, Tool::ToolSpec { name: known, .. } if *known == name));
            Some(Choice::Any {})
        }
        ToolChoice::Named(name) if demand == Demand::Nothing && is_the_gateways(&name) => None,
        ToolChoice::Named(name) => Some(Choice::Tool { name }),
    }
}

fn no_tool<'a>() -> Tool<'a> {
    Tool::ToolSpec {
        name: Cow::Borrowed(NO_TOOL),
        description: Some(Cow::Borrowed(NO_TOOL_IS_FOR)),
        input_schema: InputSchema { json: input_schema(None) },
        strict: None,
    }
}
