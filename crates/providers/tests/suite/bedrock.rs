//! What must hold of the Bedrock dialect whatever is in a request or an answer.

use bytes::{Bytes, BytesMut};
use nexus_core::{capabilities::Capabilities, fault::Class, site::Site};
use nexus_providers::dialect::{Ask, COUNTED_TEXT_MAX, Encoded, Unsayable};
use nexus_wire::chat::ChatRequest;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{
    arbitrary,
    drive::{self, call, vendor},
    frames,
};

const CLAUDE: &str = "us.anthropic.claude-haiku-4-5-20251001-v1:0";
const MODELS: [&str; 7] = [
    CLAUDE,
    "anthropic.claude-opus-4-8",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.amazon.nova-2-lite-v1:0",
    "openai.gpt-oss-120b-1:0",
    "meta.llama3-1-70b-instruct-v1:0",
    "mistral.mistral-large-2407-v1:0",
];

/// `None` if the gateway would not take the body at all.
fn encode(body: &Value, real_model: &str) -> Option<Result<Encoded, Unsayable>> {
    let body = Bytes::from(body.to_string());
    let request = ChatRequest::read(&body).ok()?;
    let call = call(request.is_stream, request.wants_usage);
    let ask = Ask {
        call: &call,
        body: &body,
        request: &request,
        real_model,
        capabilities: Capabilities::UNSAID,
        site: Site::PLAIN,
    };
    Some(vendor("bedrock").encode(ask))
}

fn check_block(block: &Value) {
    let members = block.as_object().unwrap();
    assert_eq!(members.len(), 1, "{block}");
    assert!(block["text"].as_str().is_none_or(|text| !text.trim().is_empty()), "{block}");
    if let Some(call) = members.get("toolUse") {
        assert!(call["input"].is_object(), "{block}");
        assert!(call["toolUseId"].as_str().is_some_and(|id| !id.is_empty()), "{block}");
    }
    if let Some(result) = members.get("toolResult") {
        let content = result["content"].as_array().unwrap();
        assert!(!content.is_empty() && content.iter().all(|block| block["cachePoint"].is_null()), "{block}");
        content.iter().for_each(check_block);
    }
}

/// What the vendor refuses a request for, as far as it can be seen in the request.
fn check_request(body: &[u8]) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    let turns = body["messages"].as_array().unwrap();
    assert!(!turns.is_empty());
    let mut names = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        assert_eq!(turn["role"], ["user", "assistant"][at % 2], "{body}");
        let blocks = turn["content"].as_array().unwrap();
        assert!(!blocks.is_empty() && blocks[0]["cachePoint"].is_null(), "{body}");
        blocks.iter().for_each(check_block);
        let has_document = blocks.iter().any(|block| !block["document"].is_null());
        assert!(!has_document || blocks.iter().any(|block| !block["text"].is_null()), "{body}");
        names.extend(blocks.iter().filter_map(|block| block["document"]["name"].as_str()));
        let is_tool = |block: &Value| !block["toolUse"].is_null() || !block["toolResult"].is_null();
        assert!(!blocks.iter().any(is_tool) || body["toolConfig"].is_object(), "{body}");
        let results: Vec<bool> = blocks
            .iter()
            .filter(|block| block["cachePoint"].is_null())
            .map(|block| block["toolResult"].is_null())
            .collect();
        assert!(results.is_sorted(), "{body}");
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "{body}");
    let config = &body["toolConfig"];
    assert!(config.is_null() || config["tools"].as_array().is_some_and(|tools| !tools.is_empty()), "{body}");
    let additional = &body["additionalModelRequestFields"];
    let inference = &body["inferenceConfig"];
    assert!(!additional.is_object() || !additional.as_object().unwrap().is_empty(), "{body}");
    let is_thinking = ["enabled", "adaptive"].iter().any(|kind| additional["thinking"]["type"] == *kind);
    assert!(!is_thinking || inference["temperature"].is_null() && inference["topP"].is_null(), "{body}");
    if let Some(budget) = additional["thinking"]["budget_tokens"].as_u64() {
        assert!(1_024 <= budget && budget < inference["maxTokens"].as_u64().unwrap(), "{body}");
    }
    body
}

#[test]
fn what_openai_s_clients_really_ask_is_said_so_that_the_vendor_can_take_it() {
    let models = |body: &Value| MODELS.iter().filter_map(|model| encode(body, model)).collect();
    drive::recorded_requests("bedrock", models, |encoded| drop(check_request(&encoded.body)));
}

#[test]
fn an_answer_s_thoughts_and_calls_come_back_as_the_vendor_gave_them_out() {
    let blocks = json!([
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s=="}}},
        {"reasoningContent": {"redactedContent": "xyz"}},
        {"text": "ok"},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "weather", "input": {"zone": "x"}}},
        {"toolUse": {"toolUseId": "tooluse_2", "name": "clock", "input": {}}},
    ]);
    let whole =
        json!({"output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": "tool_use"});
    let decoded = drive::decode(vendor("bedrock"), whole.to_string().as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&decoded.body).unwrap();
    let stream =
        frames::stream(include_str!("../cases/stream/bedrock.thoughts-and-calls-in-parallel.events"));
    let streamed = drive::run(vendor("bedrock"), false, &[&stream]);
    for message in [&answer["choices"][0]["message"], &drive::accumulated(&streamed.shown)] {
        let body = json!({"model": "m", "reasoning_effort": "high", "messages": [
            {"role": "user", "content": "hi"}, message,
            {"role": "tool", "tool_call_id": "tooluse_1", "content": "sunny"},
            {"role": "tool", "tool_call_id": "tooluse_2", "content": "noon"}]});
        let body = check_request(&encode(&body, CLAUDE).unwrap().unwrap().body);
        assert_eq!(body["messages"][1]["content"], blocks, "{message}");
        let thinking = &body["additionalModelRequestFields"]["thinking"];
        assert_eq!(thinking["type"], "enabled", "a loop begun with thoughts goes on with them");
    }
}

#[test]
fn a_frame_that_was_changed_on_the_way_is_a_fault_and_no_text() {
    let body = frames::stream(include_str!("../cases/stream/bedrock.text.events"));
    let whole = drive::run(vendor("bedrock"), false, &[&body]);
    for at in 0..body.len() {
        let mut changed = body.clone();
        changed[at] ^= 1;
        let seen = drive::run(vendor("bedrock"), false, &[&changed]);
        let shown = seen.shown.trim_end_matches("data: [DONE]\n\n");
        assert!(whole.shown.starts_with(shown), "{at}");
        if let Err(fault) = seen.end {
            assert!(matches!(fault.class, Class::BadAnswer | Class::Truncated), "{at}: {fault:?}");
        }
    }
}

#[test]
fn a_stream_costs_no_more_memory_for_being_long() {
    let mut decoder = vendor("bedrock").stream(&call(true, false));
    let mut out = BytesMut::new();
    let delta = json!({"contentBlockIndex": 0, "delta": {"text": "x".repeat(1_000)}}).to_string();
    let delta = frames::frame("event", "contentBlockDelta", delta.as_bytes());
    for _ in 0..2_000 {
        out.clear();
        decoder.feed(&delta, &mut out).unwrap();
    }
    assert_eq!(decoder.text().len(), COUNTED_TEXT_MAX);
}

/// Names and words that mean something to the dialect, so that chance finds its way inside.
const NAMES: &[&str] = &[
    "contentBlockIndex",
    "delta",
    "start",
    "text",
    "toolUse",
    "toolUseId",
    "toolResult",
    "name",
    "input",
    "reasoningContent",
    "reasoningText",
    "redactedContent",
    "signature",
    "stopReason",
    "usage",
    "inputTokens",
    "outputTokens",
    "totalTokens",
    "cacheReadInputTokens",
    "output",
    "message",
    "content",
    "citationsContent",
    "type",
    "image_url",
    "url",
    "file",
    "file_data",
    "filename",
    "input_audio",
    "data",
    "format",
    "cache_control",
    "ttl",
    "tools",
    "function",
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
    "metadata",
    "parallel_tool_calls",
    "service_tier",
];
const WORDS: &[&str] = &[
    "",
    " ",
    "x",
    "text",
    "function",
    "image_url",
    "file",
    "input_audio",
    "end_turn",
    "tool_use",
    "guardrail_intervened",
    "malformed_tool_use",
    "json_schema",
    "json_object",
    "required",
    "none",
    "auto",
    "high",
    "flex",
    "1h",
    "data:image/png;base64,AA",
    "data:application/pdf;base64,AA",
    "s3://b/k.pdf",
    "https://x",
    "nexus_structured_answer",
    "{}",
    "é\u{0}\u{2028}",
];
const EVENTS: &[&str] = &[
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
    "anEventOfTheFuture",
];

fn any_json() -> impl Strategy<Value = Value> {
    arbitrary::any_json(NAMES, WORDS)
}

/// A message that is one by its role and content, and else anything.
fn any_message() -> impl Strategy<Value = Value> {
    const ROLES: &[&str] = &["system", "user", "user", "assistant", "assistant", "tool", "tool"];
    let call = json!({"id": "a.b", "function": {"name": "f", "arguments": "{\"x\":1}"}});
    let file = json!({"type": "file", "file": {"file_data": "data:text/csv;base64,AA", "filename": "a.csv"}});
    (select(ROLES), select(WORDS), any_json(), any::<bool>()).prop_map(move |(role, word, more, has_more)| {
        let mark = if has_more { json!({"type": "ephemeral"}) } else { Value::Null };
        let mut message =
            json!({"role": role, "tool_call_id": "a.b", "content": word, "cache_control": mark});
        match role {
            "assistant" if has_more => message["tool_calls"] = json!([call]),
            "user" | "tool" if has_more => message["content"] = json!([file]),
            "user" if more["content"].is_array() => message["content"] = more["content"].clone(),
            _ => {}
        }
        message
    })
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
            Some(Ok(encoded)) => drop(check_request(&encoded.body)),
            Some(Err(unsayable)) => assert!(!unsayable.param.is_empty(), "{unsayable:?}"),
            None => {}
        }
    }

    #[test]
    fn calls_and_words_of_a_conversation_reach_the_vendor(
        ids in vec("[a-zA-Z0-9_-]{1,20}", 1..4),
        words in vec("\\PC{1,20}[a-z]", 1..4),
        arguments in any_json(),
    ) {
        let arguments = json!({"value": arguments}).to_string();
        let calls: Vec<Value> = ids.iter().map(|id| {
            json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}})
        }).collect();
        let arguments: Value = serde_json::from_str(&arguments).unwrap();
        let mut messages = vec![json!({"role": "user", "content": words[0]})];
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": calls}));
        for id in &ids {
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": words[words.len() - 1]}));
        }
        let body = encode(&json!({"model": "m", "messages": messages}), CLAUDE).unwrap().unwrap();
        let body = check_request(&body.body);
        prop_assert_eq!(&body["messages"][0]["content"][0]["text"], &words[0]);
        for (at, id) in ids.iter().enumerate() {
            let call = &body["messages"][1]["content"][at]["toolUse"];
            let result = &body["messages"][2]["content"][at]["toolResult"];
            prop_assert_eq!((&call["toolUseId"], &call["input"]), (&json!(id), &arguments));
            prop_assert_eq!(&result["toolUseId"], &json!(id));
            prop_assert_eq!(&result["content"][0]["text"], &words[words.len() - 1]);
        }
    }

    #[test]
    fn any_answer_is_a_completion_or_a_fault(answer in any_json(), blocks in vec(any_json(), 0..4)) {
        for answer in [answer.clone(), json!({"output": {"message": {"content": blocks}}, "usage": answer})] {
            if let Ok(decoded) = drive::decode(vendor("bedrock"), answer.to_string().as_bytes()) {
                let shown: Value = serde_json::from_slice(&decoded.body).unwrap();
                assert!(shown["choices"][0]["finish_reason"].is_string());
            }
        }
    }

    #[test]
    fn any_events_are_chunks_or_a_fault(events in vec((select(EVENTS), any_json()), 0..12)) {
        let frame = |(name, event): &(&str, Value)| {
            let mut event = if event.is_object() { event.clone() } else { json!({}) };
            if event["contentBlockIndex"].is_null() {
                event["contentBlockIndex"] = json!(0);
            }
            frames::frame("event", name, event.to_string().as_bytes())
        };
        let body: Vec<u8> = events.iter().flat_map(frame).collect();
        let [plain, _] = drive::check_cuts("any events", vendor("bedrock"), &body);
        drive::read_chunks("any events", &plain.shown);
    }
}
