//! A request in the vendor's words.

use std::borrow::Cow;

use nexus_wire::conversation::{
    Conversation,
    tool::{self, ResponseFormat, ToolChoice},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::{Ask, Encoded, Unsayable, member as table},
    member::MEMBERS,
    turn::{self, Turn},
};
use crate::part::{effort::Effort, tool::Tool};

/// In the order in which members are written.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    stream: bool,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict_tools: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<Cow<'a, str>>,
    #[serde(flatten)]
    sampled: Sampled,
    #[serde(flatten)]
    own: Own<'a>,
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Thinking<'a> {
    Said(&'a RawValue),
    Wished {
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        token_budget: Option<u64>,
    },
}

#[derive(Serialize)]
struct Sampled {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
}

/// The vendor's own members, as they were said.
#[derive(Serialize)]
struct Own<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    citation_options: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_mode: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<&'a RawValue>,
}

pub(super) fn encode(ask: Ask<'_>) -> Result<Encoded, Unsayable> {
    let said = Conversation::read(ask.body)?;
    table::refuse(MEMBERS, &said)?;
    let (tools, tool_choice) = offer(&said)?;
    let is_strict = !tools.is_empty() && tools.iter().all(|tool| tool.is_strict);
    let request = Request {
        model: ask.real_model,
        stream: ask.request.is_stream,
        messages: turn::read(said.messages()?)?,
        strict_tools: said.flag("strict_tools")?.or(is_strict.then_some(true)),
        tools: tools.into_iter().map(Tool::of).collect(),
        tool_choice,
        response_format: format(said.response_format()?),
        thinking: thinking(&said, ask.real_model)?,
        max_tokens: ask.request.max_tokens,
        stop_sequences: said.stops()?,
        sampled: sampled(&said)?,
        own: Own {
            documents: said.raw("documents"),
            citation_options: said.raw("citation_options"),
            safety_mode: said.raw("safety_mode"),
            priority: said.raw("priority"),
        },
    };
    let body = serde_json::to_vec(&request).map_err(|_| Unsayable {
        param: String::new(),
        message: "the request cannot be said to this model".to_owned(),
    })?;
    Ok(Encoded { path: "/chat".to_owned(), headers: Vec::new(), body: body.into() })
}

/// The tools, and whether one must be called. The vendor cannot be told which: a named one is offered alone.
fn offer<'a>(said: &Conversation<'a>) -> Result<(Vec<tool::Tool<'a>>, Option<&'static str>), Unsayable> {
    let mut tools = said.tools()?;
    let choice = match said.tool_choice()? {
        ToolChoice::Unsaid | ToolChoice::Auto => None,
        ToolChoice::None => Some("NONE"),
        ToolChoice::Required => Some("REQUIRED"),
        ToolChoice::Named(name) => {
            tools.retain(|tool| tool.name == name);
            if tools.is_empty() {
                return Err(Unsayable {
                    param: "tool_choice".to_owned(),
                    message: "`tool_choice` names a function that is not among `tools`".to_owned(),
                });
            }
            Some("REQUIRED")
        }
    };
    let choice = choice.filter(|_| !tools.is_empty());
    Ok((tools, choice))
}

fn format(format: ResponseFormat<'_>) -> Option<Format<'_>> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(Format { kind: "json_object", json_schema: None }),
        ResponseFormat::JsonSchema { schema, .. } => {
            Some(Format { kind: "json_object", json_schema: Some(schema) })
        }
    }
}

/// Models that do not think refuse to be told how much.
fn thinks(model: &str) -> bool {
    model.contains("reasoning") || model.starts_with("command-a-plus")
}

fn thinking<'a>(said: &Conversation<'a>, model: &str) -> Result<Option<Thinking<'a>>, Unsayable> {
    said.object("thinking")?;
    if let Some(own) = said.raw("thinking") {
        return Ok(Some(Thinking::Said(own)));
    }
    let effort = said.text("reasoning_effort")?.map(|word| Effort::read(&word)).transpose()?;
    let Some(effort) = effort.filter(|_| thinks(model)) else { return Ok(None) };
    let token_budget = match effort {
        Effort::None => return Ok(Some(Thinking::Wished { kind: "disabled", token_budget: None })),
        Effort::Minimal | Effort::Low => Some(1_024),
        Effort::Medium => Some(8_192),
        Effort::High | Effort::ExtraHigh | Effort::Max => None,
    };
    Ok(Some(Thinking::Wished { kind: "enabled", token_budget }))
}

/// The vendor's ranges are narrower than OpenAI's.
fn sampled(said: &Conversation<'_>) -> Result<Sampled, Unsayable> {
    let part = |name| Ok::<_, Unsayable>(said.number(name)?.map(|said| said.clamp(0.0, 1.0)));
    Ok(Sampled {
        temperature: part("temperature")?,
        p: said.number("top_p")?.map(|said| said.clamp(0.01, 0.99)),
        k: said.count("top_k")?,
        seed: said.count("seed")?,
        frequency_penalty: part("frequency_penalty")?,
        presence_penalty: part("presence_penalty")?,
    })
}
