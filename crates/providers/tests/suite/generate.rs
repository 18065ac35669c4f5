//! Google's Gemini as a tongue of clients: requests become chats, chats' answers candidates, and what the vendor itself
//! says passes.

use std::{fs, path::Path};

use bytes::{Bytes, BytesMut};
use nexus_core::{
    call::{Call, Operation},
    capabilities::Capabilities,
    site::{Options, Site},
};
use nexus_providers::{
    dialect::Progress,
    tongue::{Address, Framing, Own, OwnAsk, Terms, Told, Tongue, Words, gemini::Gemini},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use crate::{
    drive::{self, call, files, vendor},
    golden,
    tongue::{self, as_chats},
};

const WITH_THOUGHTS: &[u8] = br#"{"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}"#;

fn address(framing: Option<Framing>) -> Address {
    Address { model: drive::ALIAS.to_owned(), framing }
}

fn told(framing: Option<Framing>) -> Told {
    Told { address: address(framing), ..tongue::told(WITH_THOUGHTS) }
}

fn spoken(framing: Framing, words: Words, pieces: &[&[u8]]) -> String {
    tongue::spoken(&Gemini, &told(Some(framing)), words, pieces)
}

fn own_call(is_stream: bool) -> Call {
    Call { operation: Operation::GenerateContent, ..call(is_stream, is_stream) }
}

fn own() -> &'static dyn Own {
    vendor("gemini").own(Operation::GenerateContent, "m", Site::PLAIN).unwrap()
}

/// The objects of a stream of events.
fn events(shown: &str) -> Vec<Value> {
    let data = shown.split_terminator("\n\n").map(|frame| frame.strip_prefix("data: ").unwrap());
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// The parts of the first candidate of all of them.
fn parts(answers: &[Value]) -> Vec<Value> {
    let of = |answer: &Value| answer["candidates"][0]["content"]["parts"].as_array().cloned();
    answers.iter().filter_map(of).flatten().collect()
}

fn words(parts: &[Value], is_thought: bool) -> String {
    let said = parts.iter().filter(|part| (part["thought"] == true) == is_thought);
    said.filter_map(|part| part["text"].as_str()).collect()
}

#[test]
fn requests_become_chats_in_plain_terms_and_in_full() {
    golden::check("generate-request", |name, _, body| {
        let framing = name.ends_with(".streamed").then_some(Framing::Events);
        as_chats(&Gemini, &address(framing), body)
    });
}

#[test]
fn whole_answers_become_candidates() {
    golden::check("generate-whole", |_, _, body| {
        String::from_utf8(Gemini.whole(&told(None), body).unwrap().to_vec()).unwrap()
    });
}

#[test]
fn streams_become_events_or_one_array_of_the_same() {
    golden::check("generate-stream", |name, _, body| {
        let shown = spoken(Framing::Events, Words::Chat, &[body]);
        let array = spoken(Framing::Array, Words::Chat, &[body]);
        let array: Vec<Value> =
            serde_json::from_str(&array).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(array, events(&shown), "{name}");
        shown
    });
}

#[test]
fn thoughts_are_told_to_those_only_who_ask_for_them() {
    let answer = br#"{"id":"x","choices":[{"message":{"reasoning_content":"hm","content":"a"},"finish_reason":"stop"}]}"#;
    let quiet = Told { address: address(None), ..tongue::told(b"{}") };
    for (told, expected) in [(told(None), "hm"), (quiet, "")] {
        let whole: Value = serde_json::from_slice(&Gemini.whole(&told, answer).unwrap()).unwrap();
        assert_eq!(words(&parts(std::slice::from_ref(&whole)), true), expected);
        assert_eq!(words(&parts(&[whole]), false), "a");
    }
}

#[test]
fn whatever_a_vendor_streams_is_one_answer_wherever_it_is_cut() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/stream"));
    let mut seen_whole = 0;
    for file in files(folder) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let vendor = vendor(name.split('.').next().unwrap());
        let body = fs::read(&file).unwrap();
        let framed = drive::is_framed(vendor).then(|| crate::frames::stream(str::from_utf8(&body).unwrap()));
        let chunks = drive::run(vendor, true, &[framed.as_deref().unwrap_or(&body)]);
        if chunks.shown.is_empty() {
            continue;
        }
        let whole = spoken(Framing::Events, Words::Chat, &[chunks.shown.as_bytes()]);
        let bytes: Vec<&[u8]> = chunks.shown.as_bytes().chunks(1).collect();
        assert_eq!(spoken(Framing::Events, Words::Chat, &bytes), whole, "{name} byte by byte");
        let answers = events(&whole);
        let is_finished = answers.iter().any(|answer| answer["candidates"][0]["finishReason"].is_string());
        assert_eq!(chunks.end.is_ok(), is_finished, "{name}");
        if chunks.end.is_ok() {
            let seen = drive::read_chunks(&name, &chunks.shown);
            let parts = parts(&answers);
            assert!(words(&parts, false).starts_with(&seen.text), "{name}: {parts:?}");
            let calls = parts.iter().filter(|part| part["functionCall"].is_object()).count();
            assert_eq!(calls, seen.calls.len(), "{name}: {parts:?}");
            seen_whole += 1;
        }
    }
    assert!(seen_whole > 40, "{seen_whole}");
}

fn encoded_own(id: &str, real_model: &str, is_stream: bool, body: &str) -> (String, String) {
    let options: Options = [("project", "p1")].into_iter().collect();
    let site = Site { region: None, options: &options, base_path: "" };
    let body = Bytes::copy_from_slice(body.as_bytes());
    let ask = OwnAsk {
        call: &own_call(is_stream),
        body: &body,
        along: &[],
        real_model,
        capabilities: Capabilities::UNSAID,
        site,
    };
    let own = vendor(id).own(Operation::GenerateContent, real_model, site).unwrap();
    let encoded = own.encode(ask).unwrap();
    assert!(encoded.headers.is_empty());
    (encoded.path, String::from_utf8(encoded.body.to_vec()).unwrap())
}

#[test]
fn where_the_vendor_speaks_it_too_the_body_goes_as_it_is() {
    let body = r#"{ "contents" : [ ], "model":"models/alias", "x":{"model":1.50e1} }"#;
    let (path, sent) = encoded_own("gemini", "real", true, body);
    assert_eq!(path, "/models/real:streamGenerateContent?alt=sse");
    assert_eq!(sent, r#"{ "contents" : [ ], "x":{"model":1.50e1} }"#);
    let (path, _) = encoded_own("vertex", "gemini-3", false, body);
    assert_eq!(path, "/projects/p1/locations/global/publishers/google/models/gemini-3:generateContent");
    assert!(vendor("vertex").own(Operation::GenerateContent, "claude-x", Site::PLAIN).is_none());
    assert!(vendor("openai").own(Operation::GenerateContent, "m", Site::PLAIN).is_none());
}

#[test]
fn a_whole_answer_of_the_vendor_s_passes_under_the_alias_and_is_counted() {
    let said = r#"{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"finishReason":"STOP","ofTheFuture":[1.0]}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":3,"totalTokenCount":9},"modelVersion":"real","responseId":"r"}"#;
    let decoded = own().decode(&own_call(false), &Bytes::from(said)).unwrap();
    assert_eq!(decoded.body, said.replace("\"real\"", &format!("\"{}\"", drive::ALIAS)));
    let usage = decoded.consumed.usage.unwrap();
    assert_eq!((usage.prompt_tokens(), usage.completion_tokens()), (4, 5));
    for broken in [
        r#"{"error":{"code":503,"message":"o","status":"UNAVAILABLE"}}"#,
        r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#,
        r#"{"usageMetadata":{}}"#,
        "[]",
    ] {
        assert!(own().decode(&own_call(false), &Bytes::from(broken)).is_err(), "{broken}");
    }
    let blocked = r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}"#;
    assert!(own().decode(&own_call(false), &Bytes::from(blocked)).is_ok());
}

#[test]
fn the_vendor_s_streams_pass_object_by_object_and_are_counted_as_a_chat_s() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/stream"));
    let mut passed = 0;
    for file in files(folder) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("gemini.") {
            continue;
        }
        let body = fs::read(&file).unwrap();
        let through = |pieces: &[&[u8]]| {
            let mut decoder = own().stream(&own_call(true));
            let mut out = BytesMut::new();
            let mut end = Ok(Progress::Waiting);
            for piece in pieces {
                end = end.and_then(|_| decoder.feed(piece, &mut out));
            }
            let end = end.and_then(|_| decoder.end(&mut out));
            (spoken(Framing::Events, Words::Own, &[&out]), end, decoder.consumed())
        };
        let whole = through(&[&body]);
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(through(&bytes), whole, "{name} byte by byte");
        let (shown, end, consumed) = whole;
        let chat = drive::run(vendor("gemini"), false, &[&body]);
        let is_call_in_pieces = name == "gemini.call-in-pieces";
        assert!(end.is_ok() == chat.end.is_ok() || is_call_in_pieces, "{name}: {end:?} {:?}", chat.end);
        if end.is_ok() && !is_call_in_pieces {
            assert_eq!(consumed, chat.consumed, "{name}");
            let theirs = String::from_utf8_lossy(&body);
            let theirs = theirs.lines().filter_map(|line| line.strip_prefix("data:"));
            let theirs: Vec<Value> = theirs.map(|data| serde_json::from_str(data).unwrap()).collect();
            for (mut ours, mut theirs) in events(&shown).into_iter().zip(theirs.clone()) {
                assert!(ours["modelVersion"].is_null() || ours["modelVersion"] == drive::ALIAS, "{name}");
                (ours["modelVersion"], theirs["modelVersion"]) = (Value::Null, Value::Null);
                assert_eq!(ours, theirs, "{name}");
            }
            assert_eq!(events(&shown).len(), theirs.len(), "{name}");
            passed += 1;
        }
    }
    assert!(passed > 8, "{passed}");
}

#[test]
fn what_the_gateway_says_beside_the_vendor_s_objects_is_said_in_their_words() {
    let begun = b"event: google\ndata: {\"candidates\":[]}\n\n";
    let error = b"data: {\"error\":{\"message\":\"m\",\"type\":\"timeout_error\",\"param\":null,\"code\":\"timeout\"}}\n\n";
    for framing in [Framing::Events, Framing::Array] {
        let seen = spoken(framing, Words::Own, &[begun, error]);
        let seen: Vec<Value> = match framing {
            Framing::Events => events(&seen),
            Framing::Array => serde_json::from_str(&seen).unwrap(),
        };
        assert_eq!(seen[0], json!({"candidates": []}));
        assert_eq!(seen[1]["error"]["status"], "DEADLINE_EXCEEDED");
    }
    let cut =
        b"data: {\"id\":\"\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    let usage =
        b"data: {\"id\":\"\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";
    let seen = events(&spoken(Framing::Events, Words::Own, &[begun, cut, usage, b"data: [DONE]\n\n"]));
    assert_eq!(seen[1]["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert_eq!(seen[1]["usageMetadata"]["candidatesTokenCount"], 2);
    assert_eq!(spoken(Framing::Array, Words::Own, &[b"data: [DONE]\n\n"]), "[]");
}

#[test]
fn a_sign_of_life_is_white_space_that_no_client_minds() {
    for framing in [Framing::Events, Framing::Array] {
        let mut speaker = Gemini.speaker(&told(Some(framing)), Words::Chat);
        let mut out = BytesMut::new();
        speaker.beat(&mut out);
        speaker.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", &mut out);
        speaker.beat(&mut out);
        speaker.feed(b"data: [DONE]\n\n", &mut out);
        let shown = String::from_utf8(out.to_vec()).unwrap();
        match framing {
            Framing::Events => {
                assert!(shown.lines().all(|line| line.is_empty() || line.starts_with("data: {")))
            }
            Framing::Array => assert_eq!(serde_json::from_str::<Vec<Value>>(&shown).unwrap().len(), 2),
        }
    }
}

#[test]
fn a_request_to_be_counted_may_be_wrapped() {
    let inner = r#"{"contents":[{"parts":[{"text":"hello"}]}]}"#;
    let wrapped = format!(r#"{{"generateContentRequest":{inner}}}"#);
    let count = |body: &str| Gemini::to_count(&address(None), body.as_bytes()).unwrap();
    assert_eq!(count(inner), count(&wrapped));
    assert!(Gemini::to_count(&address(None), b"{\"generateContentRequest\":7}").is_err());
}

proptest! {
    #[test]
    fn every_text_and_every_call_survives_the_way_there_and_back(
        texts in vec("[a-z \\\\\"\n\u{e9}\u{1f980}]{1,12}", 1..4),
        names in vec("[a-z_]{1,8}", 1..5),
        has_ids in any::<bool>(),
        result in ".{0,12}",
    ) {
        let id = |at: usize| if has_ids { json!(format!("id-{at}")) } else { Value::Null };
        let said = texts.iter().map(|text| json!({ "text": text }));
        let calls = names.iter().enumerate().map(|(at, name)| {
            json!({"functionCall": {"id": id(at), "name": name, "args": {"at": at}}})
        });
        let results = names.iter().enumerate().map(|(at, name)| {
            json!({"functionResponse": {"id": id(at), "name": name, "response": {"output": format!("{at}{result}")}}})
        });
        let body = json!({"contents": [
            {"role": "user", "parts": said.clone().collect::<Vec<_>>()},
            {"role": "model", "parts": said.clone().chain(calls).collect::<Vec<_>>()},
            {"role": "user", "parts": results.chain(said).collect::<Vec<_>>()},
        ]});
        for terms in [Terms::Plain, Terms::Full] {
            let retold = Gemini.read(&address(None), body.to_string().as_bytes(), terms).unwrap();
            let chat: Value = serde_json::from_slice(&retold.chat).unwrap();
            let messages = chat["messages"].as_array().unwrap();
            prop_assert_eq!(messages.len(), 3 + names.len());
            let calls = messages[1]["tool_calls"].as_array().unwrap();
            for (at, (name, call)) in names.iter().zip(calls).enumerate() {
                prop_assert_eq!(&call["function"]["name"], name);
                // each result is its own call's, also where neither has an id
                prop_assert_eq!(&messages[2 + at]["tool_call_id"], &call["id"]);
                prop_assert_eq!(&messages[2 + at]["content"], &json!(format!("{at}{result}")));
            }
            // and an answer that says the same has the same parts
            let answer = json!({"id": "x", "choices": [{"message": messages[1], "finish_reason": "tool_calls"}]});
            let back = Gemini.whole(&told(None), answer.to_string().as_bytes()).unwrap();
            let back: Value = serde_json::from_slice(&back).unwrap();
            let parts = parts(&[back]);
            prop_assert_eq!(words(&parts, false), texts.concat());
            let args: Vec<&Value> = parts.iter().filter_map(|part| part["functionCall"].get("args")).collect();
            let expected: Vec<Value> = (0..names.len()).map(|at| json!({ "at": at })).collect();
            prop_assert_eq!(args, expected.iter().collect::<Vec<_>>());
        }
    }
}
