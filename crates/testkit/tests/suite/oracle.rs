//! The oracle says what was served: the ids, the tokens, and whether the end was reached.
//!
//! It is read the moment a client has seen the end: a line that came later would be a bug.

use std::io::Write as _;

use nexus_testkit::mock::Served;
use nexus_testkit::{Mock, Options};

use crate::client::{ask, bytes, connect, exchange};

const STREAM: &str = r#","stream":true,"stream_options":{"include_usage":true}"#;

#[test]
fn a_served_answer_is_in_the_file_when_its_end_is_seen_with_the_same_id_and_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("oracle.jsonl");
    let mock = Mock::start(Options { oracle_file: Some(file.clone()), ..Options::default() }).unwrap();
    let cases =
        [("m", ""), ("m", STREAM), ("m+events=30", STREAM), ("m+bytes=500", ""), ("m+usage=negative", "")];
    for (index, (model, more)) in cases.into_iter().enumerate() {
        let answer = exchange(mock.addr(), &ask(model, "你好 there", more));
        let last = if more.is_empty() { answer.json() } else { answer.events().pop().unwrap() };
        let lines = std::fs::read_to_string(&file).unwrap();
        let line: Served = serde_json::from_str(lines.lines().nth(index).unwrap()).unwrap();
        assert_eq!(last["id"], *line.id);
        assert_eq!((line.model.as_str(), line.stream, line.finished), (model, !more.is_empty(), true));
        if !model.contains("negative") {
            let usage = &last["usage"];
            assert_eq!(usage["prompt_tokens"], line.prompt_tokens);
            assert_eq!(usage["completion_tokens"], line.completion_tokens);
        }
        assert_eq!(mock.oracle().last(), Some(&line));
    }
}

#[test]
fn a_cut_answer_is_unfinished_with_the_tokens_that_were_sent() {
    let mock = Mock::start(Options::default()).unwrap();
    // the first event is the role's
    let cases = [("cut_after_events:3", 2), ("cut_after_events:1,with:rst", 0), ("error_event:2", 1)];
    for (fault, tokens) in cases {
        exchange(mock.addr(), &ask(&format!("m+events=9+fault={fault}"), "hi", STREAM));
        let line = mock.oracle().pop().unwrap();
        assert_eq!((line.finished, line.completion_tokens), (false, tokens), "{fault}");
    }
}

#[test]
fn a_stream_whose_client_leaves_is_unfinished_with_the_tokens_that_were_sent() {
    let mock = Mock::start(Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for words in ["fault=hang_after:4", "burst=4+delay_ms=between:600000"] {
        let mut stream = connect(mock.addr());
        stream.write_all(ask(&format!("m+events=9+{words}"), "hi", STREAM).as_bytes()).unwrap();
        let mut seen = String::new();
        while seen.matches("data: ").count() < 4 {
            seen.push(char::from(bytes(&mut stream, 1)[0]));
        }
        let before = mock.counts().cancelled;
        drop(stream);
        runtime.block_on(mock.until(|counts| counts.cancelled > before));
        let line = mock.oracle().pop().unwrap();
        assert_eq!((line.finished, line.completion_tokens), (false, 3), "{words}");
        assert!(seen.contains(&line.id));
    }
}

#[test]
fn an_answer_without_a_completion_has_no_line() {
    let mock = Mock::start(Options::default()).unwrap();
    for fault in ["status:500", "html", "200_error", "empty"] {
        exchange(mock.addr(), &ask(&format!("m+fault={fault}"), "hi", ""));
    }
    exchange(mock.addr(), "GET /v1/models HTTP/1.1\r\n\r\n");
    assert_eq!(mock.oracle(), []);
}
