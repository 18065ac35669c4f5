//! Anthropic's Messages as a tongue of clients: requests become chats, chats' answers messages, and what comes of a pair of
//! translations is what went in.

use std::{fs, path::Path};

use bytes::{Bytes, BytesMut};
use nexus_core::{
    call::{Call, Operation},
    capabilities::Capabilities,
    site::{Options, Site},
};
use nexus_providers::{
    dialect::{Ask, Progress},
    tongue::{Address, OwnAsk, Terms, Tongue, Words, messages::Messages},
};
use nexus_wire::chat::ChatRequest;
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use crate::{
    drive::{self, call, files, vendor},
    golden,
    tongue::{self, as_chats},
};

fn own_call(is_stream: bool) -> Call {
    Call { operation: Operation::Messages, ..call(is_stream, is_stream) }
}

/// What a client is told of the pieces of a stream.
fn spoken(words: Words, pieces: &[&[u8]]) -> String {
    tongue::spoken(&Messages, &tongue::told(b"{}"), words, pieces)
}

/// The events of a stream, each named as its data says.
fn events(shown: &str) -> Vec<Value> {
    let read = |frame: &str| {
        let (name, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
        data
    };
    shown.split_terminator("\n\n").map(read).collect()
}

/// The message that a client puts together, which holds the events to their order on the way.
fn message(name: &str, shown: &str) -> Value {
    let mut events = events(shown).into_iter().filter(|event| event["type"] != "ping");
    let mut message = events.next().unwrap_or_else(|| panic!("{name}: no events"))["message"].clone();
    let (mut open, mut arguments) = (None, String::new());
    for event in events {
        let at = event["index"].as_u64().map(|at| at as usize);
        let blocks = message["content"].as_array_mut().unwrap();
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!((at, open), (Some(blocks.len()), None), "{name}: {event}");
                blocks.push(event["content_block"].clone());
                (open, arguments) = (at, String::new());
            }
            "content_block_delta" => {
                assert!(open.is_some() && at == open, "{name}: {event}");
                let block = &mut blocks[at.unwrap()];
                let delta = &event["delta"];
                let mut add = |name: &str| {
                    let said = [block[name].as_str().unwrap(), delta[name].as_str().unwrap()].concat();
                    block[name] = json!(said);
                };
                match delta["type"].as_str().unwrap() {
                    "text_delta" => add("text"),
                    "thinking_delta" => add("thinking"),
                    "signature_delta" => add("signature"),
                    "input_json_delta" => arguments.push_str(delta["partial_json"].as_str().unwrap()),
                    // what a passage rests on
                    "citations_delta" => {}
                    other => panic!("{name}: {other}"),
                }
            }
            "content_block_stop" => {
                assert!(open.is_some() && at == open, "{name}: {event}");
                if !arguments.is_empty() {
                    blocks[at.unwrap()]["input"] = serde_json::from_str(&arguments).unwrap_or(Value::Null);
                }
                open = None;
            }
            "message_delta" => {
                assert_eq!(open, None, "{name}: {event}");
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                message["usage"] = event["usage"].clone();
            }
            "message_stop" => assert!(message["stop_reason"].is_string(), "{name}"),
            "error" => return json!({ "error": event["error"], "so far": message }),
            other => panic!("{name}: {other}"),
        }
    }
    message
}

#[test]
fn requests_become_chats_in_plain_terms_and_in_full() {
    golden::check("messages-request", |_, _, body| as_chats(&Messages, &Address::default(), body));
}

#[test]
fn whole_answers_become_messages() {
    golden::check("messages-whole", |_, _, body| {
        String::from_utf8(Messages.whole(&tongue::told(b"{}"), body).unwrap().to_vec()).unwrap()
    });
}

#[test]
fn streams_become_a_message_s_events() {
    golden::check("messages-stream", |name, _, body| {
        let shown = spoken(Words::Chat, &[body]);
        message(name, &shown);
        shown
    });
}

#[test]
fn whatever_a_vendor_streams_is_one_message_wherever_it_is_cut() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/stream"));
    let mut told = 0;
    for file in files(folder) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let vendor = vendor(name.split('.').next().unwrap());
        let body = fs::read(&file).unwrap();
        let framed = drive::is_framed(vendor).then(|| crate::frames::stream(str::from_utf8(&body).unwrap()));
        let chunks = drive::run(vendor, true, &[framed.as_deref().unwrap_or(&body)]);
        if chunks.shown.is_empty() {
            continue;
        }
        let whole = spoken(Words::Chat, &[chunks.shown.as_bytes()]);
        let bytes: Vec<&[u8]> = chunks.shown.as_bytes().chunks(1).collect();
        assert_eq!(spoken(Words::Chat, &bytes), whole, "{name} byte by byte");
        let message = message(&name, &whole);
        assert_eq!(chunks.end.is_ok(), whole.contains("message_stop"), "{name}");
        if chunks.end.is_ok() {
            let seen = drive::read_chunks(&name, &chunks.shown);
            let blocks = message["content"].as_array().unwrap();
            let of = |kind: &str, member: &str| -> String {
                let blocks = blocks.iter().filter(|block| block["type"] == kind);
                blocks.filter_map(|block| block[member].as_str()).collect()
            };
            assert!(of("text", "text").starts_with(&seen.text), "{name}: {message}");
            let calls = blocks.iter().filter(|block| block["type"] == "tool_use").count();
            assert_eq!(calls, seen.calls.len(), "{name}: {message}");
            told += 1;
        }
    }
    assert!(told > 40, "{told}");
}

/// Blocks that a chat holds without loss, with those that say nothing left out.
fn essence(blocks: &Value) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for block in blocks.as_array().into_iter().flatten() {
        let block = match block["type"].as_str().unwrap_or_default() {
            "text" => json!({"type": "text", "text": block["text"]}),
            "thinking" => {
                json!({"type": "thinking", "thinking": block["thinking"], "signature": block["signature"]})
            }
            "redacted_thinking" => json!({"type": "redacted_thinking", "data": block["data"]}),
            "tool_use" => {
                json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": block["input"]})
            }
            _ => continue,
        };
        match kept.last_mut() {
            Some(last) if last["type"] == "text" && block["type"] == "text" => {
                last["text"] =
                    json!([last["text"].as_str().unwrap(), block["text"].as_str().unwrap()].concat());
            }
            _ => kept.push(block),
        }
    }
    kept
}

/// The same in the order in which a chat has it: thoughts, words, calls.
fn in_order(blocks: &Value) -> Vec<Value> {
    let mut kept = essence(blocks);
    let rank = |block: &Value| ["thinking", "redacted_thinking"].iter().any(|kind| block["type"] == **kind);
    kept.sort_by_key(|block| if rank(block) { 0 } else { 1 + u8::from(block["type"] == "tool_use") });
    essence(&json!(kept.iter().filter(|block| block["text"] != "").collect::<Vec<_>>()))
}

fn recordings(mut each: impl FnMut(&str, &Value, &[u8], bool)) {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/anthropic"));
    if !shared.exists() {
        println!("anthropic's recordings: absent");
        return;
    }
    for path in files(shared).iter().filter(|path| path.to_string_lossy().ends_with(".meta.json")) {
        let meta: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let file = meta["response"]["file"].as_str().unwrap_or_default();
        if meta["response"]["status"] != 200 || !file.starts_with("messages-") {
            continue;
        }
        let body = fs::read(shared.join(file)).unwrap();
        each(file, &meta["request"]["body"], &body, file.ends_with(".sse"));
    }
}

#[test]
fn a_recorded_answer_comes_through_both_translations_as_it_was() {
    let anthropic = vendor("anthropic");
    recordings(|name, _, body, is_stream| {
        let (theirs, ours) = if is_stream {
            let chunks = drive::run(anthropic, true, &[body]);
            if chunks.end.is_err() {
                return;
            }
            let theirs = spoken_own(body);
            (message(name, &theirs), message(name, &spoken(Words::Chat, &[chunks.shown.as_bytes()])))
        } else {
            let decoded = drive::decode(anthropic, body).unwrap();
            let ours = Messages.whole(&tongue::told(b"{}"), &decoded.body).unwrap();
            (serde_json::from_slice(body).unwrap(), serde_json::from_slice::<Value>(&ours).unwrap())
        };
        assert_eq!(in_order(&ours["content"]), in_order(&theirs["content"]), "{name}");
        for count in ["input_tokens", "output_tokens", "cache_read_input_tokens"] {
            let said = theirs["usage"][count].as_u64().unwrap_or_default();
            // of several runs the sum is what counts
            assert!(ours["usage"][count].as_u64().unwrap() >= said, "{name}: {count}");
        }
        let reason = theirs["stop_reason"].as_str().unwrap();
        let known = ["end_turn", "max_tokens", "tool_use", "refusal"].contains(&reason);
        assert!(!known || ours["stop_reason"] == reason, "{name}: {reason}");
    });
}

/// A recorded stream as a client sees it where the vendor speaks the tongue itself.
fn spoken_own(body: &[u8]) -> String {
    let mut decoder = own().stream(&own_call(true));
    let mut out = BytesMut::new();
    decoder.feed(body, &mut out).unwrap();
    decoder.end(&mut out).unwrap();
    spoken(Words::Own, &[&out])
}

fn own() -> &'static dyn nexus_providers::tongue::Own {
    vendor("anthropic").own(Operation::Messages, "m", Site::PLAIN).unwrap()
}

#[test]
fn a_recorded_request_comes_through_both_translations_with_every_word_and_id() {
    let mut said = 0;
    recordings(|name, request, _, _| {
        let body = request.to_string();
        let retold = Messages
            .read(&Address::default(), body.as_bytes(), Terms::Full)
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        if retold.unsayable.is_some() {
            return;
        }
        let chat = ChatRequest::read(&retold.chat).unwrap();
        let real_model = request["model"].as_str().unwrap();
        let ask = Ask {
            call: &call(false, false),
            body: &retold.chat,
            request: &chat,
            real_model,
            capabilities: Capabilities::UNSAID,
            site: Site::PLAIN,
        };
        let Ok(encoded) = vendor("anthropic").encode(ask) else { return };
        let again: Value = serde_json::from_slice(&encoded.body).unwrap();
        let words = |body: &Value| {
            let mut words = Vec::new();
            gather(&body["system"], &mut words);
            gather(&body["messages"], &mut words);
            words
        };
        let (before, after) = (words(request), words(&again));
        // texts that follow each other may have become one
        let all: String = after.iter().filter_map(|word| word.strip_prefix("text:")).collect();
        let is_there = |word: &String| {
            after.contains(word) || word.strip_prefix("text:").is_some_and(|text| all.contains(text))
        };
        let lost: Vec<&String> = before.iter().filter(|word| !is_there(word)).collect();
        assert!(lost.is_empty(), "{name}: {lost:?}");
        said += 1;
    });
    println!("anthropic's requests that came through: {said}");
}

/// The ids, names and texts of what is said, without their white space.
fn gather(value: &Value, words: &mut Vec<String>) {
    let mut push = |name: &str, text: &str| {
        let text: String = text.split_whitespace().collect();
        words.push(format!("{name}:{text}"));
    };
    match value {
        Value::Array(values) => values.iter().for_each(|value| gather(value, words)),
        Value::Object(members) => {
            let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
            // what the vendor ran by itself, no chat has a place for
            if kind.starts_with("server_") || kind.ends_with("_tool_result") || kind == "fallback" {
                return;
            }
            for (name, value) in members {
                match (name.as_str(), value) {
                    (
                        "text" | "id" | "tool_use_id" | "name" | "thinking" | "signature",
                        Value::String(text),
                    ) => {
                        push(name, text);
                    }
                    ("content", Value::String(text)) => push("text", text),
                    _ => {}
                }
            }
            if let Some(content @ Value::Array(_)) = members.get("content") {
                gather(content, words);
            }
        }
        Value::String(text) => push("text", text),
        _ => {}
    }
}

fn encoded_own(
    id: &str,
    real_model: &str,
    is_stream: bool,
    body: &str,
) -> (String, Vec<(&'static str, String)>, String) {
    let options: Options = [("project", "p1")].into_iter().collect();
    let site = Site { region: None, options: &options, base_path: "" };
    let body = Bytes::copy_from_slice(body.as_bytes());
    let ask = OwnAsk {
        call: &own_call(is_stream),
        body: &body,
        along: &[("anthropic-version", "2023-06-01".to_owned()), ("anthropic-beta", "a,b".to_owned())],
        real_model,
        capabilities: Capabilities::UNSAID,
        site,
    };
    let encoded = vendor(id).own(Operation::Messages, real_model, site).unwrap().encode(ask).unwrap();
    (encoded.path, encoded.headers, String::from_utf8(encoded.body.to_vec()).unwrap())
}

#[test]
fn where_the_vendor_speaks_it_too_nothing_is_changed_but_the_model() {
    let body = r#"{ "max_tokens":1.0e1, "model" : "alias","x":{"model":"alias", "y":[ ]}, "messages":[]  }"#;
    let (path, headers, sent) = encoded_own("anthropic", "real", true, body);
    assert_eq!(path, "/messages");
    assert_eq!(sent, body.replacen("\"alias\"", "\"real\"", 1));
    let betas = ("anthropic-beta", "a,b".to_owned());
    assert_eq!(headers, [("anthropic-version", "2023-06-01".to_owned()), betas.clone()]);
    let (path, headers, sent) = encoded_own("vertex", "claude-x", true, body);
    assert_eq!(path, "/projects/p1/locations/global/publishers/anthropic/models/claude-x:streamRawPredict");
    assert_eq!(headers, [betas]);
    let expected = body.replacen("{", r#"{"anthropic_version":"vertex-2023-10-16","#, 1);
    assert_eq!(sent, expected.replace(r#", "model" : "alias""#, ""));
    assert!(vendor("vertex").own(Operation::Messages, "gemini-3", Site::PLAIN).is_none());
    assert!(vendor("openai").own(Operation::Messages, "m", Site::PLAIN).is_none());
}

#[test]
fn a_recorded_stream_passes_event_by_event_under_the_alias_and_is_counted() {
    let mut passed = 0;
    recordings(|name, _, body, is_stream| {
        if !is_stream {
            return;
        }
        let through = |pieces: &[&[u8]]| {
            let mut decoder = own().stream(&own_call(true));
            let mut out = BytesMut::new();
            for piece in pieces {
                if decoder.feed(piece, &mut out).unwrap() == Progress::Waiting {
                    assert!(out.is_empty(), "{name}: nothing before the first block");
                }
            }
            decoder.end(&mut out).unwrap();
            (spoken(Words::Own, &[&out]), decoder.consumed(), decoder.text().to_owned())
        };
        let whole = through(&[body]);
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(through(&bytes), whole, "{name} byte by byte");
        let theirs = String::from_utf8_lossy(body).replace("\r\n", "\n");
        let theirs: Vec<&str> = theirs.split_terminator("\n\n").collect();
        let ours: Vec<&str> = whole.0.split_terminator("\n\n").collect();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            match ours.starts_with("event: message_start") {
                true => assert!(ours.contains(&format!("\"model\":\"{}\"", drive::ALIAS)), "{name}: {ours}"),
                false => assert_eq!(ours.trim_end(), theirs.trim_end(), "{name}"),
            }
        }
        let chat = drive::run(vendor("anthropic"), false, &[body]);
        assert_eq!(whole.1, chat.consumed, "{name}");
        passed += 1;
    });
    println!("anthropic's streams that passed: {passed}");
}

#[test]
fn what_breaks_before_the_first_block_is_no_answer_and_afterwards_a_failure() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\"}}\n\n";
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"o\"}}\n\n";
    let block = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    for (body, shown) in [
        (error.to_owned(), 0),
        (format!("{start}{error}"), 0),
        (format!("{start}{block}{error}"), 2),
        (block.to_owned(), 0),
        (format!("{start}{start}"), 0),
        ("event: x\ndata: no json\n\n".to_owned(), 0),
    ] {
        let mut decoder = own().stream(&own_call(true));
        let mut out = BytesMut::new();
        assert!(decoder.feed(body.as_bytes(), &mut out).is_err(), "{body}");
        assert_eq!(events(str::from_utf8(&out).unwrap()).len(), shown, "{body}");
    }
    let mut decoder = own().stream(&own_call(true));
    let mut out = BytesMut::new();
    decoder.feed(format!("{start}{block}").as_bytes(), &mut out).unwrap();
    assert!(decoder.end(&mut out).is_err(), "an end without `message_stop` is none");
}

#[test]
fn what_the_gateway_says_beside_a_message_s_own_events_is_said_in_their_words() {
    let begun = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":3,\"content_block\":{}}\n\n";
    let error = "data: {\"error\":{\"message\":\"m\",\"type\":\"timeout_error\",\"param\":null,\"code\":\"timeout\"}}\n\n";
    let seen = spoken(Words::Own, &[begun.as_bytes(), error.as_bytes()]);
    assert_eq!(
        seen,
        format!(
            "{begun}event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"timeout_error\",\"message\":\"m\"}}}}\n\n"
        )
    );
    let cut = "data: {\"id\":\"\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}],\"nexus\":{}}\n\n";
    let usage =
        "data: {\"id\":\"\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";
    let seen = spoken(Words::Own, &[begun.as_bytes(), cut.as_bytes(), usage.as_bytes(), b"data: [DONE]\n\n"]);
    let kinds: Vec<Value> = events(&seen).into_iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["content_block_start", "content_block_stop", "message_delta", "message_stop"]);
    let last = &events(&seen)[2];
    assert_eq!(
        (&last["delta"]["stop_reason"], &last["usage"]["output_tokens"]),
        (&json!("max_tokens"), &json!(2))
    );
}

proptest! {
    #[test]
    fn every_text_and_every_id_survives_the_way_there_and_back(
        texts in vec("[a-z \\\\\"\n\u{e9}\u{1f980}]{1,12}", 1..4),
        ids in vec("[a-zA-Z0-9_-]{1,12}", 1..4),
        result in ".{0,12}",
    ) {
        let calls = ids.iter().map(|id| json!({"type": "tool_use", "id": id, "name": "f", "input": {"x": id}}));
        let said = texts.iter().map(|text| json!({"type": "text", "text": text}));
        let results = ids.iter().map(|id| json!({"type": "tool_result", "tool_use_id": id, "content": result}));
        let body = json!({"model": "m", "max_tokens": 9, "messages": [
            {"role": "user", "content": said.clone().collect::<Vec<_>>()},
            {"role": "assistant", "content": said.clone().chain(calls).collect::<Vec<_>>()},
            {"role": "user", "content": results.chain(said).collect::<Vec<_>>()},
        ]});
        for terms in [Terms::Plain, Terms::Full] {
            let retold = Messages.read(&Address::default(), body.to_string().as_bytes(), terms).unwrap();
            let chat: Value = serde_json::from_slice(&retold.chat).unwrap();
            let messages = chat["messages"].as_array().unwrap();
            prop_assert_eq!(messages.len(), 3 + ids.len());
            let one = |content: &Value| -> String {
                let parts = content.as_array().into_iter().flatten();
                let text = parts.filter_map(|part| part["text"].as_str()).collect::<String>();
                content.as_str().map_or(text, str::to_owned)
            };
            prop_assert_eq!(one(&messages[0]["content"]), texts.concat());
            prop_assert_eq!(one(&messages[1]["content"]), texts.concat());
            prop_assert_eq!(one(&messages.last().unwrap()["content"]), texts.concat());
            for (at, id) in ids.iter().enumerate() {
                let call = &messages[1]["tool_calls"][at];
                prop_assert_eq!(&call["id"], id);
                let input: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
                prop_assert_eq!(input, json!({"x": id}));
                prop_assert_eq!(&messages[2 + at]["tool_call_id"], id);
                prop_assert_eq!(&messages[2 + at]["content"], &result);
            }
            // and an answer that says the same is the same message
            let answer = json!({"id": "x", "choices": [{"message": messages[1], "finish_reason": "tool_calls"}]});
            let back = Messages.whole(&tongue::told(b"{}"), answer.to_string().as_bytes()).unwrap();
            let back: Value = serde_json::from_slice(&back).unwrap();
            prop_assert_eq!(essence(&back["content"]), essence(&body["messages"][1]["content"]));
        }
    }
}
