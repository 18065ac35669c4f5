//! A request in the vendor's words, put together from what the caller said and what the model can do.
//!
//! What the vendor has no word of its own for goes to the model in the model's words, under
//! `additionalModelRequestFields`.

use std::{borrow::Cow, collections::BTreeMap};

use nexus_wire::conversation::{Conversation, tool::ResponseFormat};
use serde::Serialize;

use super::{
    super::{
        Ask, Encoded, Unsayable,
        anthropic::{
            model::Sampling,
            thinking::{self as claude, Beside, Thinking, Wish},
            tool::{Choice as ClaudeChoice, Parallel},
        },
        member,
    },
    block::Block,
    member::MEMBERS,
    model::{self, Abilities, Family},
    path,
    thinking::{self, ReasoningConfig},
    tool::{self, Offer, ToolConfig, Wanted},
    turn::{Turn, Turns},
};
use crate::part::{effort::Effort, structured::JSON_INSTRUCTION};

/// The most entries of `requestMetadata`, and the longest of their names and values.
const METADATA_MAX: usize = 16;
const METADATA_WORD_MAX: usize = 256;

/// Under which name a caller's user goes into `requestMetadata`.
const USER: &str = "user_id";

/// In the order in which members are written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "InferenceConfig::is_empty")]
    inference_config: InferenceConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Additional::is_empty")]
    additional_model_request_fields: Additional<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    request_metadata: BTreeMap<String, Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<ServiceTier>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct InferenceConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<Cow<'a, str>>,
}

impl InferenceConfig<'_> {
    fn is_empty(&self) -> bool {
        let Self { max_tokens, temperature, top_p, stop_sequences } = self;
        max_tokens.is_none() && temperature.is_none() && top_p.is_none() && stop_sequences.is_empty()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputConfig<'a> {
    text_format: TextFormat<'a>,
}

#[derive(Debug, Serialize)]
struct TextFormat<'a> {
    r#type: &'static str,
    structure: Structure<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Structure<'a> {
    json_schema: JsonSchema<'a>,
}

#[derive(Debug, Serialize)]
struct JsonSchema<'a> {
    /// The schema as a text.
    schema: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
}

#[derive(Debug, Serialize)]
struct ServiceTier {
    r#type: &'static str,
}

/// The model's own words.
#[derive(Debug, Default, Serialize)]
struct Additional<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<ClaudeOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ClaudeChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(rename = "reasoningConfig", skip_serializing_if = "Option::is_none")]
    reasoning_config: Option<ReasoningConfig>,
    #[serde(rename = "inferenceConfig", skip_serializing_if = "Option::is_none")]
    inference_config: Option<NovaInference>,
}

impl Additional<'_> {
    fn is_empty(&self) -> bool {
        serde_json::to_string(self).is_ok_and(|text| text == "{}")
    }
}

#[derive(Debug, Serialize)]
struct ClaudeOutput {
    effort: &'static str,
}

#[derive(Debug, Serialize)]
struct NovaInference {
    #[serde(rename = "topK")]
    top_k: u64,
}

pub(super) fn encode(ask: Ask<'_>) -> Result<Encoded, Unsayable> {
    let said = Conversation::read(ask.body)?;
    member::refuse(MEMBERS, &said)?;
    let known_as = ask.capabilities.known_as(ask.real_model);
    let abilities = model::abilities(known_as).but(ask.capabilities);
    let mut turns = Turns::read(said.messages()?, abilities.caching)?;
    let format = said.response_format()?;
    if matches!(format, ResponseFormat::JsonObject) {
        turns.system.extend(Block::text(Cow::Borrowed(JSON_INSTRUCTION)));
    }
    let wanted = Wanted {
        choice: said.tool_choice()?,
        parallel: match said.flag("parallel_tool_calls")? {
            Some(false) => Parallel::OneByOne,
            _ => Parallel::Allowed,
        },
        format,
        has_calls: turns.have_tools(),
    };
    let offer = tool::offer(said.tools()?, wanted, &abilities)?;
    let mut steered = Steered::read(&ask, &said, &abilities, &turns, &offer)?;
    steered.additional.tool_choice = offer.claude;
    let request = Request {
        system: turns.system,
        messages: turns.turns,
        inference_config: steered.inference,
        tool_config: offer.config,
        output_config: offer.schema.map(|(schema, description)| OutputConfig {
            text_format: TextFormat {
                r#type: "json_schema",
                structure: Structure { json_schema: JsonSchema { schema: schema.get(), description } },
            },
        }),
        additional_model_request_fields: steered.additional,
        request_metadata: request_metadata(&said)?,
        service_tier: service_tier(&said)?,
    };
    let body = serde_json::to_vec(&request).map_err(|_| Unsayable {
        param: String::new(),
        message: "the request cannot be said to this model".to_owned(),
    })?;
    let operation = if ask.request.is_stream { "converse-stream" } else { "converse" };
    Ok(Encoded { path: path(ask.real_model, operation), headers: Vec::new(), body: body.into() })
}

/// How the model is steered: its length, its sampling and its thinking, which depend on each other.
struct Steered<'a> {
    inference: InferenceConfig<'a>,
    additional: Additional<'a>,
}

impl<'a> Steered<'a> {
    fn read(
        ask: &Ask<'_>,
        said: &Conversation<'a>,
        abilities: &Abilities,
        turns: &Turns<'_>,
        offer: &Offer<'_>,
    ) -> Result<Self, Unsayable> {
        let effort = said.text("reasoning_effort")?.map(|word| Effort::read(&word)).transpose()?;
        said.object("thinking")?;
        let stops = said.stops()?.into_iter().filter(|stop| !stop.trim().is_empty());
        let mut inference = InferenceConfig {
            max_tokens: ask.request.max_tokens,
            temperature: said.number("temperature")?.map(|said| said.clamp(0.0, 1.0)),
            top_p: said.number("top_p")?,
            stop_sequences: stops.collect(),
        };
        let top_k = said.count("top_k")?;
        let mut additional = Additional::default();
        match abilities.family {
            Family::Claude(known) => {
                let beside = match offer.is_forced || turns.continues_without_thinking() {
                    true => Beside::ForbidsBudget,
                    false => Beside::Nothing,
                };
                let most = known.max_tokens(ask.request.max_tokens);
                let wish = claude::wish(said.raw("thinking"), effort, known.thinking, most, beside);
                // A budget must be less than the length, which must be said therefore.
                let is_length_said = inference.max_tokens.is_some() || wish.is_budget();
                inference.max_tokens = is_length_said.then_some(most);
                let takes_sampling = known.sampling == Sampling::Taken && !wish.thinks();
                inference.temperature = inference.temperature.filter(|_| takes_sampling);
                // Claude refuses a temperature beside `top_p`.
                let has_temperature = inference.temperature.is_some();
                inference.top_p = inference.top_p.filter(|_| takes_sampling && !has_temperature);
                additional.top_k = top_k.filter(|_| takes_sampling);
                let Wish { thinking, effort } = wish;
                additional.thinking = thinking;
                additional.output_config = effort.map(|effort| ClaudeOutput { effort });
            }
            Family::Nova { thinks } => {
                let config = effort.filter(|_| thinks).map(ReasoningConfig::of);
                if config.is_some_and(ReasoningConfig::forbids_limits) {
                    (inference.max_tokens, inference.temperature, inference.top_p) = (None, None, None);
                }
                additional.reasoning_config = config;
                additional.inference_config = top_k.map(|top_k| NovaInference { top_k });
            }
            Family::GptOss => {
                additional.reasoning_effort = effort.map(thinking::word);
                additional.top_k = top_k;
            }
            Family::Other => additional.top_k = top_k,
        }
        Ok(Self { inference, additional })
    }
}

/// `metadata` and the user, as far as the vendor takes them: they are only written to its logs.
fn request_metadata<'a>(said: &Conversation<'a>) -> Result<BTreeMap<String, Cow<'a, str>>, Unsayable> {
    let is_taken = |word: &str| {
        (1..=METADATA_WORD_MAX).contains(&word.len())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || " _:@$#=/+,-.".contains(c))
    };
    let metadata = said.object("metadata")?.unwrap_or_default();
    let mut taken = BTreeMap::new();
    let user = said.text("user")?.or(said.text("safety_identifier")?);
    taken.extend(user.filter(|user| is_taken(user)).map(|user| (USER.to_owned(), user)));
    for (name, _) in metadata.iter() {
        let Some(value) = metadata.text(name).ok().flatten() else { continue };
        if taken.len() < METADATA_MAX && is_taken(name) && is_taken(&value) {
            taken.insert(name.to_owned(), value);
        }
    }
    Ok(taken)
}

fn service_tier(said: &Conversation<'_>) -> Result<Option<ServiceTier>, Unsayable> {
    let tier = match said.text("service_tier")?.as_deref() {
        Some("default") => Some("default"),
        Some("flex") => Some("flex"),
        Some("priority") => Some("priority"),
        _ => None,
    };
    Ok(tier.map(|r#type| ServiceTier { r#type }))
}
