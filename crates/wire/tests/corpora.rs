//! Suites of others: what a body reader and a frame splitter meet in the world.
//! They are run where they lie; without them the crate's own cases stand alone.

#![cfg(test)]

use std::{fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use nexus_wire::{
    chat::ChatRequest,
    completion::{Completion, Generated},
    sse::decode::FrameDecoder,
};
use serde_json::Value;

/// The suite's folder, if it is there.
fn suite(path: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(path);
    if !folder.exists() {
        println!("{path}: absent, no cases run");
    }
    folder.exists().then_some(folder)
}

#[test]
fn bodies_of_the_json_suite_are_taken_or_refused_as_it_says() {
    let Some(folder) = suite("corpora/jsontestsuite/test_parsing") else { return };
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let value = fs::read(&path).unwrap();
        let alone = ChatRequest::read(&value).expect_err(&name).message;
        let body = [&b"{\"model\":\"m\",\"messages\":[],\"x\":"[..], &value, b"}"].concat();
        let inside = ChatRequest::read(&body);
        let completion =
            std::str::from_utf8(&value).map(|text| Completion::read(text, &mut Generated::new(99)).is_ok());
        match name.get(..2) {
            Some("y_") => {
                assert!(
                    alone.contains("messages") || alone.contains("must be a JSON object"),
                    "{name}: {alone}"
                );
                assert!(inside.is_ok(), "{name}: {inside:?}");
                assert_eq!(completion, Ok(true), "{name}");
            }
            Some("n_") => {
                assert!(
                    alone.contains("JSON") || alone.contains("UTF-8") || alone.contains("deeper"),
                    "{name}: {alone}"
                );
                assert_ne!(completion, Ok(true), "{name}");
            }
            _ => {}
        }
        count += 1;
    }
    assert!(count > 300);
    println!("jsontestsuite: {count} cases");
}

#[test]
fn frames_of_the_stream_suite_are_what_it_says() {
    let Some(path) = suite("corpora/own/sse_cases.json") else { return };
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    for case in &cases {
        let body = BASE64_STANDARD.decode(case["bytes_b64"].as_str().unwrap()).unwrap();
        for piece_bytes in [1, 2, 3, body.len()] {
            let mut decoder = FrameDecoder::default();
            let mut data = Vec::new();
            for piece in body.chunks(piece_bytes) {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    data.push(Value::from(String::from_utf8(frame.data.to_vec()).unwrap()));
                }
            }
            match &case["expected"] {
                Value::Array(expected) => assert_eq!(&data, expected, "{} by {piece_bytes}", case["name"]),
                Value::Number(count) => {
                    assert_eq!(Some(data.len() as u64), count.as_u64(), "{}", case["name"])
                }
                _ => assert!(!data.is_empty(), "{}", case["name"]),
            }
        }
    }
    println!("sse_cases: {} cases", cases.len());
}
