//! A request to Bedrock's Converse as the mock understands it; the model and whether to stream stand in the path.
//!
//! Stricter than the chat surface: a translator made it, so whatever the vendor would refuse is refused.

pub(crate) mod frame;
pub(crate) mod invoke;
pub(crate) mod render;
pub(crate) mod signature;

use serde_json::{Value, json};

use super::ask::{self, Ask, Complaint, StreamAsk, Wanted, member};
use super::schema;
use super::surface::Surface;

const KNOWN: &[&str] = &[
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "outputConfig",
    "additionalModelRequestFields",
    "requestMetadata",
    "serviceTier",
];

const KNOWN_INFERENCE: &[&str] = &["maxTokens", "temperature", "topP", "stopSequences"];

/// What a block may be; one of them it must be.
const KINDS: &[&str] =
    &["text", "image", "document", "audio", "toolUse", "toolResult", "reasoningContent", "cachePoint"];

/// Whether a path, without its query, asks for something of a model's.
pub(crate) fn is_asked(path: &str) -> bool {
    target(path).is_some() || path.ends_with("/invoke")
}

/// The model, and whether to stream, where a path without its query asks for a conversation.
pub(crate) fn target(path: &str) -> Option<(String, bool)> {
    let (rest, operation) = path.rsplit_once('/')?;
    let streams = match operation {
        "converse" => false,
        "converse-stream" => true,
        _ => return None,
    };
    let (before, model) = rest.rsplit_once('/')?;
    if !before.ends_with("/model") {
        return None;
    }
    Some((super::unescaped(model)?, streams))
}

/// Reads a request body; `default` is the script of a model whose name has no words.
pub(crate) fn read(path: &str, body: &[u8], default: &super::Script) -> Result<Ask, Complaint> {
    let Some((model, streams)) = target(path) else { return refuse("there is no such operation".to_owned()) };
    let body: Value = serde_json::from_slice(body)
        .map_err(|why| Complaint { message: format!("the body is no JSON: {why}"), param: None })?;
    let (model, base, script) = ask::model(&json!({ "model": model }), default)?;
    check_names("", &body, KNOWN)?;
    let inference = member(&body, "inferenceConfig").cloned().unwrap_or_else(|| json!({}));
    check_names("inferenceConfig.", &inference, KNOWN_INFERENCE)?;
    let turns = turns(&body)?;
    check_tools(&body, turns)?;
    let thinking = body.pointer("/additionalModelRequestFields/thinking/type");
    let thinks = thinking.is_some_and(|kind| *kind != json!("disabled"));
    if thinks && !turns.last().is_none_or(|last| is_reached_by_thinking(last, turns)) {
        return refuse("The model returned the following errors: Expected `thinking` or `redacted_thinking`, but found `tool_use`.".to_owned());
    }
    let temperature = member(&inference, "temperature").map(|value| value.as_f64().unwrap_or(f64::NAN));
    if temperature.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        return refuse("temperature must be between 0 and 1".to_owned());
    }
    let max_tokens = member(&inference, "maxTokens").map(|max| max.as_u64().filter(|max| *max > 0));
    if max_tokens == Some(None) {
        return refuse("maxTokens must be at least 1".to_owned());
    }
    let stops = member(&inference, "stopSequences").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let system = member(&body, "system").map(|system| json!({"content": system}));
    let prompt: Vec<Value> = system.into_iter().chain(turns.iter().cloned()).collect();
    Ok(Ask {
        surface: Surface::Converse,
        model,
        base,
        script,
        stream: streams.then_some(StreamAsk { usage: true, obfuscation: true }),
        choices: 1,
        stops: stops.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        max_tokens: max_tokens.flatten().map(|max| usize::try_from(max).unwrap_or(usize::MAX)),
        prompt_tokens: ask::prompt_tokens(&prompt),
        wanted: wanted(&body, turns),
        thinks,
    })
}

fn refuse<T>(message: String) -> Result<T, Complaint> {
    Err(Complaint { message, param: None })
}

fn check_names(place: &str, value: &Value, known: &[&str]) -> Result<(), Complaint> {
    let strange = value.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str()));
    strange.map_or(Ok(()), |(name, _)| {
        refuse(format!("Malformed input request: #/{place}{name}: extraneous key is not permitted"))
    })
}

fn blocks(turn: &Value) -> &[Value] {
    turn.get("content").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_of(kind: &str) -> impl Fn(&&Value) -> bool + '_ {
    move |block| block.get(kind).is_some()
}

/// The turns, by turns the user's and the model's, none empty. Each call is answered by the next turn.
fn turns(body: &Value) -> Result<&[Value], Complaint> {
    let turns = body.get("messages").and_then(Value::as_array).filter(|turns| !turns.is_empty());
    let Some(turns) = turns else { return refuse("messages must have at least 1 item".to_owned()) };
    let mut calls = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        let expected = if at % 2 == 0 { "user" } else { "assistant" };
        if turn.get("role").and_then(Value::as_str) != Some(expected) {
            return refuse("A conversation must alternate between user and assistant roles.".to_owned());
        }
        check_blocks(at, blocks(turn))?;
        let mut answered = ids(turn, "toolResult");
        answered.sort_unstable();
        if calls != answered {
            return refuse(format!(
                "Expected toolResult blocks at messages.{at}.content for the Ids of the toolUse blocks before."
            ));
        }
        calls = ids(turn, "toolUse");
        calls.sort_unstable();
    }
    Ok(turns)
}

/// Whether a turn that answers calls goes on from the sealed thought that led to them.
fn is_reached_by_thinking(last: &Value, turns: &[Value]) -> bool {
    let asked = turns.iter().rev().find(|turn| turn.get("role") == Some(&json!("assistant")));
    let seal = "/content/0/reasoningContent/reasoningText/signature";
    !blocks(last).iter().any(|block| block.get("toolResult").is_some())
        || asked.is_some_and(|turn| turn.pointer(seal) == Some(&json!(ask::SEAL)))
}

fn ids<'a>(turn: &'a Value, kind: &str) -> Vec<&'a str> {
    let of_kind = blocks(turn).iter().filter_map(|block| block.get(kind)?.get("toolUseId")?.as_str());
    of_kind.collect()
}

fn check_blocks(at: usize, blocks: &[Value]) -> Result<(), Complaint> {
    let is_one = |block: &Value| KINDS.iter().filter(|kind| block.get(**kind).is_some()).count() == 1;
    if blocks.is_empty() || !blocks.iter().all(is_one) {
        return refuse(format!("The content field in the Message object at messages.{at} is empty."));
    }
    let is_blank = |block: &Value| {
        block.get("text").is_some_and(|text| text.as_str().is_none_or(|text| text.trim().is_empty()))
    };
    let results = blocks.iter().filter_map(|block| block.pointer("/toolResult/content")?.as_array());
    if blocks.iter().chain(results.flatten()).any(is_blank) {
        return refuse(format!("The text field in the ContentBlock object at messages.{at} is blank."));
    }
    let has_document = blocks.iter().any(|block| block.get("document").is_some());
    if has_document && !blocks.iter().any(|block| block.get("text").is_some()) {
        return refuse("A text block must be included when using documents.".to_owned());
    }
    Ok(())
}

fn tools(body: &Value) -> Vec<&Value> {
    let tools = body.pointer("/toolConfig/tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    tools.iter().filter_map(|tool| tool.get("toolSpec")).collect()
}

fn check_tools(body: &Value, turns: &[Value]) -> Result<(), Complaint> {
    let has_calls =
        turns.iter().flat_map(blocks).any(|block| is_of("toolUse")(&block) || is_of("toolResult")(&block));
    let offered = tools(body);
    if has_calls && offered.is_empty() {
        return refuse("The toolConfig field must be defined when using toolUse and toolResult.".to_owned());
    }
    if member(body, "toolConfig").is_some() && offered.is_empty() {
        return refuse("toolConfig.tools must have at least 1 item".to_owned());
    }
    let is_whole = |tool: &&Value| {
        tool.pointer("/inputSchema/json/type") == Some(&json!("object"))
            && tool
                .get("description")
                .is_none_or(|words| words.as_str().is_some_and(|words| !words.is_empty()))
    };
    if !offered.iter().all(is_whole) {
        return refuse("a toolSpec has no inputSchema of type object, or an empty description".to_owned());
    }
    Ok(())
}

fn wanted(body: &Value, turns: &[Value]) -> Wanted {
    let last = turns.last().map(blocks).unwrap_or_default();
    let answers_a_call = last.iter().any(|block| block.get("toolResult").is_some());
    if let Some(tool) = chosen_tool(body).filter(|_| !answers_a_call) {
        let arguments = tool.pointer("/inputSchema/json").map(schema::instance).filter(Value::is_object);
        return Wanted::Call {
            name: tool.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            arguments: arguments.map_or_else(|| "{}".to_owned(), |arguments| arguments.to_string()),
        };
    }
    let schema = body.pointer("/outputConfig/textFormat/structure/jsonSchema/schema").and_then(Value::as_str);
    match schema.and_then(|schema| serde_json::from_str(schema).ok()) {
        Some(schema) => Wanted::Json(schema::instance(&schema).to_string()),
        None => {
            let has_text = |turn: &&Value| blocks(turn).iter().any(|block| block.get("text").is_some());
            let spoken: Vec<Value> = turns.iter().filter(has_text).cloned().collect();
            Wanted::Text(format!("You said: {}", ask::last_user_text(&spoken)))
        }
    }
}

/// The tool the request names, in the vendor's words or Claude's, else its first one.
fn chosen_tool(body: &Value) -> Option<&Value> {
    let claude = body.pointer("/additionalModelRequestFields/tool_choice");
    if claude.and_then(|choice| choice.get("type")) == Some(&json!("none")) {
        return None;
    }
    let named = claude.and_then(|choice| choice.get("name"));
    let named = named.or_else(|| body.pointer("/toolConfig/toolChoice/tool/name"));
    tools(body).into_iter().find(|tool| named.is_none() || tool.get("name") == named)
}
