//! A request to Gemini's `generateContent` as the mock understands it; the model and whether to stream stand in the path.
//!
//! Stricter than the chat surface: a translator made it, so whatever the vendor would refuse is refused.

pub(crate) mod render;

use serde_json::{Value, json};

use super::ask::{self, Ask, Complaint, StreamAsk, Wanted, member};
use super::schema;
use super::surface::Surface;

const KNOWN: &[&str] = &[
    "contents",
    "systemInstruction",
    "generationConfig",
    "tools",
    "toolConfig",
    "safetySettings",
    "cachedContent",
];

const KNOWN_CONFIG: &[&str] = &[
    "candidateCount",
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "seed",
    "stopSequences",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "responseJsonSchema",
    "responseSchema",
    "thinkingConfig",
];

/// What a part may be; one of them it must be.
const KINDS: &[&str] = &["text", "inlineData", "fileData", "functionCall", "functionResponse"];

/// Whether a path, without its query, asks for content.
pub(crate) fn is_asked(path: &str) -> bool {
    path.ends_with(":generateContent") || path.ends_with(":streamGenerateContent")
}

/// The model, and whether to stream. Without `alt=sse` the vendor answers with an array, which nobody wants.
fn target(path: &str) -> Option<(String, bool)> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (model, verb) = path.rsplit('/').next()?.rsplit_once(':')?;
    let streams = match verb {
        "generateContent" => false,
        "streamGenerateContent" if query == "alt=sse" => true,
        _ => return None,
    };
    Some((super::unescaped(model)?, streams))
}

/// Reads a request body; `default` is the script of a model whose name has no words.
pub(crate) fn read(path: &str, body: &[u8], default: &super::Script) -> Result<Ask, Complaint> {
    let Some((model, streams)) = target(path) else { return refuse("a stream needs alt=sse".to_owned()) };
    let body: Value = serde_json::from_slice(body)
        .map_err(|why| Complaint { message: format!("the body is no JSON: {why}"), param: None })?;
    let (model, base, script) = ask::model(&json!({ "model": model }), default)?;
    check_names("", &body, KNOWN)?;
    let config = member(&body, "generationConfig").cloned().unwrap_or_else(|| json!({}));
    check_names("generation_config.", &config, KNOWN_CONFIG)?;
    let turns = turns(&body)?;
    let choices = member(&config, "candidateCount").map_or(Some(1), |count| {
        count.as_u64().filter(|count| (1..=8).contains(count) && (!streams || *count == 1))
    });
    let Some(choices) = choices else { return refuse("candidate_count: must be 1 to 8".to_owned()) };
    if member(&body, "toolConfig").is_some() && functions(&body).is_empty() {
        return refuse("Function calling config is set without function_declarations.".to_owned());
    }
    let is_json = config.get("responseMimeType") == Some(&json!("application/json"));
    if config.get("responseJsonSchema").is_some() && !is_json {
        return refuse("response_json_schema needs response_mime_type application/json".to_owned());
    }
    let stops = member(&config, "stopSequences").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if stops.len() > 5 {
        return refuse("stop_sequences: at most 5".to_owned());
    }
    let max_tokens = member(&config, "maxOutputTokens").and_then(Value::as_u64);
    let system = member(&body, "systemInstruction").cloned();
    let prompt: Vec<Value> = system.iter().chain(turns).map(message).collect();
    Ok(Ask {
        surface: Surface::Generate,
        model,
        base,
        script,
        stream: streams.then_some(StreamAsk { usage: true, obfuscation: false }),
        choices,
        stops: stops.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        max_tokens: max_tokens.map(|max| usize::try_from(max).unwrap_or(usize::MAX)),
        prompt_tokens: ask::prompt_tokens(&prompt),
        wanted: wanted(&body, &config, turns),
        thinks: false,
    })
}

fn refuse<T>(message: String) -> Result<T, Complaint> {
    Err(Complaint { message, param: None })
}

fn check_names(place: &str, value: &Value, known: &[&str]) -> Result<(), Complaint> {
    let strange = value.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str()));
    strange.map_or(Ok(()), |(name, _)| {
        refuse(format!("Invalid JSON payload received. Unknown name \"{place}{name}\": Cannot find field."))
    })
}

/// A turn in the form of a chat message, for counting.
fn message(turn: &Value) -> Value {
    json!({"role": turn.get("role"), "content": turn.get("parts")})
}

fn parts(turn: &Value) -> &[Value] {
    turn.get("parts").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The turns, of which the first is the user's and none is empty. Each call is answered by the next turn.
fn turns(body: &Value) -> Result<&[Value], Complaint> {
    let turns = body.get("contents").and_then(Value::as_array).filter(|turns| !turns.is_empty());
    let Some(turns) = turns else { return refuse("contents is not specified".to_owned()) };
    let mut calls = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        match turn.get("role").and_then(Value::as_str) {
            Some("user") => {}
            Some("model") if at > 0 => {}
            _ => return refuse("Please use a valid role: user, model.".to_owned()),
        }
        let is_one = |part: &Value| KINDS.iter().filter(|kind| part.get(**kind).is_some()).count() == 1;
        if parts(turn).is_empty() || !parts(turn).iter().all(is_one) {
            return refuse(format!("contents[{at}].parts: must not be empty, and each one of a kind"));
        }
        let names = |kind: &str| -> Vec<&Value> {
            parts(turn).iter().filter_map(|part| part.get(kind)?.get("name")).collect()
        };
        let mut answered = names("functionResponse");
        answered.sort_by_key(|name| name.to_string());
        if calls != answered {
            return refuse(
                "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."
                    .to_owned(),
            );
        }
        calls = names("functionCall");
        calls.sort_by_key(|name| name.to_string());
    }
    Ok(turns)
}

fn functions(body: &Value) -> Vec<&Value> {
    let tools = body.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    tools.iter().filter_map(|tool| tool.get("functionDeclarations")?.as_array()).flatten().collect()
}

fn wanted(body: &Value, config: &Value, turns: &[Value]) -> Wanted {
    let last = turns.last().map(parts).unwrap_or_default();
    let answers_a_call = last.iter().any(|part| part.get("functionResponse").is_some());
    if let Some(tool) = chosen_tool(body).filter(|_| !answers_a_call) {
        let schema = either(tool, "parametersJsonSchema", "parameters");
        let arguments = schema.map(|schema| schema::instance(&schema)).filter(Value::is_object);
        return Wanted::Call {
            name: tool.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            arguments: arguments.map_or_else(|| "{}".to_owned(), |arguments| arguments.to_string()),
        };
    }
    let speaks = |turn: &&Value| parts(turn).iter().any(|part| part.get("text").is_some());
    let messages: Vec<Value> = turns.iter().filter(speaks).map(message).collect();
    let text = format!("You said: {}", ask::last_user_text(&messages));
    match (config.get("responseMimeType"), either(config, "responseJsonSchema", "responseSchema")) {
        (_, Some(schema)) => Wanted::Json(schema::instance(&schema).to_string()),
        (Some(_), None) => Wanted::Json(json!({ "text": text }).to_string()),
        (None, None) => Wanted::Text(text),
    }
}

/// A schema under its newer name, or under the older one, where kinds are written in capitals.
fn either(value: &Value, newer: &str, older: &str) -> Option<Value> {
    value.get(newer).cloned().or_else(|| value.get(older).map(in_small_letters))
}

fn in_small_letters(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match value {
                Value::String(kind) if name == "type" => (name.clone(), json!(kind.to_lowercase())),
                value => (name.clone(), in_small_letters(value)),
            };
            members.iter().map(member).collect()
        }
        Value::Array(values) => values.iter().map(in_small_letters).collect(),
        other => other.clone(),
    }
}

/// The function the request names, else its first one; none where the mode is `NONE`.
fn chosen_tool(body: &Value) -> Option<&Value> {
    let calling = body.pointer("/toolConfig/functionCallingConfig");
    if calling.and_then(|calling| calling.get("mode")) == Some(&json!("NONE")) {
        return None;
    }
    let named = calling.and_then(|calling| calling.pointer("/allowedFunctionNames/0"));
    functions(body).into_iter().find(|tool| named.is_none() || tool.get("name") == named)
}
