//! Chat completions in OpenAI's words: the members the gateway must know, and where they stand.
//!
//! A body is read once and never rebuilt. A member the gateway acts on must stand in it once: of two
//! `model` members the gateway could price one and the provider run the other.

use std::ops::Range;

use serde::de::IgnoredAny;

use crate::{
    json::{self, Cursor, Malformed, Text},
    said::Said,
};

/// Brackets may not be nested deeper than this in a body.
pub const DEPTH_MAX: usize = json::DEPTH_MAX;

/// The longest name of a model, in characters.
pub const MODEL_CHARS_MAX: usize = 256;

/// The members of a chat request, as of OpenAI's API of August 2026. Each may stand in a body once.
pub const KNOWN: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "tools",
    "tool_choice",
    "response_format",
    "temperature",
    "top_p",
    "stop",
    "user",
    "seed",
    "metadata",
    "store",
    "parallel_tool_calls",
    "reasoning_effort",
    "service_tier",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "modalities",
    "audio",
    "prediction",
    "verbosity",
    "web_search_options",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "moderation",
    "functions",
    "function_call",
];

/// The members of a chat request that matter to the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatRequest {
    pub model: String,
    /// `stream`; absent and `null` are false.
    pub is_stream: bool,
    /// `stream_options.include_usage`; absent and `null` are false.
    pub wants_usage: bool,
    /// The most tokens a choice may have: `max_completion_tokens`, else `max_tokens`.
    pub max_tokens: Option<u64>,
    /// How many choices are wanted.
    pub n: Option<u64>,
    /// Whether the same words are to come to the same answer: `temperature` is 0, and nothing is looked up.
    pub is_deterministic: bool,
    /// Whether the last message is the beginning of the answer, which is to be gone on with. No body says so.
    pub goes_on: bool,
    pub said: Said,
    pub places: Places,
}

/// Where members stand in the body that was read, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The value of `model`, with its quotes.
    pub model: Range<usize>,
    /// The member `stream_options`, where it is there.
    pub stream_options: Option<MemberPlace>,
    /// The name `max_completion_tokens`, with its quotes, where the member is there.
    pub max_completion_tokens_name: Option<Range<usize>>,
    /// Whether the body has a member `max_tokens`.
    pub has_max_tokens: bool,
    /// The object's closing brace.
    pub closing_brace: usize,
}

/// Where a member stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberPlace {
    /// From the name's opening quote to the value's end.
    pub whole: Range<usize>,
    pub value: Range<usize>,
}

/// Why a body cannot be served. The words are for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyError {
    pub message: String,
    /// The member at fault.
    pub param: Option<String>,
}

impl BodyError {
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { message: message.into(), param: None }
    }

    pub(crate) fn member(param: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), param: Some(param.to_owned()) }
    }

    pub(crate) fn twice(name: &str) -> Self {
        Self::member(name, format!("the member `{name}` stands in the body more than once"))
    }
}

impl ChatRequest {
    /// Reads a body in one pass; its values are validated as JSON and otherwise left alone.
    pub fn read(body: &[u8]) -> Result<Self, BodyError> {
        let request = Self::read_nameless(body)?;
        if request.model.is_empty() { Err(no_model()) } else { Ok(request) }
    }

    /// The same, where the model may be left away: it is empty then.
    pub fn read_nameless(body: &[u8]) -> Result<Self, BodyError> {
        let text = readable(body)?;
        let mut found = Found::default();
        json::read(text, |cursor| found.take(cursor)).map_err(|Malformed| unreadable(text))?;
        if !found.is_object {
            return Err(BodyError::whole("the request body must be a JSON object"));
        }
        if let Some(name) = found.twice {
            return Err(BodyError::twice(name));
        }
        found.check(text)
    }
}

/// The members as they stand in the body.
#[derive(Default)]
struct Found<'a> {
    is_object: bool,
    seen: u64,
    twice: Option<&'static str>,
    model: Option<&'a str>,
    messages: Option<&'a str>,
    stream: Option<&'a str>,
    stream_options: Option<&'a str>,
    stream_options_name: Option<Text<'a>>,
    max_tokens: Option<&'a str>,
    max_completion_tokens: Option<&'a str>,
    max_completion_tokens_name: Option<Text<'a>>,
    n: Option<&'a str>,
    temperature: Option<&'a str>,
    web_search_options: Option<&'a str>,
    user: Option<&'a str>,
    safety_identifier: Option<&'a str>,
    metadata: Option<&'a str>,
}

impl<'a> Found<'a> {
    fn take(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        self.is_object = cursor.object(|cursor, name| {
            let value = cursor.value()?;
            let said = name.unescaped();
            let Some(known) = KNOWN.iter().position(|known| *known == said) else { return Ok(()) };
            let bit = 1_u64 << known;
            if self.seen & bit != 0 && self.twice.is_none() {
                self.twice = KNOWN.get(known).copied();
            }
            self.seen |= bit;
            self.keep(&said, name, value);
            Ok(())
        })?;
        Ok(())
    }

    fn keep(&mut self, said: &str, name: Text<'a>, value: &'a str) {
        let slot = match said {
            "model" => &mut self.model,
            "messages" => &mut self.messages,
            "stream" => &mut self.stream,
            "stream_options" => {
                self.stream_options_name = Some(name);
                &mut self.stream_options
            }
            "max_tokens" => &mut self.max_tokens,
            "max_completion_tokens" => {
                self.max_completion_tokens_name = Some(name);
                &mut self.max_completion_tokens
            }
            "n" => &mut self.n,
            "temperature" => &mut self.temperature,
            "web_search_options" => &mut self.web_search_options,
            "user" => &mut self.user,
            "safety_identifier" => &mut self.safety_identifier,
            "metadata" => &mut self.metadata,
            _ => return,
        };
        *slot = Some(value);
    }

    fn check(self, text: &str) -> Result<ChatRequest, BodyError> {
        let (model, raw_model) = match self.model {
            None | Some("null") => Default::default(),
            named => model(named)?,
        };
        match self.messages {
            None => return Err(BodyError::member("messages", "you must provide a `messages` parameter")),
            Some(value) if !value.starts_with('[') => {
                return Err(BodyError::member("messages", "`messages` must be an array of messages"));
            }
            Some(_) => {}
        }
        let max_tokens = count("max_tokens", self.max_tokens)?;
        let max_completion_tokens = count("max_completion_tokens", self.max_completion_tokens)?;
        Ok(ChatRequest {
            model,
            is_stream: flag("stream", self.stream)?,
            wants_usage: include_usage(self.stream_options)?,
            max_tokens: max_completion_tokens.or(max_tokens),
            n: count("n", self.n)?,
            is_deterministic: self.temperature.is_some_and(is_zero)
                && self.web_search_options.is_none_or(|value| value == "null"),
            goes_on: false,
            said: Said::read(self.user, self.safety_identifier, self.metadata),
            places: Places {
                model: if raw_model.is_empty() { 0..0 } else { json::place(text, raw_model) },
                stream_options: self.stream_options_name.zip(self.stream_options).map(|(name, value)| {
                    let value = json::place(text, value);
                    MemberPlace { whole: quoted_place(text, name).start..value.end, value }
                }),
                max_completion_tokens_name: self
                    .max_completion_tokens_name
                    .map(|name| quoted_place(text, name)),
                has_max_tokens: self.max_tokens.is_some(),
                closing_brace: text.trim_end().len().saturating_sub(1),
            },
        })
    }
}

/// A body as text, if it may be read at all.
pub fn readable(body: &[u8]) -> Result<&str, BodyError> {
    let text = std::str::from_utf8(body).map_err(|error| {
        BodyError::whole(format!("the request body is not UTF-8 from byte {} on", error.valid_up_to()))
    })?;
    if is_deeper_than(body, DEPTH_MAX) {
        return Err(BodyError::whole(format!("the request body is nested deeper than {DEPTH_MAX} levels")));
    }
    Ok(text)
}

/// Where a name stands, with its quotes.
fn quoted_place(text: &str, name: Text<'_>) -> Range<usize> {
    let inside = json::place(text, name.inside);
    inside.start.saturating_sub(1)..inside.end.saturating_add(1)
}

/// What serde says of a body that could not be read.
pub fn unreadable(text: &str) -> BodyError {
    let why =
        serde_json::from_str::<IgnoredAny>(text).err().map_or_else(String::new, |error| format!(": {error}"));
    BodyError::whole(format!("the request body could not be parsed as JSON{why}"))
}

/// Nothing says which model is meant.
pub fn no_model() -> BodyError {
    BodyError::member("model", "you must provide a `model` parameter")
}

/// The model's name, and the value as it stands in the body.
pub(crate) fn model(value: Option<&str>) -> Result<(String, &str), BodyError> {
    let refuse = |message: &str| Err(BodyError::member("model", message));
    let value = value.filter(|value| *value != "null").ok_or_else(no_model)?;
    let Ok(model) = serde_json::from_str::<String>(value) else {
        return refuse("`model` must be a string");
    };
    if model.is_empty() {
        return refuse("you must provide a `model` parameter: it is empty");
    }
    if model.chars().count() > MODEL_CHARS_MAX {
        return Err(BodyError::member(
            "model",
            format!("`model` must have at most {MODEL_CHARS_MAX} characters"),
        ));
    }
    if model.chars().any(char::is_control) {
        return refuse("`model` must not contain control characters");
    }
    Ok((model, value))
}

pub(crate) fn flag(name: &str, value: Option<&str>) -> Result<bool, BodyError> {
    match value {
        None | Some("null" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(BodyError::member(name, format!("`{name}` must be `true` or `false`"))),
    }
}

fn is_zero(value: &str) -> bool {
    value.parse::<f64>().is_ok_and(|number| number == 0.0)
}

pub(crate) fn count(name: &str, value: Option<&str>) -> Result<Option<u64>, BodyError> {
    match value {
        None | Some("null") => Ok(None),
        Some(value) => value
            .parse()
            .map(Some)
            .map_err(|_| BodyError::member(name, format!("`{name}` must be an integer of at least 0"))),
    }
}

fn include_usage(value: Option<&str>) -> Result<bool, BodyError> {
    let Some(value) = value.filter(|value| *value != "null") else { return Ok(false) };
    if !value.starts_with('{') {
        return Err(BodyError::member("stream_options", "`stream_options` must be an object"));
    }
    let mut options = SaidOptions::default();
    let name = "stream_options.include_usage";
    if options.read(value).is_err() || options.is_twice {
        return Err(BodyError::twice(name));
    }
    flag(name, options.include_usage)
}

/// What `stream_options` says about usage, and where its value stands.
#[derive(Default)]
pub(crate) struct SaidOptions<'a> {
    pub(crate) include_usage: Option<&'a str>,
    pub(crate) is_empty: bool,
    is_twice: bool,
}

impl<'a> SaidOptions<'a> {
    pub(crate) fn read(&mut self, value: &'a str) -> Result<(), Malformed> {
        self.is_empty = true;
        json::read(value, |cursor| {
            let is_object = cursor.object(|cursor, name| {
                let value = cursor.value()?;
                self.is_empty = false;
                if name.unescaped() == "include_usage" {
                    self.is_twice |= self.include_usage.is_some();
                    self.include_usage = Some(value);
                }
                Ok(())
            });
            is_object.map(drop)
        })
    }
}

/// Whether brackets are nested deeper than `limit`. Counts brackets first: few cannot nest deeply.
fn is_deeper_than(body: &[u8], limit: usize) -> bool {
    if memchr::memchr2_iter(b'[', b'{', body).nth(limit).is_none() {
        return false;
    }
    let mut depth = 0_usize;
    let mut rest = body;
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b'"' => after_string(after),
            _ => after,
        };
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

/// What follows a string, given what follows its opening quote.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let is_end = rest.get(at) == Some(&b'"');
        rest = rest.get(at + if is_end { 1 } else { 2 }..).unwrap_or_default();
        if is_end {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
mod tests;
