//! An answer in the form of Anthropic's recorded messages of 2025 and 2026, whole and as events.

use serde_json::{Value, json};

use crate::mock::answer::{Answer, Choice};
use crate::mock::ask::{Ask, SEAL, THOUGHT};
use crate::mock::render::{Event, ID, NEAR_MAX};
use crate::script::Usage;

/// A whole answer's body.
pub(crate) fn whole(ask: &Ask, answer: &Answer) -> String {
    let content = answer.choices.first().map(|choice| match &choice.call {
        None => json!({"type": "text", "text": choice.text()}),
        Some(name) => {
            let input: Value = serde_json::from_str(&choice.text()).unwrap_or_else(|_| json!({}));
            tool_use(name, &input)
        }
    });
    let thought = ask.thinks.then(|| json!({"type": "thinking", "thinking": THOUGHT, "signature": SEAL}));
    let content: Vec<Value> = thought.into_iter().chain(content).collect();
    let stop = answer.choices.first().map(stop_reason);
    let usage = usage(ask.script.usage, answer.prompt_tokens, answer.completion_tokens);
    message(ask, &content, stop, usage).to_string()
}

/// The events of a stream, `message_stop` last.
pub(crate) fn events(ask: &Ask, answer: &Answer) -> Vec<Event> {
    let Some(choice) = answer.choices.first() else { return Vec::new() };
    let start = message(ask, &[], None, usage(ask.script.usage, answer.prompt_tokens, 1));
    let block = match &choice.call {
        None => json!({"type": "text", "text": ""}),
        Some(name) => tool_use(name, &json!({})),
    };
    let mut events = vec![event(&json!({"type": "message_start", "message": start}), 0)];
    if ask.thinks {
        events.extend(thought().map(|json| event(&json, 0)));
    }
    let at = u64::from(ask.thinks);
    events.push(event(&json!({"type": "content_block_start", "index": at, "content_block": block}), 0));
    events.push(event(&json!({"type": "ping"}), 0));
    for (piece, tokens) in choice.pieces.iter().zip(1..) {
        let delta = match choice.call {
            None => json!({"type": "text_delta", "text": piece}),
            Some(_) => json!({"type": "input_json_delta", "partial_json": piece}),
        };
        events.push(event(&json!({"type": "content_block_delta", "index": at, "delta": delta}), tokens));
    }
    let delta = json!({"stop_reason": stop_reason(choice), "stop_sequence": null});
    let end = json!({"type": "message_delta", "delta": delta});
    let usage =
        count(ask.script.usage, answer.completion_tokens).map(|output| json!({"output_tokens": output}));
    let end = with_usage(end, usage);
    for last in [json!({"type": "content_block_stop", "index": at}), end, json!({"type": "message_stop"})] {
        events.push(event(&last, answer.completion_tokens));
    }
    events
}

/// The events of a thought, which is the first block.
fn thought() -> [Value; 4] {
    let block = json!({"type": "thinking", "thinking": "", "signature": ""});
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    [
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        delta(json!({"type": "thinking_delta", "thinking": THOUGHT})),
        delta(json!({"type": "signature_delta", "signature": SEAL})),
        json!({"type": "content_block_stop", "index": 0}),
    ]
}

fn event(json: &Value, tokens: u64) -> Event {
    let name = json.get("type").and_then(Value::as_str).map(str::to_owned);
    Event { name, json: json.to_string(), tokens }
}

fn message(ask: &Ask, content: &[Value], stop: Option<&str>, usage: Option<Value>) -> Value {
    let message = json!({
        "id": format!("msg_{ID}"), "type": "message", "role": "assistant",
        "model": format!("{}-20260101", ask.base), "content": content,
        "stop_reason": stop, "stop_sequence": null,
    });
    with_usage(message, usage)
}

fn with_usage(mut value: Value, usage: Option<Value>) -> Value {
    if let (Some(members), Some(usage)) = (value.as_object_mut(), usage) {
        members.insert("usage".to_owned(), usage);
    }
    value
}

fn tool_use(name: &str, input: &Value) -> Value {
    json!({"type": "tool_use", "id": format!("toolu_{ID}"), "name": name, "input": input})
}

fn stop_reason(choice: &Choice) -> &'static str {
    match choice.finish {
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        _ => "end_turn",
    }
}

/// A count as the script distorts it; running totals are this API's usual way.
fn count(style: Usage, tokens: u64) -> Option<Value> {
    match style {
        Usage::Absent => None,
        Usage::Negative => Some(json!(-1)),
        Usage::Huge => Some(json!(NEAR_MAX)),
        Usage::True | Usage::Cumulative => Some(json!(tokens)),
    }
}

fn usage(style: Usage, input: u64, output: u64) -> Option<Value> {
    Some(json!({
        "input_tokens": count(style, input)?, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": count(style, output)?, "service_tier": "standard",
    }))
}
