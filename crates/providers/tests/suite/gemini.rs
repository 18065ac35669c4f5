//! What must hold of the Gemini dialect, on both surfaces, whatever is in a request or an answer.

use bytes::{Bytes, BytesMut};
use nexus_core::{
    capabilities::Capabilities,
    site::{Options, Site},
};
use nexus_providers::dialect::{Ask, Encoded, Unsayable};
use nexus_wire::chat::ChatRequest;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{
    arbitrary::{any_json, any_message},
    drive::{self, call, vendor},
};

const SURFACES: [&str; 2] = ["gemini", "vertex"];
const MODELS: [&str; 6] = [
    "gemini-3-pro-preview",
    "gemini-3-flash-preview",
    "gemini-2.5-flash",
    "gemini-2.0-flash",
    "gemma-3",
    "x",
];

/// `None` if the gateway would not take the body at all.
fn encode(surface: &str, body: &Value, real_model: &str) -> Option<Result<Encoded, Unsayable>> {
    let body = Bytes::from(body.to_string());
    let request = ChatRequest::read(&body).ok()?;
    let call = call(request.is_stream, request.wants_usage);
    let options: Options = [("project", "p1"), ("region", "us-central1")].into_iter().collect();
    let site = Site { region: None, options: &options, base_path: "" };
    let ask = Ask {
        call: &call,
        body: &body,
        request: &request,
        real_model,
        capabilities: Capabilities::UNSAID,
        site,
    };
    Some(vendor(surface).encode(ask))
}

/// What the vendor refuses a request for, as far as it can be seen in the request.
fn check_request(encoded: &Encoded) -> Value {
    assert!(encoded.path.starts_with('/') && !encoded.path.contains([' ', '#']), "{}", encoded.path);
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    let turns = body["contents"].as_array().unwrap();
    assert!(!turns.is_empty());
    for (at, turn) in turns.iter().enumerate() {
        assert_eq!(turn["role"], ["user", "model"][at % 2], "{body}");
        let parts = turn["parts"].as_array().unwrap();
        assert!(!parts.is_empty(), "{body}");
        for part in parts {
            let kinds = ["text", "inlineData", "fileData", "functionCall", "functionResponse"];
            assert_eq!(kinds.iter().filter(|kind| !part[**kind].is_null()).count(), 1, "{part}");
            assert!(part["text"] != "" || part["thoughtSignature"].is_string(), "{part}");
            assert!(part["functionCall"].is_null() || part["functionCall"]["args"].is_object(), "{part}");
            let response = &part["functionResponse"];
            assert!(response.is_null() || response["name"].is_string() && response["response"].is_object());
        }
        assert!(parts.is_sorted_by_key(|part| part["functionResponse"].is_null()), "{body}");
    }
    assert!(!body["tools"].is_null() || body["toolConfig"].is_null(), "{body}");
    let config = &body["generationConfig"];
    let thinking = &config["thinkingConfig"];
    assert!(thinking["thinkingLevel"].is_null() || thinking["thinkingBudget"].is_null(), "{body}");
    assert!(config["seed"].as_i64().unwrap_or_default().abs() < 1 << 31, "{body}");
    assert!(config["stopSequences"].as_array().is_none_or(|stops| stops.len() <= 5), "{body}");
    assert!(config["logprobs"].is_null() || config["responseLogprobs"] == true, "{body}");
    body
}

#[test]
fn what_openai_s_clients_really_ask_is_said_so_that_the_vendor_can_take_it() {
    let each = |body: &Value| {
        let models = |surface: &&'static str| MODELS.map(|model| (*surface, model));
        let targets = SURFACES.iter().flat_map(models);
        targets.filter_map(|(surface, model)| encode(surface, body, model)).collect()
    };
    drive::recorded_requests("gemini", each, |encoded| drop(check_request(encoded)));
}

#[test]
fn an_answer_s_calls_and_seals_come_back_as_the_vendor_gave_them_out() {
    let parts = json!([
        {"text": "hm", "thought": true},
        {"text": "ok", "thoughtSignature": "A=="},
        {"functionCall": {"name": "weather", "args": {"zone": "x"}}, "thoughtSignature": "B=="},
        {"functionCall": {"name": "clock", "args": {}, "id": "abc12345"}},
    ]);
    let answer = json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}],
        "responseId": "r1"});
    let decoded = drive::decode(vendor("gemini"), answer.to_string().as_bytes()).unwrap();
    let whole: Value = serde_json::from_slice(&decoded.body).unwrap();
    let frame = format!("data: {answer}\r\n\r\n");
    let streamed = drive::run(vendor("gemini"), false, &[frame.as_bytes()]);
    for mut message in [whole["choices"][0]["message"].clone(), drive::accumulated(&streamed.shown)] {
        let id = message["tool_calls"][0]["id"].as_str().unwrap().to_owned();
        message["role"] = json!("assistant");
        let body = json!({"model": "m", "messages": [
            {"role": "user", "content": "hi"}, message,
            {"role": "tool", "tool_call_id": "abc12345", "content": "noon"},
            {"role": "tool", "tool_call_id": id, "content": "{\"sky\":\"blue\"}"}]});
        let body = check_request(&encode("vertex", &body, "gemini-3-flash-preview").unwrap().unwrap());
        let mut expected = parts.as_array().unwrap().clone();
        expected.remove(0);
        assert_eq!(body["contents"][1]["parts"], json!(expected), "{message}");
        assert_eq!(
            body["contents"][2]["parts"],
            json!([
                {"functionResponse": {"id": "abc12345", "name": "clock", "response": {"output": "noon"}}},
                {"functionResponse": {"name": "weather", "response": {"sky": "blue"}}},
            ])
        );
    }
}

#[test]
fn a_stream_costs_no_more_memory_for_being_long() {
    let mut decoder = vendor("gemini").stream(&call(true, false));
    let mut out = BytesMut::new();
    let text = "x".repeat(1_000);
    let event = json!({"candidates": [{"content": {"parts": [{"text": text}]}}]});
    let frame = format!("data: {event}\r\n\r\n");
    for _ in 0..2_000 {
        out.clear();
        decoder.feed(frame.as_bytes(), &mut out).unwrap();
    }
    assert_eq!(decoder.text().len(), nexus_providers::dialect::COUNTED_TEXT_MAX);
}

const NAMES: &[&str] = &[
    "candidates",
    "content",
    "parts",
    "text",
    "thought",
    "thoughtSignature",
    "functionCall",
    "inlineData",
    "mimeType",
    "data",
    "name",
    "args",
    "id",
    "willContinue",
    "finishReason",
    "finishMessage",
    "index",
    "logprobsResult",
    "chosenCandidates",
    "topCandidates",
    "token",
    "logProbability",
    "promptFeedback",
    "blockReason",
    "usageMetadata",
    "promptTokenCount",
    "candidatesTokenCount",
    "totalTokenCount",
    "cacheTokensDetails",
    "modality",
    "tokenCount",
    "responseId",
    "error",
    "messages",
    "role",
    "type",
    "tool_calls",
    "function",
    "arguments",
    "tool_call_id",
    "extra_content",
    "google",
    "thought_signature",
    "image_url",
    "url",
    "input_audio",
    "format",
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
    "top_k",
    "seed",
    "max_tokens",
    "reasoning_effort",
    "logprobs",
    "top_logprobs",
    "frequency_penalty",
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
    "input_audio",
    "file",
    "wav",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "MALFORMED_FUNCTION_CALL",
    "AUDIO",
    "image/png",
    "json_schema",
    "json_object",
    "required",
    "none",
    "auto",
    "high",
    "data:image/png;base64,AA",
    "https://x",
    "gs://b/x",
    "nexus_structured_answer",
    "{}",
    "{",
    "é\u{0}\u{2028}",
];

proptest! {
    #[test]
    fn any_request_is_said_properly_or_refused_by_name(
        members in vec((select(NAMES), any_json(NAMES, WORDS)), 0..6),
        messages in vec(any_message(NAMES, WORDS), 0..6),
        model in select(&MODELS[..]),
        surface in select(&SURFACES[..]),
    ) {
        let mut body: Value = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        body["model"] = json!("m");
        body["messages"] = json!(messages);
        match encode(surface, &body, model) {
            Some(Ok(encoded)) => drop(check_request(&encoded)),
            Some(Err(unsayable)) => assert!(!unsayable.param.is_empty(), "{unsayable:?}"),
            None => {}
        }
    }

    #[test]
    fn any_model_s_name_is_one_path_or_refused(name in ".{0,20}|[a-z./:?%]{0,8}") {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        for surface in SURFACES {
            if let Some(Ok(encoded)) = encode(surface, &body, &name) {
                let (path, verb) = encoded.path.rsplit_once(':').unwrap();
                assert_eq!(verb, "generateContent");
                assert!(!path.contains([':', '?', '#']) && path.is_ascii(), "{path}");
                assert!(path.split('/').skip(1).all(|part| !["", ".", ".."].contains(&part)), "{path}");
            }
        }
    }

    #[test]
    fn any_answer_is_a_completion_or_a_fault(
        answer in any_json(NAMES, WORDS),
        parts in vec(any_json(NAMES, WORDS), 0..4),
    ) {
        let framed = json!({"candidates": [{"content": {"parts": parts}}], "usageMetadata": answer});
        for answer in [answer.clone(), framed, json!([answer])] {
            if let Ok(decoded) = drive::decode(vendor("gemini"), answer.to_string().as_bytes()) {
                let shown: Value = serde_json::from_slice(&decoded.body).unwrap();
                assert!(shown["choices"][0]["finish_reason"].is_string());
            }
        }
    }

    #[test]
    fn any_events_are_chunks_or_a_fault(
        events in vec(any_json(NAMES, WORDS), 0..6),
        parts in vec(vec(any_json(NAMES, WORDS), 0..3), 0..6),
    ) {
        let spoken = parts.into_iter().map(|parts| json!({"candidates": [{"content": {"parts": parts}}]}));
        let body: String = events.into_iter().chain(spoken).map(|event| format!("data: {event}\r\n\r\n")).collect();
        let [plain, _] = drive::check_cuts("any events", vendor("gemini"), body.as_bytes());
        drive::read_chunks("any events", &plain.shown);
    }

    #[test]
    fn any_bytes_are_an_answer_or_a_fault(bytes in vec(any::<u8>(), 0..200)) {
        let _ = drive::decode(vendor("gemini"), &bytes);
        let framed = [b"data: ".as_slice(), &bytes, b"\n\n"].concat();
        let pieces: Vec<&[u8]> = framed.chunks(1).collect();
        assert_eq!(
            drive::run(vendor("gemini"), true, &pieces),
            drive::run(vendor("gemini"), true, &[&framed])
        );
    }
}
