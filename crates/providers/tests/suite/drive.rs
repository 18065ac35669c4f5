//! Driving a dialect over bytes, and what must hold of every stream whatever is in it.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use bytes::{Bytes, BytesMut};
use nexus_core::{
    call::{Call, Operation},
    fault::Fault,
    id::{RequestId, Uuid},
};
use nexus_providers::{
    dialect::{Consumed, Decoded, Dialect, Progress, Unsayable},
    registry,
};
use serde_json::{Value, json};

use crate::frames;

pub(crate) const ALIAS: &str = "nexus-gpt4";
/// What every request of the suite is called.
pub(crate) const REQUEST: RequestId = RequestId(Uuid::from_u128(0x0191_7a5e_0000_7000_8000_0000_0000_0001));
/// When every request of the suite came, Unix seconds.
pub(crate) const ASKED_AT_S: u64 = 1_764_000_000;

/// Larger streams are fed in larger pieces than bytes.
const SMALL_BYTES: usize = 32 * 1024;

/// A long stream is cut off at about this many of its frames' ends.
const CUTS_MAX: usize = 24;

pub(crate) fn vendor(id: &str) -> &'static dyn Dialect {
    registry::dialect(id).unwrap_or_else(|| panic!("no vendor `{id}`"))
}

pub(crate) fn call(is_stream: bool, wants_usage: bool) -> Call {
    Call {
        operation: Operation::ChatCompletions,
        alias: ALIAS.into(),
        is_stream,
        wants_usage,
        request: REQUEST,
        asked_at_s: ASKED_AT_S,
    }
}

/// The files of a folder of cases in a fixed order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What came of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) shown: String,
    pub(crate) end: Result<(), Fault>,
    pub(crate) consumed: Consumed,
    pub(crate) text: String,
}

/// Feeds a stream in these pieces and ends it.
pub(crate) fn run(vendor: &dyn Dialect, wants_usage: bool, pieces: &[&[u8]]) -> Outcome {
    let mut decoder = vendor.stream(&call(true, wants_usage));
    let mut out = BytesMut::new();
    let mut end = Ok(());
    for piece in pieces {
        match decoder.feed(piece, &mut out) {
            Ok(Progress::Waiting) => assert!(out.is_empty(), "an answer began without saying so"),
            Ok(Progress::Done) => assert!(out.ends_with(b"data: [DONE]\n\n")),
            Ok(Progress::Flowing) => {}
            Err(fault) => end = Err(fault),
        }
        if end.is_err() {
            break;
        }
    }
    if end.is_ok() {
        end = decoder.end(&mut out);
    }
    let shown = String::from_utf8(out.to_vec()).unwrap();
    assert_eq!(end.is_ok(), shown.ends_with("data: [DONE]\n\n"), "{shown}");
    Outcome { shown, end, consumed: decoder.consumed(), text: decoder.text().to_owned() }
}

pub(crate) fn decode(vendor: &dyn Dialect, body: &[u8]) -> Result<Decoded, Fault> {
    vendor.decode(&call(false, false), &Bytes::copy_from_slice(body))
}

/// The ends of a stream's frames.
fn borders(vendor: &dyn Dialect, body: &[u8]) -> Vec<usize> {
    if is_framed(vendor) {
        return frames::borders(body);
    }
    let text = String::from_utf8_lossy(body);
    let ends: &[&str] = if is_by_line(vendor) { &["\n"] } else { &["\n\n", "\r\n\r\n"] };
    let mut borders: Vec<usize> = ends
        .iter()
        .flat_map(|end| text.match_indices(end).map(|(at, _)| at + end.len()).collect::<Vec<_>>())
        .collect();
    borders.sort_unstable();
    borders
}

/// Whether a stream is one JSON text a line.
fn is_by_line(vendor: &dyn Dialect) -> bool {
    vendor.stream_media() == "application/x-ndjson"
}

/// Whether the vendor streams frames in place of lines.
pub(crate) fn is_framed(vendor: &dyn Dialect) -> bool {
    vendor.stream_media() == "application/vnd.amazon.eventstream"
}

/// Whether a cut stream is a whole answer all the same: it said so, or every choice in it finished,
/// where the dialect takes that for an end.
fn is_complete(vendor: &dyn Dialect, body: &[u8]) -> bool {
    if is_framed(vendor) {
        return memchr::memmem::find(body, b"messageStop").is_some();
    }
    let is_openai = vendor.id() == "azure" || registry::vendors().iter().any(|known| known.id == vendor.id());
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
    if is_by_line(vendor) {
        let said = |line| serde_json::from_str::<Value>(line).unwrap_or_default();
        return text.lines().any(|line| said(line)["done"] == true);
    }
    let mut finished: HashMap<u64, bool> = HashMap::new();
    for frame in text.split("\n\n").filter(|frame| frame.contains("data:")) {
        let data: Vec<&str> = frame.lines().filter_map(|line| line.strip_prefix("data:")).collect();
        let data = data.join("\n");
        if data.trim() == "[DONE]" {
            return true;
        }
        let chunk: Value = serde_json::from_str(&data).unwrap_or_default();
        let ends = ["message_stop", "message-end"].iter().any(|kind| chunk["type"] == **kind);
        if !is_openai && (ends || chunk["promptFeedback"]["blockReason"].is_string()) {
            return true;
        }
        for candidate in chunk["candidates"].as_array().into_iter().flatten() {
            // Of several candidates the first is what was asked for.
            if candidate["index"].as_u64().unwrap_or_default() == 0 {
                *finished.entry(0).or_default() |= candidate["finishReason"].is_string();
            }
        }
        for (ordinal, choice) in chunk["choices"].as_array().into_iter().flatten().enumerate() {
            let is_finished = choice["finish_reason"].as_str().is_some_and(|word| !word.is_empty());
            *finished.entry(choice["index"].as_u64().unwrap_or(ordinal as u64)).or_default() |= is_finished;
        }
    }
    !finished.is_empty() && finished.values().all(|is_finished| *is_finished)
}

/// However a stream is cut, the client sees the same; and a stream that was cut off is never whole.
pub(crate) fn check_cuts(name: &str, vendor: &dyn Dialect, body: &[u8]) -> [Outcome; 2] {
    [false, true].map(|wants_usage| {
        let whole = run(vendor, wants_usage, &[body]);
        let bytes: Vec<&[u8]> = body.chunks(if body.len() < SMALL_BYTES { 1 } else { 997 }).collect();
        assert_eq!(run(vendor, wants_usage, &bytes), whole, "{name} byte by byte");
        let mut frames = Vec::new();
        let mut done = 0;
        for border in borders(vendor, body) {
            frames.push(&body[done..border]);
            done = border;
        }
        frames.push(&body[done..]);
        assert_eq!(run(vendor, wants_usage, &frames), whole, "{name} frame by frame");
        let borders = borders(vendor, body);
        for border in borders.iter().copied().step_by(borders.len() / CUTS_MAX + 1) {
            let cut = run(vendor, wants_usage, &[&body[..border]]);
            assert!(
                whole.shown.starts_with(cut.shown.trim_end_matches("data: [DONE]\n\n")) || cut.end.is_ok(),
                "{name}"
            );
            if whole.end.is_ok() {
                assert_eq!(cut.end.is_ok(), is_complete(vendor, &body[..border]), "{name} ended at {border}");
            }
        }
        whole
    })
}

/// What a client makes of what it is shown.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) finish: Option<String>,
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) usage: Option<Value>,
}

/// Reads what a client is shown as strictly as OpenAI's form is.
pub(crate) fn read_chunks(name: &str, shown: &str) -> Seen {
    let mut seen = Seen::default();
    let mut calls: Vec<(u64, String, String)> = Vec::new();
    for frame in shown.split_terminator("\n\n") {
        let data: Vec<&str> = frame.lines().filter_map(|line| line.strip_prefix("data:")).collect();
        let data = data.join("\n");
        if data.trim() == "[DONE]" {
            continue;
        }
        let chunk: Value =
            serde_json::from_str(&data).unwrap_or_else(|error| panic!("{name}: {error}: {data}"));
        assert_eq!(chunk["model"], ALIAS, "{name}");
        assert!(chunk["id"].is_string() && chunk["created"].is_number(), "{name}: {data}");
        assert!(chunk["object"].is_string(), "{name}: {data}");
        assert!(seen.usage.is_none(), "{name}: usage is not last");
        seen.usage = Some(chunk["usage"].clone()).filter(|usage| !usage.is_null());
        let choices = chunk["choices"].as_array().unwrap_or_else(|| panic!("{name}: {data}"));
        assert!(seen.usage.is_none() || choices.is_empty(), "{name}: {data}");
        for choice in choices {
            assert!(choice["index"].is_u64(), "{name}: {data}");
            read_delta(choice, &mut seen, &mut calls);
        }
    }
    seen.calls = calls.into_iter().map(|(_, name, arguments)| (name, arguments)).collect();
    seen
}

fn read_delta(choice: &Value, seen: &mut Seen, calls: &mut Vec<(u64, String, String)>) {
    seen.text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
    seen.reasoning.push_str(choice["delta"]["reasoning_content"].as_str().unwrap_or_default());
    if let Some(finish) = choice["finish_reason"].as_str() {
        assert!(
            ["stop", "length", "tool_calls", "content_filter", "function_call"].contains(&finish),
            "{finish}"
        );
        seen.finish = Some(finish.to_owned());
    }
    for (ordinal, call) in choice["delta"]["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let index = call["index"].as_u64().unwrap_or(ordinal as u64);
        let word = |name: &str| call["function"][name].as_str().unwrap_or_default().to_owned();
        match calls.iter_mut().find(|(known, ..)| *known == index) {
            Some((_, _, arguments)) => arguments.push_str(&word("arguments")),
            None => {
                assert!(call["id"].as_str().is_some_and(|id| !id.is_empty()), "{call}");
                calls.push((index, word("name"), word("arguments")));
            }
        }
    }
}

/// The message that a client of OpenAI's keeps of a stream.
pub(crate) fn accumulated(shown: &str) -> Value {
    let mut message = json!({});
    for data in shown.lines().filter_map(|line| line.strip_prefix("data: {")) {
        let chunk: Value = serde_json::from_str(&format!("{{{data}")).unwrap();
        accumulate(&mut message, &chunk["choices"][0]["delta"]);
    }
    message
}

/// Strings grow, elements meet by their `index`.
fn accumulate(message: &mut Value, delta: &Value) {
    match (message, delta) {
        (Value::Object(message), Value::Object(delta)) => {
            for (name, value) in delta {
                match message.get_mut(name) {
                    Some(known) if name != "index" && name != "type" => accumulate(known, value),
                    _ => {
                        message.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(message), Value::Array(delta)) => {
            for value in delta {
                match message.iter_mut().find(|known| known["index"] == value["index"]) {
                    Some(known) => accumulate(known, value),
                    None => message.push(value.clone()),
                }
            }
        }
        (Value::String(message), Value::String(delta)) => message.push_str(delta),
        (message, delta) => *message = delta.clone(),
    }
}

/// Says what OpenAI's clients were recorded to ask, where the recordings lie: `encode` gives what a body becomes for
/// each model that matters, `check` looks at what was said.
pub(crate) fn recorded_requests<E>(
    name: &str,
    encode: impl Fn(&Value) -> Vec<Result<E, Unsayable>>,
    check: impl Fn(&E),
) {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/openai"));
    if !shared.exists() {
        println!("openai requests to {name}: absent");
        return;
    }
    let (mut said, mut refused) = (0, 0);
    for path in files(shared).iter().filter(|path| path.to_string_lossy().ends_with(".meta.json")) {
        let meta: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        for encoded in encode(&meta["request"]["body"]) {
            match encoded {
                Ok(encoded) => {
                    check(&encoded);
                    said += 1;
                }
                Err(unsayable) => {
                    assert!(!unsayable.param.is_empty() && !unsayable.message.is_empty());
                    refused += 1;
                }
            }
        }
    }
    assert!(said > refused);
    println!("openai requests to {name}: {said} said, {refused} refused");
}
