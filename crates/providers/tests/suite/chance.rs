//! What must hold of a dialect whatever is in a request or an answer: nothing panics, a request is said or
//! refused by name, an answer is OpenAI's form or a fault, and where a stream is cut makes no difference.

use bytes::{Bytes, BytesMut};
use nexus_core::{capabilities::Capabilities, site::Site};
use nexus_providers::dialect::Ask;
use nexus_wire::chat::ChatRequest;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::drive::{self, call, vendor};

const KINDS: &[&str] =
    &["azure", "cohere", "ollama-native", "openai", "mistral", "deepseek", "groq", "openrouter", "minimax"];

/// Names and words that mean something to the dialects, so that chance finds its way inside.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    "id", "object", "created", "model", "choices", "index", "delta", "message", "content", "role", "type",
    "text", "thinking", "reasoning", "reasoning_content", "reasoning_details", "tool_calls", "tool_call_id",
    "function", "name", "arguments", "finish_reason", "usage", "prompt_tokens", "completion_tokens",
    "total_tokens", "error", "code", "base_resp", "status_code", "status_msg", "x_groq",
    "prompt_filter_results", "content_filter_results", "tool_plan", "citations", "tokens", "billed_units",
    "input_tokens", "output_tokens", "done", "done_reason", "created_at", "eval_count", "prompt_eval_count",
    "messages", "tools", "tool_choice", "parameters", "response_format", "json_schema", "schema", "stop",
    "seed", "temperature", "top_p", "max_tokens", "max_completion_tokens", "reasoning_effort", "image_url",
    "url", "thinking_blocks", "options", "think", "keep_alive", "documents", "stream_options", "logprobs",
    "parallel_tool_calls", "user", "n",
];
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "", " ", "x", "stop", "length", "tool_calls", "error", "eos", "COMPLETE", "TOOL_CALL", "ERROR", "text",
    "thinking", "function", "image_url", "user", "assistant", "tool", "system", "message-start",
    "content-start", "content-delta", "content-end", "tool-plan-delta", "tool-call-start",
    "tool-call-delta", "tool-call-end", "citation-start", "message-end", "null", "{", "{}", "required",
    "none", "auto", "high", "json_object", "json_schema", "data:image/png;base64,AA", "https://x",
    "2025-08-24T12:00:00Z", "é\u{0}\u{2028}", "\n",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..9).prop_map(Value::from),
        (-2.0..3.0).prop_map(Value::from),
        select(WORDS).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(NAMES), inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

/// A message that is one by its role and content, and else anything.
fn any_message() -> impl Strategy<Value = Value> {
    const ROLES: &[&str] = &["system", "user", "user", "assistant", "assistant", "tool"];
    let call = json!({"id": "a.b", "function": {"name": "f", "arguments": "{\"x\":1}"}});
    (select(ROLES), select(WORDS), any_json(), any::<bool>()).prop_map(move |(role, word, more, calls)| {
        let mut message = if more.is_object() { more } else { json!({}) };
        message["role"] = json!(role);
        message["tool_call_id"] = json!("a.b");
        message["tool_calls"] = if calls { json!([call]) } else { Value::Null };
        if !message["content"].is_array() {
            message["content"] = json!(word);
        }
        message
    })
}

/// Something that looks like what each of the vendors answers, with anything in it.
fn dressed(inner: &Value) -> [Value; 4] {
    [
        inner.clone(),
        json!({"choices": [{"message": inner, "delta": inner, "finish_reason": "stop"}], "usage": inner}),
        json!({"id": "1", "message": {"content": [inner], "tool_calls": [inner]}, "usage": inner}),
        json!({"message": inner, "done": true, "created_at": "x", "eval_count": inner}),
    ]
}

proptest! {
    #[test]
    fn any_request_is_said_as_json_or_refused_by_name(
        members in vec((select(NAMES), any_json()), 0..6),
        messages in vec(any_message(), 0..6),
        kind in select(KINDS),
    ) {
        let mut body: Value = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        body["model"] = json!("m");
        body["messages"] = json!(messages);
        let body = Bytes::from(body.to_string());
        if let Ok(request) = ChatRequest::read(&body) {
            let call = call(request.is_stream, request.wants_usage);
            let ask = Ask {
            call: &call,
            body: &body,
            request: &request,
            real_model: "real",
            capabilities: Capabilities::UNSAID,
            site: Site::PLAIN,
        };
            match vendor(kind).encode(ask) {
                Ok(encoded) => {
                    let said: Value = serde_json::from_slice(&encoded.body).unwrap();
                    assert_eq!(said["model"], "real");
                    assert!(said["messages"].as_array().unwrap().len() <= messages.len());
                }
                Err(unsayable) => assert!(!unsayable.param.is_empty(), "{unsayable:?}"),
            }
        }
    }

    #[test]
    fn any_answer_is_a_completion_or_a_fault(inner in any_json(), kind in select(KINDS)) {
        for answer in dressed(&inner) {
            if let Ok(decoded) = drive::decode(vendor(kind), answer.to_string().as_bytes()) {
                let shown: Value = serde_json::from_slice(&decoded.body).unwrap();
                assert!(shown["choices"].is_array() && shown["model"] == drive::ALIAS, "{shown}");
            }
        }
    }

    #[test]
    fn any_events_are_chunks_or_a_fault_wherever_they_are_cut(
        events in vec(any_json(), 0..8),
        dress in 0_usize..4,
        kind in select(KINDS),
        at in any::<prop::sample::Index>(),
    ) {
        let start = json!({"type": "message-start", "id": "1"});
        let events = events.iter().map(|event| dressed(event)[dress].clone());
        let events: Vec<Value> = std::iter::once(start).filter(|_| kind == "cohere").chain(events).collect();
        let by_line = vendor(kind).stream_media() == "application/x-ndjson";
        let frame = |event: &Value| if by_line { format!("{event}\n") } else { format!("data: {event}\n\n") };
        let body: String = events.iter().map(frame).collect();
        for wants_usage in [false, true] {
            let whole = drive::run(vendor(kind), wants_usage, &[body.as_bytes()]);
            let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
            assert_eq!(drive::run(vendor(kind), wants_usage, &bytes), whole);
            let (first, second) = body.as_bytes().split_at(at.index(body.len() + 1));
            assert_eq!(drive::run(vendor(kind), wants_usage, &[first, second]), whole);
            for data in whole.shown.lines().filter_map(|line| line.strip_prefix("data: {")) {
                let chunk: Value = serde_json::from_str(&format!("{{{data}")).unwrap();
                assert!(chunk["choices"].is_array() && chunk["model"] == drive::ALIAS, "{chunk}");
            }
        }
    }

    #[test]
    fn any_bytes_are_read_over(body in vec(any::<u8>(), 0..200), status in 100_u16..1000, kind in select(KINDS)) {
        let head = nexus_providers::dialect::Head { status, ..Default::default() };
        let fault = vendor(kind).fault(head, &body);
        assert_eq!(fault.status, Some(status));
        let _ = drive::decode(vendor(kind), &body);
        let _ = drive::run(vendor(kind), true, &[&body]);
    }
}

#[test]
fn a_stream_costs_no_more_memory_for_being_long() {
    let text = "x".repeat(1_000);
    let azure = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
    let cohere =
        json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}});
    let ollama = json!({"message": {"content": text}, "done": false});
    for (kind, begin, event) in [
        ("azure", String::new(), format!("data: {azure}\n\n")),
        ("cohere", "data: {\"type\":\"message-start\"}\n\n".to_owned(), format!("data: {cohere}\n\n")),
        ("ollama-native", String::new(), format!("{ollama}\n")),
    ] {
        let mut decoder = vendor(kind).stream(&call(true, false));
        let mut out = BytesMut::new();
        decoder.feed(begin.as_bytes(), &mut out).unwrap();
        for _ in 0..2_000 {
            out.clear();
            decoder.feed(event.as_bytes(), &mut out).unwrap();
            assert!(out.len() < 3 * event.len(), "{kind}");
        }
        assert_eq!(decoder.text().len(), nexus_providers::dialect::COUNTED_TEXT_MAX, "{kind}");
    }
}
