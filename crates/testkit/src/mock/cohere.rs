//! A request to Cohere's chat, version 2, as the mock understands it.
//!
//! Stricter than the chat surface: a translator made it, so whatever the vendor would refuse is refused.

pub(crate) mod render;

use serde_json::Value;

use super::ask::{self, Ask, Complaint, StreamAsk, Wanted, complain, member};
use super::schema;
use super::surface::Surface;

const KNOWN: &[&str] = &[
    "model",
    "messages",
    "stream",
    "tools",
    "strict_tools",
    "tool_choice",
    "documents",
    "citation_options",
    "response_format",
    "safety_mode",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "k",
    "p",
    "logprobs",
    "thinking",
    "priority",
];

/// Reads a request body; `default` is the script of a model whose name has no words.
pub(crate) fn read(body: &[u8], default: &super::Script) -> Result<Ask, Complaint> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|why| Complaint { message: format!("invalid json syntax: {why}"), param: None })?;
    let (model, base, script) = ask::model(&body, default)?;
    let strange = body.as_object().into_iter().flatten().find(|(name, _)| !KNOWN.contains(&name.as_str()));
    if let Some((name, _)) = strange {
        return refuse(format!("invalid request: unknown field `{name}`"));
    }
    let messages = messages(&body)?;
    for name in ["temperature", "frequency_penalty", "presence_penalty", "p"] {
        let said = member(&body, name).map(|value| value.as_f64().unwrap_or(f64::NAN));
        if said.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            return refuse(format!("invalid request: {name} must be between 0 and 1 inclusive"));
        }
    }
    let choice = member(&body, "tool_choice").and_then(Value::as_str);
    if choice.is_some_and(|choice| !["REQUIRED", "NONE"].contains(&choice)) {
        return refuse("invalid request: tool_choice must be REQUIRED or NONE".to_owned());
    }
    let stops = member(&body, "stop_sequences").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let max_tokens = member(&body, "max_tokens").and_then(Value::as_u64);
    let stream = member(&body, "stream").and_then(Value::as_bool).unwrap_or(false);
    Ok(Ask {
        surface: Surface::Cohere,
        model,
        base,
        script,
        stream: stream.then_some(StreamAsk { usage: true, obfuscation: false }),
        choices: 1,
        stops: stops.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        max_tokens: max_tokens.map(|max| usize::try_from(max).unwrap_or(usize::MAX)),
        prompt_tokens: ask::prompt_tokens(messages),
        wanted: wanted(&body, messages),
        thinks: false,
    })
}

fn refuse<T>(message: String) -> Result<T, Complaint> {
    Err(Complaint { message, param: None })
}

/// The messages, whose results answer calls that were made.
fn messages(body: &Value) -> Result<&[Value], Complaint> {
    let messages = body.get("messages").and_then(Value::as_array).filter(|messages| !messages.is_empty());
    let Some(messages) = messages else {
        return complain("invalid request: messages must not be empty", "messages");
    };
    let mut called: Vec<&Value> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        match message.get("role").and_then(Value::as_str) {
            Some("system" | "user") if message.get("content").is_some() => {}
            Some("assistant") => {
                let calls =
                    message.get("tool_calls").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                called.extend(calls.iter().filter_map(|call| call.get("id")));
            }
            Some("tool") if message.get("tool_call_id").is_some_and(|id| called.contains(&id)) => {}
            _ => {
                return refuse(format!(
                    "invalid request: message {at} has no known role, or answers no call"
                ));
            }
        }
    }
    Ok(messages)
}

fn wanted(body: &Value, messages: &[Value]) -> Wanted {
    let role = messages.last().and_then(|message| message.get("role")).and_then(Value::as_str);
    let is_allowed = body.get("tool_choice").and_then(Value::as_str) != Some("NONE");
    let tool = body.pointer("/tools/0/function").filter(|_| is_allowed && role == Some("user"));
    if let Some(tool) = tool {
        let arguments = tool.get("parameters").map(schema::instance).filter(Value::is_object);
        return Wanted::Call {
            name: tool.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            arguments: arguments.map_or_else(|| "{}".to_owned(), |arguments| arguments.to_string()),
        };
    }
    let text = format!("You said: {}", ask::last_user_text(messages));
    match (
        body.pointer("/response_format/type").and_then(Value::as_str),
        body.pointer("/response_format/json_schema"),
    ) {
        (Some("json_object"), Some(schema)) => Wanted::Json(schema::instance(schema).to_string()),
        (Some("json_object"), None) => Wanted::Json(serde_json::json!({ "text": text }).to_string()),
        _ => Wanted::Text(text),
    }
}
