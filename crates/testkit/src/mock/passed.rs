//! What OpenAI has beside chats and embeddings: completions, moderations, pictures and sound, by the model's name.
//!
//! An answer says what came in, so that a test sees whether it came as it was sent.

use serde_json::{Value, json};

use super::reply::Reply;
use super::surface::Surface;
use crate::script::Script;

/// Where a body that says `"stream"` is answered by events.
const EVENTS: &str = "text/event-stream; charset=utf-8";

/// Whether a path is one of these operations'.
pub(super) fn is_asked(path: &str) -> bool {
    OPERATIONS.into_iter().any(|name| path.ends_with(name))
}

/// The answer to one of these operations.
pub(super) fn answer(path: &str, body: &[u8], script: &Script) -> Reply {
    let name = OPERATIONS.into_iter().find(|name| path.ends_with(name)).unwrap_or_default();
    let asked = Asked::read(body);
    let said = asked.model.split_once('+').and_then(|(_, said)| Script::parse(said).ok());
    if let Some(reply) = Reply::of_script(Surface::Chat, said.as_ref().unwrap_or(script)) {
        return reply;
    }
    match name {
        "/completions" => completion(&asked),
        "/moderations" => Reply::json(&moderation(&asked).to_string()),
        "/audio/speech" => Reply::of_media("audio/mpeg", &["ID3", &asked.text("input"), "\u{0}end"]),
        "/audio/transcriptions" => transcription(&asked),
        "/audio/translations" => Reply::json(&json!({"text": asked.sum()}).to_string()),
        "/rerank" => rerank(path, &asked),
        _ => pictures(name, &asked),
    }
}

const OPERATIONS: [&str; 9] = [
    "/rerank",
    "/completions",
    "/moderations",
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
    "/images/generations",
    "/images/edits",
    "/images/variations",
];

struct Asked {
    /// Empty where the body is a form.
    json: Value,
    model: String,
    is_stream: bool,
    bytes: usize,
}

impl Asked {
    fn read(body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = String::from_utf8_lossy(body);
        let model = match json.get("model").and_then(Value::as_str) {
            Some(model) => model.to_owned(),
            None => field(&text, "model").unwrap_or_default().to_owned(),
        };
        let is_stream =
            json.get("stream") == Some(&Value::Bool(true)) || field(&text, "stream") == Some("true");
        Self { json, model, is_stream, bytes: body.len() }
    }

    fn text(&self, name: &str) -> String {
        self.json.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// What came, in words.
    fn sum(&self) -> String {
        format!("{} bytes for {}", self.bytes, self.model)
    }
}

/// A field of a form.
fn field<'a>(form: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = form.split_once(&format!("name=\"{name}\"\r\n\r\n"))?;
    after.split_once("\r\n").map(|(value, _)| value)
}

fn completion(asked: &Asked) -> Reply {
    let chunk = |text: &str, finish: Value| {
        json!({"id": "cmpl-1", "object": "text_completion", "created": 1, "model": asked.model,
               "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}]})
    };
    if asked.is_stream {
        let events = [chunk("one ", Value::Null), chunk("two", json!("stop"))];
        let events: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let mut parts: Vec<&str> = events.iter().map(String::as_str).collect();
        parts.push("data: [DONE]\n\n");
        return Reply::of_media(EVENTS, &parts);
    }
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    Reply::json(&with(chunk("one two", json!("stop")), "usage", usage).to_string())
}

fn moderation(asked: &Asked) -> Value {
    let model = if asked.model.is_empty() { "omni-moderation-latest" } else { &asked.model };
    json!({"id": "modr-1", "model": model, "results": [{"flagged": asked.text("input").contains("kill")}]})
}

fn transcription(asked: &Asked) -> Reply {
    let usage = json!({"type": "tokens", "input_tokens": 14, "output_tokens": 4, "total_tokens": 18,
                       "input_token_details": {"audio_tokens": 12, "text_tokens": 2}});
    if asked.is_stream {
        let delta = json!({"type": "transcript.text.delta", "delta": "hello"});
        let done = json!({"type": "transcript.text.done", "text": "hello", "usage": usage});
        let events = [delta, done].map(|event| format!("data: {event}\n\n"));
        return Reply::of_media(EVENTS, &events.each_ref().map(String::as_str));
    }
    Reply::json(&json!({"text": asked.sum(), "usage": usage}).to_string())
}

/// The documents from the longest to the shortest, in the words of whoever has such a path or model.
fn rerank(path: &str, asked: &Asked) -> Reply {
    let documents = asked.json.get("documents").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut order: Vec<usize> = (0..documents.len()).collect();
    let length = |at: &usize| documents.get(*at).and_then(Value::as_str).map_or(0, str::len);
    order.sort_by_key(|at| std::cmp::Reverse(length(at)));
    let top = ["top_n", "top_k"].iter().find_map(|name| asked.json.get(*name)?.as_u64());
    order.truncate(top.map_or(usize::MAX, |top| usize::try_from(top).unwrap_or(usize::MAX)));
    let results: Vec<Value> =
        order.iter().map(|at| json!({"index": at, "relevance_score": 1.0 / (1.0 + *at as f64)})).collect();
    let tokens = json!({"total_tokens": 3 * documents.len()});
    let answer = if path.contains("/v2/") {
        json!({"id": "r-1", "results": results, "meta": {"billed_units": {"search_units": 1}}})
    } else if asked.json.get("top_k").is_some() {
        json!({"object": "list", "data": results, "model": asked.model, "usage": tokens})
    } else {
        json!({"model": asked.model, "usage": tokens, "results": results})
    };
    Reply::json(&answer.to_string())
}

fn pictures(name: &str, asked: &Asked) -> Reply {
    let usage = json!({"input_tokens": 50, "output_tokens": 100, "total_tokens": 150,
                       "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}});
    if asked.is_stream {
        let partial = json!({"type": "image_generation.partial_image", "b64_json": "cGFydA==", "partial_image_index": 0});
        let whole = json!({"type": "image_generation.completed", "b64_json": "d2hvbGU=", "usage": usage});
        let events = [partial, whole].map(|event| {
            let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
            format!("event: {kind}\ndata: {event}\n\n")
        });
        return Reply::of_media(EVENTS, &events.each_ref().map(String::as_str));
    }
    let count = asked.json.get("n").and_then(Value::as_u64).unwrap_or(1);
    let data: Vec<Value> =
        (0..count).map(|at| json!({"url": format!("https://mock.invalid{name}/{at}")})).collect();
    let answer = json!({"created": 1, "data": data});
    let answer = if asked.model.contains("gpt") { with(answer, "usage", usage) } else { answer };
    Reply::json(&answer.to_string())
}

/// An object with one more member.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    object
}
