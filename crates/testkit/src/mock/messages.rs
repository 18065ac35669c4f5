//! A request to Anthropic's Messages API as the mock understands it.
//!
//! Stricter than the chat surface: a translator made it, so whatever the vendor would refuse is refused.

pub(crate) mod render;

use serde_json::{Value, json};

use super::ask::{self, Ask, Complaint, StreamAsk, Wanted, complain, member};
use super::schema;
use super::surface::Surface;

const KNOWN: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "system",
    "stream",
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "metadata",
    "service_tier",
    "cache_control",
];

/// Reads a request body; `default` is the script of a model whose name has no words.
pub(crate) fn read(body: &[u8], default: &super::Script) -> Result<Ask, Complaint> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|why| Complaint { message: format!("the body is no JSON: {why}"), param: None })?;
    let (model, base, script) = ask::model(&body, default)?;
    let strange = body.as_object().into_iter().flatten().find(|(name, _)| !KNOWN.contains(&name.as_str()));
    if let Some((name, _)) = strange {
        return refuse(format!("{name}: Extra inputs are not permitted"));
    }
    let messages = turns(&body)?;
    let Some(max_tokens) = body.get("max_tokens").and_then(Value::as_u64).filter(|max| *max > 0) else {
        return complain("max_tokens: must be an integer of at least 1", "max_tokens");
    };
    let thinks = body.pointer("/thinking/type").is_some_and(|kind| *kind != json!("disabled"));
    if thinks && !messages.last().is_none_or(|last| is_reached_by_thinking(last, messages)) {
        return refuse(UNTHOUGHT.to_owned());
    }
    if member(&body, "tool_choice").is_some() && tools(&body).is_empty() {
        return complain("tool_choice: may only be specified while providing tools", "tool_choice");
    }
    let temperature = member(&body, "temperature").map(|value| value.as_f64().unwrap_or(f64::NAN));
    if temperature.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        return complain("temperature: range: 0..1", "temperature");
    }
    let stops = member(&body, "stop_sequences").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let system = member(&body, "system").map(|system| json!({"content": system}));
    let prompt: Vec<Value> = system.into_iter().chain(messages.iter().cloned()).collect();
    Ok(Ask {
        surface: Surface::Messages,
        model,
        base,
        script,
        stream: stream(&body)?,
        choices: 1,
        stops: stops.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        max_tokens: Some(usize::try_from(max_tokens).unwrap_or(usize::MAX)),
        prompt_tokens: ask::prompt_tokens(&prompt),
        wanted: wanted(&body, messages),
        thinks,
    })
}

/// The vendor's words for a call that comes back without the thought before it.
const UNTHOUGHT: &str = "messages: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block";

/// Whether a turn that answers calls goes on from the sealed thought that led to them.
fn is_reached_by_thinking(last: &Value, turns: &[Value]) -> bool {
    let first = |turn: &Value, kind: &str| turn.pointer("/content/0/type") == Some(&json!(kind));
    let asked = turns.iter().rev().find(|turn| turn.get("role") == Some(&json!("assistant")));
    !first(last, "tool_result")
        || asked.is_some_and(|turn| {
            first(turn, "thinking") && turn.pointer("/content/0/signature") == Some(&json!(ask::SEAL))
        })
}

fn refuse<T>(message: String) -> Result<T, Complaint> {
    Err(Complaint { message, param: None })
}

fn stream(body: &Value) -> Result<Option<StreamAsk>, Complaint> {
    match member(body, "stream").map(Value::as_bool) {
        Some(None) => complain("stream: must be a boolean", "stream"),
        Some(Some(true)) => Ok(Some(StreamAsk { usage: true, obfuscation: false })),
        _ => Ok(None),
    }
}

/// The turns, of which the first is the user's and none is empty.
fn turns(body: &Value) -> Result<&[Value], Complaint> {
    let turns = body.get("messages").and_then(Value::as_array).filter(|turns| !turns.is_empty());
    let Some(turns) = turns else {
        return complain("messages: at least one message is required", "messages");
    };
    for (at, turn) in turns.iter().enumerate() {
        match turn.get("role").and_then(Value::as_str) {
            Some("user") => {}
            Some("assistant") if at > 0 => {}
            _ => {
                return refuse(format!(
                    "messages.{at}.role: must be `user` first, then `user` or `assistant`"
                ));
            }
        }
        let is_blank = |text: &Value| text.as_str().is_some_and(|text| text.trim().is_empty());
        let content = turn.get("content").unwrap_or(&Value::Null);
        let blocks = content.as_array().map_or(&[][..], Vec::as_slice);
        let is_empty = blocks.is_empty() && content.as_str().is_none_or(|text| text.trim().is_empty());
        if is_empty || blocks.iter().any(|block| block.get("text").is_some_and(is_blank)) {
            return refuse(format!("messages.{at}: text content blocks must contain non-whitespace text"));
        }
    }
    Ok(turns)
}

fn tools(body: &Value) -> &[Value] {
    body.get("tools").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn wanted(body: &Value, turns: &[Value]) -> Wanted {
    let last = turns.last().and_then(|turn| turn.get("content"));
    let blocks = last.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let answers_a_call = blocks.iter().any(|block| block.get("type") == Some(&json!("tool_result")));
    if let Some(tool) = chosen_tool(body).filter(|_| !answers_a_call) {
        let arguments = tool.get("input_schema").map(schema::instance).filter(Value::is_object);
        return Wanted::Call {
            name: tool.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            arguments: arguments.map_or_else(|| "{}".to_owned(), |arguments| arguments.to_string()),
        };
    }
    match body.pointer("/output_config/format/schema") {
        Some(schema) => Wanted::Json(schema::instance(schema).to_string()),
        None => Wanted::Text(format!("You said: {}", ask::last_user_text(turns))),
    }
}

/// The tool the request names, else its first one; none where `tool_choice` is `none`.
fn chosen_tool(body: &Value) -> Option<&Value> {
    if body.pointer("/tool_choice/type").and_then(Value::as_str) == Some("none") {
        return None;
    }
    let named = body.pointer("/tool_choice/name");
    tools(body).iter().find(|tool| named.is_none() || tool.get("name") == named)
}
