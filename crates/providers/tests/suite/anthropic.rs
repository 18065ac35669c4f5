//! What must hold of the Anthropic dialect whatever is in a request or an answer.

use bytes::{Bytes, BytesMut};
use nexus_core::{capabilities::Capabilities, site::Site};
use nexus_providers::dialect::{Ask, Encoded, Unsayable};
use nexus_wire::chat::ChatRequest;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{
    arbitrary,
    drive::{self, call, vendor},
};

const MODELS: [&str; 5] =
    ["claude-opus-4-8", "claude-opus-4-6", "claude-haiku-4-5", "claude-sonnet-4-0", "unknown"];

/// `None` if the gateway would not take the body at all.
fn encode(body: &Value, real_model: &str) -> Option<Result<Encoded, Unsayable>> {
    let body = Bytes::from(body.to_string());
    let request = ChatRequest::read(&body).ok()?;
    let call = call(request.is_stream, request.wants_usage);
    Some(vendor("anthropic").encode(Ask {
        call: &call,
        body: &body,
        request: &request,
        real_model,
        capabilities: Capabilities::UNSAID,
        site: Site::PLAIN,
    }))
}

fn text_is_not_blank(block: &Value) {
    assert!(block["type"] != "text" || !block["text"].as_str().unwrap().trim().is_empty(), "{block}");
    block["content"].as_array().into_iter().flatten().for_each(text_is_not_blank);
}

/// What the vendor refuses a request for, as far as it can be seen in the request.
fn check_request(body: &[u8]) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    let max_tokens = body["max_tokens"].as_u64().unwrap();
    let turns = body["messages"].as_array().unwrap();
    assert!(!turns.is_empty());
    for (at, turn) in turns.iter().enumerate() {
        assert_eq!(turn["role"], ["user", "assistant"][at % 2], "{body}");
        let blocks = turn["content"].as_array().unwrap();
        assert!(!blocks.is_empty(), "{body}");
        blocks.iter().for_each(text_is_not_blank);
        let is_result = |block: &Value| block["type"] == "tool_result";
        assert!(blocks.is_sorted_by_key(|block| !is_result(block)), "{body}");
        for block in blocks.iter().filter(|block| block["type"] == "tool_use") {
            assert!(block["input"].is_object() && block["id"].as_str().is_some_and(|id| !id.is_empty()));
        }
    }
    let tools = body["tools"].as_array();
    assert!(tools.is_some_and(|tools| !tools.is_empty()) || body["tool_choice"].is_null(), "{body}");
    for tool in tools.into_iter().flatten() {
        let is_search = tool["type"] == "web_search_20250305" && tool["name"] == "web_search";
        assert!(is_search || tool["input_schema"].is_object(), "{tool}");
    }
    let is_thinking = body["thinking"]["type"] == "enabled" || body["thinking"]["type"] == "adaptive";
    assert!(!is_thinking || body["temperature"].is_null() && body["top_p"].is_null(), "{body}");
    assert!(body["temperature"].is_null() || body["top_p"].is_null(), "{body}");
    if let Some(budget) = body["thinking"]["budget_tokens"].as_u64() {
        assert!(1_024 <= budget && budget < max_tokens, "{body}");
    }
    body
}

#[test]
fn what_openai_s_clients_really_ask_is_said_so_that_the_vendor_can_take_it() {
    let models = |body: &Value| MODELS.iter().filter_map(|model| encode(body, model)).collect();
    drive::recorded_requests("anthropic", models, |encoded| drop(check_request(&encoded.body)));
}

/// The second turn of a conversation whose first answer was `message`.
fn second_turn(message: &Value) -> Value {
    let body = json!({"model": "m", "reasoning_effort": "high", "messages": [
        {"role": "user", "content": "hi"}, message,
        {"role": "tool", "tool_call_id": "toolu_1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "noon"}]});
    check_request(&encode(&body, "claude-haiku-4-5").unwrap().unwrap().body)
}

#[test]
fn an_answer_s_thoughts_and_calls_come_back_as_the_vendor_gave_them_out() {
    let blocks = json!([
        {"type": "thinking", "thinking": "hm", "signature": "s=="},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "ok"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"zone": "x"}},
        {"type": "tool_use", "id": "toolu_2", "name": "clock", "input": {}},
    ]);
    let whole = json!({"id": "msg_1", "type": "message", "content": blocks, "stop_reason": "tool_use"});
    let decoded = drive::decode(vendor("anthropic"), whole.to_string().as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&decoded.body).unwrap();
    let stream = include_bytes!("../cases/stream/anthropic.thoughts-and-calls-in-parallel.sse");
    let streamed = drive::run(vendor("anthropic"), false, &[stream]);
    let message = drive::accumulated(&streamed.shown);
    for message in [&answer["choices"][0]["message"], &message] {
        let body = second_turn(message);
        assert_eq!(body["messages"][1]["content"], blocks, "{message}");
        assert_eq!(body["thinking"]["type"], "enabled", "a loop begun with thoughts goes on with them");
    }
}

#[test]
fn a_stream_costs_no_more_memory_for_being_long() {
    let vendor = vendor("anthropic");
    let mut decoder = vendor.stream(&call(true, false));
    let mut out = BytesMut::new();
    let start = r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":1}}}"#;
    let begin = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let delta = format!(
        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{}"}}}}"#,
        "x".repeat(1_000)
    );
    let events = [start, begin].into_iter().chain(std::iter::repeat_n(&*delta, 2_000));
    for event in events {
        out.clear();
        decoder.feed(format!("data: {event}\n\n").as_bytes(), &mut out).unwrap();
    }
    assert_eq!(decoder.text().len(), nexus_providers::dialect::COUNTED_TEXT_MAX);
}

/// Names and words that mean something to the dialect, so that chance finds its way inside.
const NAMES: &[&str] = &[
    "type",
    "index",
    "message",
    "content_block",
    "delta",
    "usage",
    "id",
    "content",
    "text",
    "thinking",
    "signature",
    "data",
    "name",
    "input",
    "partial_json",
    "stop_reason",
    "stop_details",
    "error",
    "messages",
    "role",
    "tool_calls",
    "function",
    "arguments",
    "tool_call_id",
    "thinking_blocks",
    "cache_control",
    "image_url",
    "url",
    "file",
    "file_data",
    "file_id",
    "tools",
    "parameters",
    "strict",
    "tool_choice",
    "response_format",
    "json_schema",
    "schema",
    "stop",
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "reasoning_effort",
    "user",
    "parallel_tool_calls",
    "input_tokens",
    "output_tokens",
    "iterations",
    "cache_creation",
    "refusal",
];
const WORDS: &[&str] = &[
    "",
    " ",
    "x",
    "text",
    "user",
    "assistant",
    "tool",
    "system",
    "function",
    "image_url",
    "file",
    "tool_use",
    "thinking",
    "redacted_thinking",
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "text_delta",
    "thinking_delta",
    "signature_delta",
    "input_json_delta",
    "error",
    "refusal",
    "end_turn",
    "json_schema",
    "json_object",
    "required",
    "none",
    "auto",
    "high",
    "data:image/png;base64,AA",
    "https://x",
    "nexus_structured_answer",
    "{}",
    "{",
    "é\u{0}\u{2028}",
];

fn any_json() -> impl Strategy<Value = Value> {
    arbitrary::any_json(NAMES, WORDS)
}

fn any_message() -> impl Strategy<Value = Value> {
    arbitrary::any_message(NAMES, WORDS)
}

proptest! {
    #[test]
    fn any_request_is_said_properly_or_refused_by_name(
        members in vec((select(NAMES), any_json()), 0..6),
        messages in vec(any_message(), 0..6),
        model in select(&MODELS[..]),
    ) {
        let mut body: Value = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        body["model"] = json!("m");
        body["messages"] = json!(messages);
        match encode(&body, model) {
            Some(Ok(encoded)) if body["thinking"].is_null() => drop(check_request(&encoded.body)),
            Some(Ok(_)) | None => {}
            Some(Err(unsayable)) => assert!(!unsayable.param.is_empty(), "{unsayable:?}"),
        }
    }

    #[test]
    fn any_answer_is_a_completion_or_a_fault(answer in any_json(), blocks in vec(any_json(), 0..4)) {
        for answer in [answer.clone(), json!({"content": blocks, "usage": answer})] {
            if let Ok(decoded) = drive::decode(vendor("anthropic"), answer.to_string().as_bytes()) {
                let shown: Value = serde_json::from_slice(&decoded.body).unwrap();
                assert!(shown["choices"][0]["finish_reason"].is_string());
            }
        }
    }

    #[test]
    fn any_events_are_chunks_or_a_fault(events in vec(any_json(), 0..12), begins in any::<bool>()) {
        let start = json!({"type": "message_start", "message": {}});
        let events: Vec<&Value> = begins.then_some(&start).into_iter().chain(&events).collect();
        let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let [plain, _] = drive::check_cuts("any events", vendor("anthropic"), body.as_bytes());
        drive::read_chunks("any events", &plain.shown);
    }
}
