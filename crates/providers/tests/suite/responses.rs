//! OpenAI's Responses as a tongue of clients: requests become chats, chats' answers responses, and a vendor that speaks it
//! itself is asked and answers as it is.

use std::{fs, path::Path};

use bytes::{Bytes, BytesMut};
use nexus_core::{
    call::{Call, Operation},
    capabilities::Capabilities,
    site::{Options, Site},
};
use nexus_providers::{
    dialect::Progress,
    tongue::{Address, Own, OwnAsk, Told, Tongue, Words, responses::Responses},
};
use serde_json::{Value, json};

use crate::{
    drive::{self, call, files, vendor},
    golden,
    tongue::{self, as_chats},
};

fn told() -> Told {
    tongue::told(
        br#"{"model":"m","input":"hi","instructions":"be brief","tools":[{"type":"function","name":"f","parameters":{}}]}"#,
    )
}

fn own_call(is_stream: bool) -> Call {
    Call { operation: Operation::Responses, ..call(is_stream, is_stream) }
}

fn own() -> &'static dyn Own {
    vendor("openai").own(Operation::Responses, "m", Site::PLAIN).unwrap()
}

/// What a client is told of the pieces of a stream.
fn spoken(words: Words, pieces: &[&[u8]]) -> String {
    tongue::spoken(&Responses, &told(), words, pieces)
}

/// The events of a stream, each named as its data says and numbered without gaps.
fn events(name: &str, shown: &str) -> Vec<Value> {
    let read = |(at, frame): (usize, &str)| {
        let (event, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(event, format!("event: {}", data["type"].as_str().unwrap()), "{name}");
        assert_eq!(data["sequence_number"], at, "{name}: {data}");
        data
    };
    shown.split_terminator("\n\n").enumerate().map(read).collect()
}

/// The last response of a stream, which must be what its events said.
fn response(name: &str, shown: &str) -> Value {
    let events = events(name, shown);
    assert_eq!(events[0]["type"], "response.created", "{name}");
    assert_eq!(events[1]["type"], "response.in_progress", "{name}");
    let last = events.last().unwrap();
    let items: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "response.output_item.done")
        .map(|event| &event["item"])
        .collect();
    if last["type"] != "response.failed" {
        let output: Vec<&Value> = last["response"]["output"].as_array().unwrap().iter().collect();
        assert_eq!(output, items, "{name}");
    }
    for (kind, member, done) in [
        ("response.output_text", "text", "content"),
        ("response.function_call_arguments", "arguments", "arguments"),
        ("response.reasoning_summary_text", "text", "summary"),
    ] {
        for event in events.iter().filter(|event| event["type"] == format!("{kind}.done")) {
            let of_item = |other: &&Value| other["item_id"] == event["item_id"];
            let deltas =
                events.iter().filter(|other| other["type"] == format!("{kind}.delta")).filter(of_item);
            let said: String = deltas.filter_map(|delta| delta["delta"].as_str()).collect();
            assert_eq!(event[member], said, "{name}");
            let item = items.iter().find(|item| item["id"] == event["item_id"]).unwrap();
            let whole = if done == "arguments" { &item[done] } else { &item[done][0]["text"] };
            assert_eq!(whole, &event[member], "{name}");
        }
    }
    last["response"].clone()
}

#[test]
fn requests_become_chats_in_plain_terms_and_in_full() {
    golden::check("responses-request", |_, _, body| as_chats(&Responses, &Address::default(), body));
}

#[test]
fn whole_answers_become_responses() {
    golden::check("responses-whole", |_, _, body| {
        String::from_utf8(Responses.whole(&told(), body).unwrap().to_vec()).unwrap()
    });
}

#[test]
fn streams_become_a_response_s_events() {
    golden::check("responses-stream", |name, _, body| {
        let shown = spoken(Words::Chat, &[body]);
        response(name, &shown);
        shown
    });
}

#[test]
fn whatever_a_vendor_streams_is_one_response_wherever_it_is_cut() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/stream"));
    let mut said = 0;
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
        let ended = ["response.completed", "response.incomplete"].iter().any(|end| whole.contains(end));
        assert_eq!(chunks.end.is_ok(), ended, "{name}");
        if chunks.end.is_ok() {
            let seen = drive::read_chunks(&name, &chunks.shown);
            let response = response(&name, &whole);
            let output = response["output"].as_array().unwrap();
            let calls = output.iter().filter(|item| item["type"] == "function_call");
            let calls: Vec<(String, String)> = calls
                .map(|call| {
                    (
                        call["name"].as_str().unwrap().to_owned(),
                        call["arguments"].as_str().unwrap().to_owned(),
                    )
                })
                .collect();
            assert_eq!(calls, seen.calls, "{name}");
            said += 1;
        }
    }
    assert!(said > 40, "{said}");
}

fn encoded_own(id: &str, version: Option<&str>) -> Option<(String, String)> {
    let options: Options = version.map(|version| ("api_version", version)).into_iter().collect();
    let site = Site { region: None, options: &options, base_path: "" };
    let body = Bytes::from_static(br#"{ "input":[ {"model":"alias"}], "model" : "alias","x":1.0 }"#);
    let ask = OwnAsk {
        call: &own_call(false),
        body: &body,
        along: &[],
        real_model: "real",
        capabilities: Capabilities::UNSAID,
        site,
    };
    let encoded = vendor(id).own(Operation::Responses, "real", site)?.encode(ask).unwrap();
    Some((encoded.path, String::from_utf8(encoded.body.to_vec()).unwrap()))
}

#[test]
fn where_the_vendor_speaks_it_too_nothing_is_changed_but_the_model() {
    let sent = r#"{ "input":[ {"model":"alias"}], "model" : "real","x":1.0 }"#.to_owned();
    assert_eq!(encoded_own("openai", None), Some(("/responses".to_owned(), sent.clone())));
    assert_eq!(encoded_own("azure", None), Some(("/openai/v1/responses".to_owned(), sent)));
    assert_eq!(encoded_own("azure", Some("2024-10-21")), None);
    assert_eq!(encoded_own("custom", None), None);
}

#[test]
fn recorded_streams_pass_event_by_event_under_the_alias_and_are_counted() {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/openai"));
    if !shared.exists() {
        println!("openai's recordings: absent");
        return;
    }
    let mut passed = 0;
    for path in files(shared) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("responses-") || !name.ends_with(".sse") {
            continue;
        }
        let body = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&body).replace("\r\n", "\n");
        if text.matches("event: response.created").count() != 1 || !text.contains("event: response.completed")
        {
            continue;
        }
        let through = |pieces: &[&[u8]]| {
            let mut decoder = own().stream(&own_call(true));
            let mut out = BytesMut::new();
            for piece in pieces {
                if decoder.feed(piece, &mut out).unwrap() == Progress::Waiting {
                    assert!(out.is_empty(), "{name}: nothing before the first item");
                }
            }
            decoder.end(&mut out).unwrap();
            (spoken(Words::Own, &[&out]), decoder.consumed())
        };
        let whole = through(&[&body]);
        let bytes: Vec<&[u8]> = body.chunks(997).collect();
        assert_eq!(through(&bytes), whole, "{name} in pieces");
        let theirs: Vec<&str> =
            text.split_terminator("\n\n").filter(|frame| frame.contains("data: {")).collect();
        let ours: Vec<&str> = whole.0.split_terminator("\n\n").collect();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            match ours.contains("\"response\":{") {
                true => assert!(ours.contains(&format!("\"model\":\"{}\"", drive::ALIAS)), "{name}: {ours}"),
                false => assert_eq!(ours.trim(), theirs.trim(), "{name}"),
            }
        }
        let usage = whole.1.usage.unwrap_or_else(|| panic!("{name}: no usage"));
        let said = |word: &str| -> u64 {
            let (_, rest) = text.rsplit_once(&format!("\"{word}\":")).unwrap();
            rest.trim_start().split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap()
        };
        assert_eq!(usage.tokens(), said("total_tokens"), "{name}");
        passed += 1;
    }
    println!("openai's streams that passed: {passed}");
    assert!(passed > 3);
}

#[test]
fn what_breaks_before_the_first_item_is_no_answer() {
    let created = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"model\":\"m\",\"status\":\"in_progress\",\"incomplete_details\":null,\"usage\":null}}\n\n";
    let failed = "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":1,\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"m\"}}}\n\n";
    let error =
        "event: error\ndata: {\"type\":\"error\",\"code\":\"x\",\"message\":\"m\",\"sequence_number\":1}\n\n";
    for body in
        [failed.to_owned(), error.to_owned(), format!("{created}{failed}"), format!("{created}{error}")]
    {
        let mut decoder = own().stream(&own_call(true));
        let mut out = BytesMut::new();
        assert!(decoder.feed(body.as_bytes(), &mut out).is_err(), "{body}");
        assert!(out.is_empty(), "{body}");
    }
    let mut decoder = own().stream(&own_call(true));
    decoder.feed(created.as_bytes(), &mut BytesMut::new()).unwrap();
    assert!(decoder.end(&mut BytesMut::new()).is_err(), "an end without an end is none");
    // an answer that the gateway cuts short ends in the tongue's words
    let cut =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
    let shown = spoken(Words::Own, &[created.as_bytes(), cut.as_bytes()]);
    let last = events("cut", &shown).pop().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!((&last["response"]["status"], &last["response"]["id"]), (&json!("incomplete"), &json!("r")));
    assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
}
