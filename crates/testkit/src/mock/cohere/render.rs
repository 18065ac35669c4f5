//! An answer in the form of Cohere's recorded chats of 2025 and 2026, whole and as events.
//!
//! The vendor bills the caller's tokens and counts its own prompt around them as well.

use serde_json::{Value, json};

use crate::mock::answer::{Answer, Choice};
use crate::mock::ask::Ask;
use crate::mock::render::{Event, ID, NEAR_MAX};
use crate::script::Usage;

/// How many tokens the vendor puts around a prompt.
const TEMPLATE_TOKENS: u64 = 496;

const PLAN: &str = "I will use a tool.";

/// A whole answer's body.
pub(crate) fn whole(ask: &Ask, answer: &Answer) -> String {
    let Some(choice) = answer.choices.first() else { return "{}".to_owned() };
    let message = match &choice.call {
        None => json!({"role": "assistant", "content": [{"type": "text", "text": choice.text()}]}),
        Some(name) => json!({
            "role": "assistant", "tool_plan": PLAN, "tool_calls": [call(name, &choice.text())],
        }),
    };
    let mut body = json!({"id": ID, "message": message, "finish_reason": finish_reason(choice)});
    put_usage(&mut body, ask, answer);
    body.to_string()
}

/// The events of a stream, `message-end` last.
pub(crate) fn events(ask: &Ask, answer: &Answer) -> Vec<Event> {
    let Some(choice) = answer.choices.first() else { return Vec::new() };
    let empty =
        json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
    let mut events = vec![event(&json!({"id": ID, "type": "message-start", "delta": {"message": empty}}), 0)];
    let mut said = |kind: &str, message: Value, tokens| {
        events.push(event(&json!({"type": kind, "index": 0, "delta": {"message": message}}), tokens));
    };
    match &choice.call {
        None => said("content-start", json!({"content": {"type": "text", "text": ""}}), 0),
        Some(name) => {
            said("tool-plan-delta", json!({ "tool_plan": PLAN }), 0);
            said("tool-call-start", json!({ "tool_calls": call(name, "") }), 0);
        }
    }
    for (piece, tokens) in choice.pieces.iter().zip(1..) {
        match choice.call {
            None => said("content-delta", json!({"content": {"text": piece}}), tokens),
            Some(_) => {
                said("tool-call-delta", json!({"tool_calls": {"function": {"arguments": piece}}}), tokens);
            }
        }
    }
    let end = if choice.call.is_some() { "tool-call-end" } else { "content-end" };
    events.push(event(&json!({"type": end, "index": 0}), answer.completion_tokens));
    let mut delta = json!({"finish_reason": finish_reason(choice)});
    put_usage(&mut delta, ask, answer);
    events.push(event(&json!({"type": "message-end", "delta": delta}), answer.completion_tokens));
    events
}

fn event(json: &Value, tokens: u64) -> Event {
    let name = json.get("type").and_then(Value::as_str).map(str::to_owned);
    Event { name, json: json.to_string(), tokens }
}

fn call(name: &str, arguments: &str) -> Value {
    json!({"id": format!("{name}_{ID}"), "type": "function", "function": {"name": name, "arguments": arguments}})
}

fn finish_reason(choice: &Choice) -> &'static str {
    match choice.finish {
        "length" => "MAX_TOKENS",
        "tool_calls" => "TOOL_CALL",
        _ => "COMPLETE",
    }
}

fn put_usage(value: &mut Value, ask: &Ask, answer: &Answer) {
    let count = |tokens: u64| match ask.script.usage {
        Usage::Absent => None,
        Usage::Negative => Some(json!(-1)),
        Usage::Huge => Some(json!(NEAR_MAX)),
        Usage::True | Usage::Cumulative => Some(json!(tokens)),
    };
    let (Some(input), Some(output)) = (count(answer.prompt_tokens), count(answer.completion_tokens)) else {
        return;
    };
    let usage = json!({
        "billed_units": {"input_tokens": input, "output_tokens": output},
        "tokens": {"input_tokens": answer.prompt_tokens + TEMPLATE_TOKENS, "output_tokens": answer.completion_tokens + 3},
        "cached_tokens": TEMPLATE_TOKENS,
    });
    if let Some(members) = value.as_object_mut() {
        members.insert("usage".to_owned(), usage);
    }
}
