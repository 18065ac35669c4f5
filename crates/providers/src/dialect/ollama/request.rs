//! A request in the vendor's words.

use std::{borrow::Cow, collections::BTreeMap};

use nexus_core::site::Site;
use nexus_wire::conversation::{
    Conversation,
    tool::{ResponseFormat, ToolChoice},
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    super::{Ask, Encoded, Unsayable, member as table},
    Ollama,
    member::MEMBERS,
    turn::{self, Turn},
};
use crate::part::{effort::Effort, tool::Tool};

/// In the order in which members are written.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    /// Said always: the vendor streams unasked.
    stream: bool,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Think<'a>>,
    #[serde(skip_serializing_if = "Options::is_empty")]
    options: Options<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Format<'a> {
    Json(&'static str),
    Schema(&'a RawValue),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Think<'a> {
    Said(&'a RawValue),
    Flag(bool),
    Level(&'static str),
}

pub(super) fn encode(ask: Ask<'_>) -> Result<Encoded, Unsayable> {
    let said = Conversation::read(ask.body)?;
    table::refuse(MEMBERS, &said)?;
    let logprobs = said.flag("logprobs")?.filter(|is_wanted| *is_wanted);
    let request = Request {
        model: ask.real_model,
        stream: ask.request.is_stream,
        messages: turn::read(said.messages()?)?,
        tools: tools(&said)?,
        format: match said.response_format()? {
            ResponseFormat::Text => None,
            ResponseFormat::JsonObject => Some(Format::Json("json")),
            ResponseFormat::JsonSchema { schema, .. } => Some(Format::Schema(schema)),
        },
        think: think(&said)?,
        options: Options::of(&said, ask)?,
        keep_alive: keep_alive(&said, ask.site),
        logprobs,
        top_logprobs: said.count("top_logprobs")?.filter(|_| logprobs.is_some()),
    };
    let body = serde_json::to_vec(&request).map_err(|_| Unsayable {
        param: String::new(),
        message: "the request cannot be said to this model".to_owned(),
    })?;
    Ok(Encoded { path: "/api/chat".to_owned(), headers: Vec::new(), body: body.into() })
}

/// The vendor's models call what they like.
fn tools<'a>(said: &Conversation<'a>) -> Result<Vec<Tool<'a>>, Unsayable> {
    let tools = said.tools()?;
    match said.tool_choice()? {
        ToolChoice::None => Ok(Vec::new()),
        ToolChoice::Unsaid | ToolChoice::Auto => Ok(tools.into_iter().map(Tool::of).collect()),
        ToolChoice::Required | ToolChoice::Named(_) => Err(Unsayable {
            param: "tool_choice".to_owned(),
            message:
                "`tool_choice` cannot be said to this model: it cannot be made to call a tool; say `auto`"
                    .to_owned(),
        }),
    }
}

fn think<'a>(said: &Conversation<'a>) -> Result<Option<Think<'a>>, Unsayable> {
    let effort = said.text("reasoning_effort")?.map(|word| Effort::read(&word)).transpose()?;
    if let Some(own) = said.raw("think") {
        return Ok(Some(Think::Said(own)));
    }
    Ok(effort.map(|effort| match effort {
        Effort::None => Think::Flag(false),
        Effort::Minimal | Effort::Low => Think::Level("low"),
        Effort::Medium => Think::Level("medium"),
        Effort::High | Effort::ExtraHigh | Effort::Max => Think::Level("high"),
    }))
}

fn keep_alive<'a>(said: &Conversation<'a>, site: Site<'a>) -> Option<Cow<'a, RawValue>> {
    let own = said.raw(Ollama::KEEP_ALIVE).map(Cow::Borrowed);
    own.or_else(|| {
        site.options.option(Ollama::KEEP_ALIVE).and_then(|text| to_raw_value(text).ok().map(Cow::Owned))
    })
}

/// What is said of a model's run, by name: the provider's option goes behind the request's `options`, and
/// those behind OpenAI's members.
#[derive(Serialize)]
#[serde(transparent)]
struct Options<'a>(BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>);

impl<'a> Options<'a> {
    fn of(said: &Conversation<'a>, ask: Ask<'_>) -> Result<Self, Unsayable> {
        let mut options = Self(BTreeMap::new());
        let context = ask.site.options.option(Ollama::CONTEXT).and_then(|tokens| tokens.parse::<u64>().ok());
        options.set(Ollama::CONTEXT, context);
        if let Some(own) = said.object("options")? {
            for (name, value) in own.iter() {
                options.0.insert(Cow::Owned(name.to_owned()), Cow::Borrowed(value));
            }
        }
        options.set("num_predict", ask.request.max_tokens);
        for name in ["temperature", "top_p", "frequency_penalty", "presence_penalty"] {
            options.set(name, said.number(name)?);
        }
        for name in ["seed", "top_k"] {
            options.set(name, said.count(name)?);
        }
        options.set("stop", Some(said.stops()?).filter(|stops| !stops.is_empty()));
        Ok(options)
    }

    fn set(&mut self, name: &'static str, value: Option<impl Serialize>) {
        let value = value.and_then(|value| to_raw_value(&value).ok());
        self.0.extend(value.map(|value| (Cow::Borrowed(name), Cow::Owned(value))));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nexus_core::{
        call::{Call, Operation},
        capabilities::Capabilities,
        id::{RequestId, Uuid},
        site::Options as SiteOptions,
    };
    use nexus_wire::chat::ChatRequest;

    use super::*;

    #[test]
    fn what_a_request_says_goes_before_the_provider_s_options() {
        let options: SiteOptions = [("num_ctx", "8192"), ("keep_alive", "10m")].into_iter().collect();
        let site = Site { region: None, options: &options, base_path: "" };
        let encoded = |members: &str| {
            let body = Bytes::from(format!(r#"{{"model":"m","messages":[]{members}}}"#));
            let request = ChatRequest::read(&body).unwrap();
            let call = Call {
                operation: Operation::ChatCompletions,
                alias: request.model.clone(),
                is_stream: false,
                wants_usage: false,
                request: RequestId(Uuid::nil()),
                asked_at_s: 0,
            };
            let ask = Ask {
                call: &call,
                body: &body,
                request: &request,
                real_model: "m",
                capabilities: Capabilities::UNSAID,
                site,
            };
            String::from_utf8(encode(ask).unwrap().body.to_vec()).unwrap()
        };
        let begin = r#"{"model":"m","stream":false,"messages":[],"options":{"#;
        assert_eq!(encoded(""), format!(r#"{begin}"num_ctx":8192}},"keep_alive":"10m"}}"#));
        assert_eq!(
            encoded(r#","options":{"num_ctx":1,"mirostat":2},"keep_alive":-1,"seed":3"#),
            format!(r#"{begin}"mirostat":2,"num_ctx":1,"seed":3}},"keep_alive":-1}}"#)
        );
    }
}
