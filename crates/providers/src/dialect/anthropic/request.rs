//! A request in the vendor's words, put together from what the caller said and what the model can do.

use std::borrow::Cow;

use nexus_wire::conversation::{Conversation, tool::ResponseFormat};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::{Ask, Encoded, Unsayable, member},
    block::Block,
    member::MEMBERS,
    model::{self, Abilities, Sampling},
    thinking::{self, Beside, Thinking},
    tool::{self, Choice, Offer, Parallel, Tool},
    turn::{Turn, Turns},
};
use crate::part::{effort::Effort, structured::JSON_INSTRUCTION};

const VERSION: &str = "2023-06-01";
pub(in crate::dialect) const VERTEX_VERSION: &str = "vertex-2023-10-16";

/// Documents named by the vendor's id of them are still behind this.
const FILES_BETA: &str = "files-api-2025-04-14";

/// The longest `metadata.user_id`, in characters.
const USER_ID_MAX: usize = 256;

/// In the order in which members are written.
#[derive(Debug, Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anthropic_version: Option<&'static str>,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<Cow<'a, str>>,
    #[serde(flatten)]
    sampled: Sampled,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    JsonSchema { schema: &'a RawValue },
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    user_id: Cow<'a, str>,
}

#[derive(Debug, Default, Serialize)]
struct Sampled {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
}

/// Whose servers the request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect) enum Host {
    Anthropic,
    /// Google's, where the model stands in the path and the version in the body.
    Vertex,
}

pub(in crate::dialect) fn encode(ask: Ask<'_>, host: Host) -> Result<Encoded, Unsayable> {
    let said = Conversation::read(ask.body)?;
    member::refuse(MEMBERS, &said)?;
    let known_as = ask.capabilities.known_as(ask.real_model);
    let abilities = model::abilities(known_as).but(ask.capabilities);
    let max_tokens = abilities.max_tokens(ask.request.max_tokens);
    let mut turns = Turns::read(said.messages()?)?;
    let format = said.response_format()?;
    let offer = offer(&said, &format, &abilities)?;
    if matches!(format, ResponseFormat::JsonObject) {
        turns.system.extend(Block::text(Cow::Borrowed(JSON_INSTRUCTION), None));
    }
    let is_forced = offer.choice.as_ref().is_some_and(Choice::is_forced);
    let beside = match is_forced || turns.continues_without_thinking() {
        true => Beside::ForbidsBudget,
        false => Beside::Nothing,
    };
    let effort = said.text("reasoning_effort")?.map(|word| Effort::read(&word)).transpose()?;
    said.object("thinking")?;
    let wish = thinking::wish(said.raw("thinking"), effort, abilities.thinking, max_tokens, beside);
    let format = offer.schema.map(|schema| Format::JsonSchema { schema });
    let has_output = format.is_some() || wish.effort.is_some();
    let is_own = host == Host::Anthropic;
    let mut headers = Vec::new();
    if is_own {
        headers.push(("anthropic-version", VERSION.to_owned()));
    }
    if turns.name_files() {
        headers.push(("anthropic-beta", FILES_BETA.to_owned()));
    }
    let request = Request {
        model: is_own.then_some(ask.real_model),
        anthropic_version: (!is_own).then_some(VERTEX_VERSION),
        max_tokens,
        stream: ask.request.is_stream.then_some(true),
        sampled: sampled(&said, if wish.thinks() { Sampling::Refused } else { abilities.sampling })?,
        system: turns.system,
        messages: turns.turns,
        tools: offer.tools,
        tool_choice: offer.choice,
        thinking: wish.thinking,
        output_config: has_output.then_some(OutputConfig { format, effort: wish.effort }),
        stop_sequences: said.stops()?.into_iter().filter(|stop| !stop.trim().is_empty()).collect(),
        metadata: user_id(&said)?.map(|user_id| Metadata { user_id }),
        service_tier: service_tier(&said)?.filter(|_| is_own),
    };
    let body = serde_json::to_vec(&request).map_err(|_| Unsayable {
        param: String::new(),
        message: "the request cannot be said to this model".to_owned(),
    })?;
    Ok(Encoded { path: "/messages".to_owned(), headers, body: body.into() })
}

fn offer<'a>(
    said: &Conversation<'a>,
    format: &ResponseFormat<'a>,
    abilities: &Abilities,
) -> Result<Offer<'a>, Unsayable> {
    let parallel = match said.flag("parallel_tool_calls")? {
        Some(false) => Parallel::OneByOne,
        _ => Parallel::Allowed,
    };
    let offer = tool::offer(said.tools()?, said.tool_choice()?, parallel, format, abilities.schema)?;
    Ok(match said.object("web_search_options")? {
        Some(wish) => offer.search(&wish)?,
        None => offer,
    })
}

/// The vendor's temperature ends at 1, and it refuses a temperature beside `top_p`.
fn sampled(said: &Conversation<'_>, sampling: Sampling) -> Result<Sampled, Unsayable> {
    let (temperature, top_p, top_k) =
        (said.number("temperature")?, said.number("top_p")?, said.count("top_k")?);
    Ok(match sampling {
        Sampling::Refused => Sampled::default(),
        Sampling::Taken => Sampled {
            temperature: temperature.map(|said| said.clamp(0.0, 1.0)),
            top_p: top_p.filter(|_| temperature.is_none()),
            top_k,
        },
    })
}

fn user_id<'a>(said: &Conversation<'a>) -> Result<Option<Cow<'a, str>>, Unsayable> {
    let user = said.text("user")?.or(said.text("safety_identifier")?);
    Ok(user.filter(|user| !user.is_empty() && user.chars().count() <= USER_ID_MAX))
}

fn service_tier(said: &Conversation<'_>) -> Result<Option<&'static str>, Unsayable> {
    Ok(match said.text("service_tier")?.as_deref() {
        Some("auto") => Some("auto"),
        Some("default") => Some("standard_only"),
        _ => None,
    })
}
