//! A request in the vendor's words, put together from what the caller said and what the model can do.

use std::borrow::Cow;

use nexus_wire::conversation::{Conversation, members::Wrong};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::{Ask, Unsayable, member},
    Surface,
    member::MEMBERS,
    model::{self, Penalties},
    thinking::{self, ThinkingConfig},
    tool::{self, Form, ToolConfig, Tools},
    turn::{Instruction, Turn, Turns},
};
use crate::part::{effort::Effort, structured::JSON_INSTRUCTION};

/// The most stop sequences the vendor takes.
const STOPS_MAX: usize = 5;

/// The vendor's seed is a 32-bit number with a sign.
const SEEDS: i64 = 1 << 31;

/// The most probable tokens the vendor tells beside each.
const TOP_LOGPROBS_MAX: u64 = 20;

/// In the order in which members are written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Instruction<'a>>,
    contents: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tools<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_settings: Option<&'a RawValue>,
    generation_config: GenerationConfig<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(flatten)]
    sampled: Sampled,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
}

/// The body. Which model it is for and whether it streams is said in the path.
pub(in crate::dialect) fn body(ask: Ask<'_>, surface: Surface) -> Result<Vec<u8>, Unsayable> {
    let said = Conversation::read(ask.body)?;
    member::refuse(MEMBERS, &said)?;
    let known_as = ask.capabilities.known_as(ask.real_model);
    let abilities = model::abilities(known_as).but(ask.capabilities);
    let mut turns = Turns::read(said.messages()?, surface, &abilities)?;
    let offer = tool::offer(said.tools()?, said.tool_choice()?, &said.response_format()?, abilities.json)?;
    let offer = match said.object("web_search_options")? {
        Some(_) => offer.search(abilities.json)?,
        None => offer,
    };
    let (response_mime_type, response_json_schema) = match offer.form {
        Form::Free => (None, None),
        Form::Instructed => {
            turns.system.push(JSON_INSTRUCTION);
            (None, None)
        }
        Form::Json { schema } => (Some("application/json"), schema),
    };
    let effort = said.text("reasoning_effort")?.map(|word| Effort::read(&word)).transpose()?;
    let response_logprobs = said.flag("logprobs")?.filter(|is_wanted| *is_wanted);
    let request = Request {
        system_instruction: turns.instruction(abilities.system),
        contents: turns.turns,
        tools: offer.tools,
        tool_config: offer.config,
        safety_settings: said.raw("safety_settings"),
        generation_config: GenerationConfig {
            candidate_count: candidates(&ask)?,
            max_output_tokens: ask.request.max_tokens,
            sampled: sampled(&said, abilities.penalties)?,
            stop_sequences: stops(&said)?,
            response_logprobs,
            logprobs: top_logprobs(&said)?.filter(|_| response_logprobs.is_some()),
            response_mime_type,
            response_json_schema,
            thinking_config: thinking::config(effort, abilities.thinking),
        },
    };
    serde_json::to_vec(&request).map_err(|_| Unsayable {
        param: String::new(),
        message: "the request cannot be said to this model".to_owned(),
    })
}

fn candidates(ask: &Ask<'_>) -> Result<Option<u64>, Unsayable> {
    let several = ask.request.n.filter(|n| *n > 1);
    if several.is_some() && ask.request.is_stream {
        return Err(Wrong::new("n", "1 in a stream of this model").into());
    }
    Ok(several)
}

fn sampled(said: &Conversation<'_>, penalties: Penalties) -> Result<Sampled, Unsayable> {
    let penalty = |name| {
        let said = said.number(name)?;
        Ok::<_, Unsayable>(said.filter(|said| *said != 0.0 && penalties == Penalties::Taken))
    };
    Ok(Sampled {
        temperature: said.number("temperature")?.map(|said| said.clamp(0.0, 2.0)),
        top_p: said.number("top_p")?,
        top_k: said.count("top_k")?,
        seed: said.integer("seed")?.map(|seed| seed.rem_euclid(SEEDS)),
        frequency_penalty: penalty("frequency_penalty")?,
        presence_penalty: penalty("presence_penalty")?,
    })
}

fn stops<'a>(said: &Conversation<'a>) -> Result<Vec<Cow<'a, str>>, Unsayable> {
    let mut stops = said.stops()?;
    stops.retain(|stop| !stop.is_empty());
    if stops.len() > STOPS_MAX {
        return Err(Wrong::new("stop", "at most five strings for this model").into());
    }
    Ok(stops)
}

fn top_logprobs(said: &Conversation<'_>) -> Result<Option<u64>, Unsayable> {
    match said.count("top_logprobs")? {
        Some(count) if count > TOP_LOGPROBS_MAX => {
            Err(Wrong::new("top_logprobs", "at most 20 for this model").into())
        }
        count => Ok(count),
    }
}

/// The path of a model below the endpoint: its name, in `collection` unless it says its own.
///
/// A name may be what a client typed, where an alias takes any: it can name a model and nothing else.
pub(in crate::dialect) fn model_path(real_model: &str, collection: &str) -> Result<String, Unsayable> {
    let mut path = if real_model.contains('/') { String::new() } else { format!("/{collection}") };
    for segment in real_model.split('/') {
        if matches!(segment, "" | "." | "..") {
            return Err(Wrong::new("model", "the name of a model").into());
        }
        path.push('/');
        path.push_str(&percent_encoded(segment));
    }
    Ok(path)
}

/// What is asked of a model, as it stands behind its path.
pub(in crate::dialect) fn verb(is_stream: bool) -> &'static str {
    if is_stream { ":streamGenerateContent?alt=sse" } else { ":generateContent" }
}

/// A name as one segment of a path.
pub(in crate::dialect) fn percent_encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_s_name_leads_to_a_model_whatever_is_in_it() {
        for (name, expected) in [
            ("gemini-2.5-flash", Some("/models/gemini-2.5-flash")),
            ("tunedModels/mine", Some("/tunedModels/mine")),
            ("a b?c#d:e%41", Some("/models/a%20b%3Fc%23d%3Ae%2541")),
            ("../cachedContents", None),
            ("models/./x", None),
            ("models//x", None),
            ("/x", None),
            ("", None),
        ] {
            assert_eq!(model_path(name, "models").ok().as_deref(), expected, "{name}");
        }
    }
}
