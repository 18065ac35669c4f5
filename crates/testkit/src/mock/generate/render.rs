//! An answer in the form of Gemini's recorded contents of 2025 and 2026, whole and as events.

use serde_json::{Value, json};

use crate::mock::answer::{Answer, Choice};
use crate::mock::ask::Ask;
use crate::mock::render::{Event, ID, NEAR_MAX};
use crate::script::Usage;

/// Base64, as every signature of the vendor's.
const SIGNATURE: &str = "bW9jayBzaWduYXR1cmU=";

/// A whole answer's body.
pub(crate) fn whole(ask: &Ask, answer: &Answer) -> String {
    let choices = answer.choices.iter().enumerate();
    let candidates =
        choices.map(|(at, choice)| candidate(at, parts(choice, &choice.text()), Some(finish_reason(choice))));
    response(ask, answer, candidates.collect(), answer.completion_tokens).to_string()
}

/// The events of a stream; the last says why the model finished. A call comes whole.
pub(crate) fn events(ask: &Ask, answer: &Answer) -> Vec<Event> {
    let Some(choice) = answer.choices.first() else { return Vec::new() };
    let call = choice.call.as_ref().map(|_| choice.text());
    let pieces: Vec<(&str, u64)> = match &call {
        Some(arguments) => vec![(arguments, answer.completion_tokens)],
        None => choice.pieces.iter().map(String::as_str).zip(1..).collect(),
    };
    let mut events: Vec<Event> = Vec::with_capacity(pieces.len() + 1);
    for (piece, tokens) in pieces {
        let candidate = candidate(0, parts(choice, piece), None);
        let json = response(ask, answer, vec![candidate], tokens).to_string();
        events.push(Event { name: None, json, tokens });
    }
    let last = candidate(0, json!([{"text": ""}]), Some(finish_reason(choice)));
    let json = response(ask, answer, vec![last], answer.completion_tokens).to_string();
    events.push(Event { name: None, json, tokens: answer.completion_tokens });
    events
}

fn parts(choice: &Choice, text: &str) -> Value {
    match &choice.call {
        None => json!([{ "text": text }]),
        Some(name) => {
            let args: Value = serde_json::from_str(text).unwrap_or_else(|_| json!({}));
            json!([{"functionCall": {"name": name, "args": args}, "thoughtSignature": SIGNATURE}])
        }
    }
}

fn candidate(index: usize, parts: Value, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": index});
    if let (Some(members), Some(finish)) = (candidate.as_object_mut(), finish) {
        members.insert("finishReason".to_owned(), json!(finish));
    }
    candidate
}

fn response(ask: &Ask, answer: &Answer, candidates: Vec<Value>, completion: u64) -> Value {
    let mut response =
        json!({"candidates": candidates, "modelVersion": format!("{}-001", ask.base), "responseId": ID});
    let usage = usage(ask.script.usage, answer.prompt_tokens, completion);
    if let (Some(members), Some(usage)) = (response.as_object_mut(), usage) {
        members.insert("usageMetadata".to_owned(), usage);
    }
    response
}

fn finish_reason(choice: &Choice) -> &'static str {
    if choice.finish == "length" { "MAX_TOKENS" } else { "STOP" }
}

/// Counts as the script distorts them; running totals are this API's usual way.
fn usage(style: Usage, prompt: u64, completion: u64) -> Option<Value> {
    let count = |tokens: u64| match style {
        Usage::Absent => None,
        Usage::Negative => Some(json!(-1)),
        Usage::Huge => Some(json!(NEAR_MAX)),
        Usage::True | Usage::Cumulative => Some(json!(tokens)),
    };
    Some(json!({
        "promptTokenCount": count(prompt)?, "candidatesTokenCount": count(completion)?,
        "totalTokenCount": count(prompt + completion)?,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count(prompt)?}],
    }))
}
