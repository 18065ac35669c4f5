//! An answer in the form of Ollama's chats of 2025 and 2026, whole and line by line.

use serde_json::{Value, json};

use crate::mock::answer::{Answer, Choice};
use crate::mock::ask::Ask;
use crate::mock::render::{Event, ID, NEAR_MAX};
use crate::script::Usage;

const MADE_AT: &str = "2026-01-01T12:00:00.123456Z";

/// A whole answer's body.
pub(crate) fn whole(ask: &Ask, answer: &Answer) -> String {
    let Some(choice) = answer.choices.first() else { return "{}".to_owned() };
    let text = if choice.call.is_some() { String::new() } else { choice.text() };
    last(ask, answer, choice, said(&text, choice)).to_string()
}

/// The lines of a stream; the last is `done`. A call comes whole.
pub(crate) fn events(ask: &Ask, answer: &Answer) -> Vec<Event> {
    let Some(choice) = answer.choices.first() else { return Vec::new() };
    let line = |message: Value, tokens| Event { name: None, json: piece(ask, message).to_string(), tokens };
    let mut events: Vec<Event> = match choice.call {
        Some(_) => vec![line(said("", choice), answer.completion_tokens)],
        None => {
            let text = |(piece, tokens): (&String, u64)| line(said(piece, choice), tokens);
            choice.pieces.iter().zip(1..).map(text).collect()
        }
    };
    let message = json!({"role": "assistant", "content": ""});
    let json = last(ask, answer, choice, message).to_string();
    events.push(Event { name: None, json, tokens: answer.completion_tokens });
    events
}

fn said(text: &str, choice: &Choice) -> Value {
    let Some(name) = &choice.call else { return json!({"role": "assistant", "content": text}) };
    let arguments: Value = serde_json::from_str(&choice.text()).unwrap_or_else(|_| json!({}));
    let function = json!({"index": 0, "name": name, "arguments": arguments});
    json!({"role": "assistant", "content": text, "tool_calls": [{"id": format!("call_{ID}"), "function": function}]})
}

fn piece(ask: &Ask, message: Value) -> Value {
    json!({"model": ask.base, "created_at": MADE_AT, "message": message, "done": false})
}

fn last(ask: &Ask, answer: &Answer, choice: &Choice, message: Value) -> Value {
    let mut body = piece(ask, message);
    let Some(members) = body.as_object_mut() else { return body };
    let reason = if choice.finish == "length" { "length" } else { "stop" };
    members.insert("done".to_owned(), json!(true));
    members.insert("done_reason".to_owned(), json!(reason));
    for name in ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"] {
        members.insert(name.to_owned(), json!(1_000_000));
    }
    let count = |tokens: u64| match ask.script.usage {
        Usage::Absent => None,
        Usage::Negative => Some(json!(-1)),
        Usage::Huge => Some(json!(NEAR_MAX)),
        Usage::True | Usage::Cumulative => Some(json!(tokens)),
    };
    members.extend(count(answer.prompt_tokens).map(|count| ("prompt_eval_count".to_owned(), count)));
    members.extend(count(answer.completion_tokens).map(|count| ("eval_count".to_owned(), count)));
    body
}
