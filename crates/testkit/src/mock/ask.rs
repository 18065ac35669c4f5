//! A request as the mock understands it, and how a chat completion request is read.
//!
//! Lenient about everything it does not use, strict about what it does: a gateway must not send a mangled member unnoticed.

use serde_json::Value;

use super::schema;
use super::surface::Surface;
use super::tokens::tokens;
use crate::script::Script;

/// What a thought says, and what it is sealed with.
pub(crate) const THOUGHT: &str = "Let me think.";
pub(crate) const SEAL: &str = "bW9jayBzZWFs";

const MAX_CHOICES: u64 = 128;
const TOKENS_A_MESSAGE: u64 = 3;
const TOKENS_AN_ATTACHMENT: u64 = 85;
const MAX_ECHO_CHARS: usize = 160;

/// What is asked, and by which script.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) surface: Surface,
    /// The name as it arrived, words included.
    pub(crate) model: String,
    pub(crate) base: String,
    pub(crate) script: Script,
    pub(crate) stream: Option<StreamAsk>,
    pub(crate) choices: u64,
    pub(crate) stops: Vec<String>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) prompt_tokens: u64,
    pub(crate) wanted: Wanted,
    /// Whether a thought goes before the answer.
    pub(crate) thinks: bool,
}

/// How the stream is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamAsk {
    pub(crate) usage: bool,
    pub(crate) obfuscation: bool,
}

/// The kind of answer.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Text(String),
    Json(String),
    Call { name: String, arguments: String },
}

/// Why a request is refused with a 400.
#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) message: String,
    pub(crate) param: Option<&'static str>,
}

impl Ask {
    /// Reads a request body; `default` is the script of a model whose name has no words.
    pub(crate) fn read(body: &[u8], default: &Script) -> Result<Self, Complaint> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|why| Complaint { message: format!("the body is no JSON: {why}"), param: None })?;
        let (model, base, script) = model(&body, default)?;
        let Some(messages) = body.get("messages").and_then(Value::as_array).filter(|all| !all.is_empty())
        else {
            return complain("`messages` must be an array with at least one message", "messages");
        };
        Ok(Self {
            surface: Surface::Chat,
            model,
            base,
            script,
            stream: stream(&body)?,
            choices: choices(&body)?,
            stops: stops(&body)?,
            max_tokens: max_tokens(&body)?,
            prompt_tokens: prompt_tokens(messages),
            wanted: wanted(&body, messages),
            thinks: false,
        })
    }
}

/// The model's name as it arrived, its base, and its script.
pub(super) fn model(body: &Value, default: &Script) -> Result<(String, String, Script), Complaint> {
    let Some(model) = body.get("model").and_then(Value::as_str) else {
        return complain("you must provide a model parameter", "model");
    };
    let (base, own) =
        Script::of_model(model).map_err(|message| Complaint { message, param: Some("model") })?;
    Ok((model.to_owned(), base.to_owned(), own.unwrap_or_else(|| default.clone())))
}

pub(super) fn complain<T>(message: &str, param: &'static str) -> Result<T, Complaint> {
    Err(Complaint { message: message.to_owned(), param: Some(param) })
}

/// A member that is there and not null.
pub(super) fn member<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

fn stream(body: &Value) -> Result<Option<StreamAsk>, Complaint> {
    let options = member(body, "stream_options");
    let option = |name| options.and_then(|all| member(all, name)).and_then(Value::as_bool);
    match member(body, "stream").map(Value::as_bool) {
        Some(None) => complain("`stream` must be a boolean", "stream"),
        Some(Some(true)) => Ok(Some(StreamAsk {
            usage: option("include_usage").unwrap_or(false),
            obfuscation: option("include_obfuscation").unwrap_or(true),
        })),
        _ if options.is_some() => complain(
            "the `stream_options` parameter is only allowed when `stream` is enabled",
            "stream_options",
        ),
        _ => Ok(None),
    }
}

fn choices(body: &Value) -> Result<u64, Complaint> {
    match member(body, "n").map(Value::as_u64) {
        None => Ok(1),
        Some(Some(n @ 1..=MAX_CHOICES)) => Ok(n),
        Some(_) => complain("`n` must be an integer from 1 to 128", "n"),
    }
}

fn stops(body: &Value) -> Result<Vec<String>, Complaint> {
    match member(body, "stop") {
        None => Ok(Vec::new()),
        Some(Value::String(stop)) => Ok(vec![stop.clone()]),
        Some(Value::Array(stops)) if stops.len() <= 4 && stops.iter().all(Value::is_string) => {
            Ok(stops.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        Some(_) => complain("`stop` must be a string or an array of at most 4 strings", "stop"),
    }
}

fn max_tokens(body: &Value) -> Result<Option<usize>, Complaint> {
    let limit = member(body, "max_completion_tokens").or(member(body, "max_tokens"));
    match limit.map(|limit| limit.as_u64().filter(|limit| *limit > 0)) {
        None => Ok(None),
        Some(Some(limit)) => Ok(Some(usize::try_from(limit).unwrap_or(usize::MAX))),
        Some(None) => complain("`max_tokens` must be a positive integer", "max_tokens"),
    }
}

/// Three a message, one a token of its texts and tool arguments, 85 an attachment, three for the answer's start.
pub(super) fn prompt_tokens(messages: &[Value]) -> u64 {
    messages.iter().map(message_tokens).sum::<u64>() + TOKENS_A_MESSAGE
}

fn message_tokens(message: &Value) -> u64 {
    let count = |text: &str| tokens(text).count() as u64;
    let content = match message.get("content") {
        Some(Value::String(text)) => count(text),
        Some(Value::Array(parts)) => parts
            .iter()
            .map(|part| part.get("text").and_then(Value::as_str).map_or(TOKENS_AN_ATTACHMENT, count))
            .sum(),
        _ => 0,
    };
    let calls = message.get("tool_calls").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let arguments = calls.iter().filter_map(|call| call.pointer("/function/arguments")?.as_str());
    TOKENS_A_MESSAGE + content + arguments.map(count).sum::<u64>()
}

fn wanted(body: &Value, messages: &[Value]) -> Wanted {
    // what the system says behind the user's words is no turn
    let roles = messages.iter().filter_map(|message| message.get("role")?.as_str());
    let role = roles.rev().find(|role| !matches!(*role, "system" | "developer"));
    if let Some(tool) = chosen_tool(body).filter(|_| role == Some("user")) {
        let arguments = tool.get("parameters").map(schema::instance).filter(Value::is_object);
        return Wanted::Call {
            name: tool.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            arguments: arguments.map_or_else(|| "{}".to_owned(), |arguments| arguments.to_string()),
        };
    }
    let text = format!("You said: {}", last_user_text(messages));
    match body.pointer("/response_format/type").and_then(Value::as_str) {
        Some("json_object") => Wanted::Json(serde_json::json!({ "text": text }).to_string()),
        Some("json_schema") => {
            let schema = body.pointer("/response_format/json_schema/schema").cloned().unwrap_or_default();
            Wanted::Json(schema::instance(&schema).to_string())
        }
        _ => Wanted::Text(text),
    }
}

/// The function the request names, else its first one; none where `tool_choice` is `none`.
fn chosen_tool(body: &Value) -> Option<&Value> {
    let tools = body.get("tools")?.as_array()?;
    if body.get("tool_choice").and_then(Value::as_str) == Some("none") {
        return None;
    }
    let named = body.pointer("/tool_choice/function/name");
    let mut functions = tools.iter().filter_map(|tool| tool.get("function"));
    functions.find(|function| named.is_none() || function.get("name") == named)
}

pub(super) fn last_user_text(messages: &[Value]) -> String {
    let is_user = |message: &&Value| message.get("role").and_then(Value::as_str) == Some("user");
    let content = messages.iter().rev().find(is_user).and_then(|message| message.get("content"));
    let text = match content {
        Some(Value::Array(parts)) => parts.iter().find_map(|part| part.get("text")?.as_str()),
        Some(content) => content.as_str(),
        None => None,
    };
    text.unwrap_or_default().chars().take(MAX_ECHO_CHARS).collect()
}
