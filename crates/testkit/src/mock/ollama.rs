//! A request to Ollama's own chat as the mock understands it.
//!
//! Stricter than the server, which reads over what it does not know: a translator made the request.

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
    "format",
    "think",
    "options",
    "keep_alive",
    "logprobs",
    "top_logprobs",
];

/// Reads a request body; `default` is the script of a model whose name has no words.
pub(crate) fn read(body: &[u8], default: &super::Script) -> Result<Ask, Complaint> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|why| Complaint { message: format!("invalid JSON: {why}"), param: None })?;
    let (model, base, script) = ask::model(&body, default)?;
    let strange = body.as_object().into_iter().flatten().find(|(name, _)| !KNOWN.contains(&name.as_str()));
    if let Some((name, _)) = strange {
        return refuse(format!("unknown field `{name}`"));
    }
    let messages = messages(&body)?;
    let option = |name: &str| body.pointer(&format!("/options/{name}"));
    let stops = option("stop").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let max_tokens = option("num_predict").and_then(Value::as_u64);
    // the server streams unasked
    let stream = member(&body, "stream").and_then(Value::as_bool).unwrap_or(true);
    Ok(Ask {
        surface: Surface::Ollama,
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

/// The messages: one text each, images in base64, arguments as objects.
fn messages(body: &Value) -> Result<&[Value], Complaint> {
    let messages = body.get("messages").and_then(Value::as_array).filter(|messages| !messages.is_empty());
    let Some(messages) = messages else { return complain("messages is required", "messages") };
    for (at, message) in messages.iter().enumerate() {
        let elements =
            |name: &str| message.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let is_known = ["system", "user", "assistant", "tool"]
            .map(Some)
            .contains(&message.get("role").and_then(Value::as_str));
        let is_base64 = |image: &Value| {
            image.as_str().is_some_and(|image| {
                image.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
            })
        };
        let has_object = |call: &Value| call.pointer("/function/arguments").is_some_and(Value::is_object);
        if !is_known
            || !message.get("content").is_some_and(Value::is_string)
            || !elements("images").iter().all(is_base64)
            || !elements("tool_calls").iter().all(has_object)
        {
            return refuse(format!("message {at} cannot be read"));
        }
    }
    Ok(messages)
}

fn wanted(body: &Value, messages: &[Value]) -> Wanted {
    let role = messages.last().and_then(|message| message.get("role")).and_then(Value::as_str);
    if let Some(tool) = body.pointer("/tools/0/function").filter(|_| role == Some("user")) {
        let arguments = tool.get("parameters").map(schema::instance).filter(Value::is_object);
        return Wanted::Call {
            name: tool.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            arguments: arguments.map_or_else(|| "{}".to_owned(), |arguments| arguments.to_string()),
        };
    }
    let text = format!("You said: {}", ask::last_user_text(messages));
    match member(body, "format") {
        Some(Value::String(_)) => Wanted::Json(serde_json::json!({ "text": text }).to_string()),
        Some(schema) => Wanted::Json(schema::instance(schema).to_string()),
        None => Wanted::Text(text),
    }
}
