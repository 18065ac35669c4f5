//! An answer in the form of Bedrock's recorded conversations of 2025 and 2026, whole and as events.

use serde_json::{Value, json};

use crate::mock::answer::{Answer, Choice};
use crate::mock::ask::{Ask, SEAL, THOUGHT};
use crate::mock::render::{Event, NEAR_MAX};
use crate::script::Usage;

/// Ids inside frames are under their checksums, so every call has this one.
const CALL_ID: &str = "tooluse_mock-000000000000000001";

/// Letters that make all frames of a kind equally long.
const PADDING: &str = "abcdefghijkl";

/// A whole answer's body.
pub(crate) fn whole(ask: &Ask, answer: &Answer) -> String {
    let thought = json!({"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": SEAL}}});
    let thought = ask.thinks.then_some(thought);
    let content: Vec<Value> = thought.into_iter().chain(answer.choices.first().map(block)).collect();
    let stop = answer.choices.first().map(stop_reason);
    let mut body = json!({
        "metrics": {"latencyMs": 12},
        "output": {"message": {"content": content, "role": "assistant"}},
        "stopReason": stop,
    });
    let usage = usage(ask.script.usage, answer.prompt_tokens, answer.completion_tokens);
    if let (Some(members), Some(usage)) = (body.as_object_mut(), usage) {
        members.insert("usage".to_owned(), usage);
    }
    body.to_string()
}

/// The events of a stream, `metadata` last: its text is begun by nothing, its call by an event.
pub(crate) fn events(ask: &Ask, answer: &Answer) -> Vec<Event> {
    let Some(choice) = answer.choices.first() else { return Vec::new() };
    let mut events = vec![event("messageStart", json!({"p": PADDING, "role": "assistant"}), 0)];
    let at = u64::from(ask.thinks);
    if ask.thinks {
        for said in [json!({ "text": THOUGHT }), json!({ "signature": SEAL })] {
            let delta = json!({ "reasoningContent": said });
            events.push(event(
                "contentBlockDelta",
                json!({"contentBlockIndex": 0, "delta": delta, "p": PADDING}),
                0,
            ));
        }
        events.push(event("contentBlockStop", json!({"contentBlockIndex": 0, "p": PADDING}), 0));
    }
    if let Some(name) = &choice.call {
        let start = json!({"toolUse": {"name": name, "toolUseId": CALL_ID}});
        events.push(event(
            "contentBlockStart",
            json!({"contentBlockIndex": at, "p": PADDING, "start": start}),
            0,
        ));
    }
    for (piece, tokens) in choice.pieces.iter().zip(1..) {
        let delta = match choice.call {
            None => json!({ "text": piece }),
            Some(_) => json!({"toolUse": {"input": piece}}),
        };
        let json = json!({"contentBlockIndex": at, "delta": delta, "p": PADDING});
        events.push(event("contentBlockDelta", json, tokens));
    }
    let all = answer.completion_tokens;
    events.push(event("contentBlockStop", json!({"contentBlockIndex": at, "p": PADDING}), all));
    events.push(event("messageStop", json!({"p": PADDING, "stopReason": stop_reason(choice)}), all));
    if let Some(usage) = usage(ask.script.usage, answer.prompt_tokens, all) {
        events.push(event(
            "metadata",
            json!({"metrics": {"latencyMs": 12}, "p": PADDING, "usage": usage}),
            all,
        ));
    }
    events
}

fn event(name: &str, json: Value, tokens: u64) -> Event {
    Event { name: Some(name.to_owned()), json: json.to_string(), tokens }
}

fn block(choice: &Choice) -> Value {
    match &choice.call {
        None => json!({ "text": choice.text() }),
        Some(name) => {
            let input: Value = serde_json::from_str(&choice.text()).unwrap_or_else(|_| json!({}));
            json!({"toolUse": {"input": input, "name": name, "toolUseId": CALL_ID}})
        }
    }
}

fn stop_reason(choice: &Choice) -> &'static str {
    match choice.finish {
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        _ => "end_turn",
    }
}

/// Counts as the script distorts them; the vendor says them once.
fn usage(style: Usage, input: u64, output: u64) -> Option<Value> {
    let count = |tokens: u64| match style {
        Usage::Absent => None,
        Usage::Negative => Some(json!(-1)),
        Usage::Huge => Some(json!(NEAR_MAX)),
        Usage::True | Usage::Cumulative => Some(json!(tokens)),
    };
    Some(json!({
        "inputTokens": count(input)?, "outputTokens": count(output)?, "serverToolUsage": {},
        "totalTokens": count(input + output)?,
    }))
}
