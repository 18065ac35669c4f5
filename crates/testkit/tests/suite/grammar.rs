//! The words of the script that shape an answer without breaking it.
//!
//! Each is checked through the model's name, as it survives a gateway.

use nexus_testkit::{Mock, Options};
use serde_json::json;

use crate::client::{Answer, ask, exchange};
use crate::speaks::mock;

const STREAM: &str = r#","stream":true"#;
const WITH_USAGE: &str = r#","stream":true,"stream_options":{"include_usage":true}"#;

fn streamed(mock: &Mock, words: &str, more: &str) -> Answer {
    let answer = exchange(mock.addr(), &ask(&format!("mock-gpt+{words}"), "hi", more));
    assert_eq!((answer.status, answer.whole), (200, true), "{words}");
    answer
}

#[test]
fn the_answer_names_a_dated_model_without_the_words() {
    assert_eq!(streamed(&mock(), "events=3", "").json()["model"], "mock-gpt-2026-01-01");
}

#[test]
fn events_and_bytes_set_the_length_and_burst_the_writes() {
    let mock = mock();
    // a role, the content, a finish and `[DONE]` make three events beside the content's
    for (words, bytes, events, writes) in [
        ("events=40", None, 43, 43),
        ("events=40+bytes=2000", Some(2000), 43, 43),
        ("events=5+burst=4", None, 8, 2),
        ("events=2+burst=100", None, 5, 1),
    ] {
        let answer = streamed(&mock, words, STREAM);
        assert_eq!((answer.data().len(), answer.chunks.len()), (events, writes), "{words}");
        assert!(bytes.is_none_or(|bytes| answer.text(0).len() == bytes), "{words}");
    }
    assert_eq!(streamed(&mock, "bytes=2000", "").text(0).len(), 2000);
    assert_eq!(streamed(&mock, "events=40", "").json()["usage"]["completion_tokens"], 40);
}

#[test]
fn usage_is_absent_wrong_or_repeated_as_told() {
    let mock = mock();
    let whole = |words| streamed(&mock, words, "").json()["usage"].clone();
    assert_eq!(whole("usage=absent"), json!(null));
    assert_eq!(whole("usage=negative")["completion_tokens"], -1);
    assert_eq!(whole("usage=huge")["completion_tokens"], i64::MAX - 7);
    let usages = |words, more| -> Vec<_> {
        let events = streamed(&mock, words, more).events();
        events.iter().map(|event| event["usage"]["completion_tokens"].clone()).collect()
    };
    let null = json!(null);
    assert_eq!(usages("events=1", WITH_USAGE), [null.clone(), null.clone(), null.clone(), json!(1)]);
    assert_eq!(usages("events=1", STREAM), [null.clone(), null.clone(), null.clone()]);
    assert_eq!(usages("events=1+usage=absent", WITH_USAGE), [null.clone(), null.clone(), null]);
    assert_eq!(usages("events=2+usage=cumulative", STREAM), [json!(0), json!(1), json!(2), json!(2)]);
    assert_eq!(usages("events=1+usage=negative", WITH_USAGE).pop(), Some(json!(-1)));
}

#[test]
fn frames_have_comments_line_ends_and_marks_as_told() {
    let mock = mock();
    let comments = streamed(&mock, "events=3+comment=every:2", STREAM);
    assert_eq!(comments.body.matches(": OPENROUTER PROCESSING\n\n").count(), 2);
    let crlf = streamed(&mock, "events=1+crlf", STREAM).body;
    assert_eq!((crlf.matches("\r\n\r\n").count(), crlf.matches('\n').count()), (4, 8));
    assert!(streamed(&mock, "bom", STREAM).body.starts_with("\u{feff}data: "));
    assert_eq!(streamed(&mock, "", STREAM).data().last(), Some(&"[DONE]"));
    assert!(!streamed(&mock, "done=absent", STREAM).body.contains("[DONE]"));
}

#[test]
fn obfuscation_is_left_out_on_request() {
    let mock = mock();
    let with = streamed(&mock, "", STREAM).events();
    assert!(with.iter().all(|event| event["obfuscation"].is_string()));
    let off = r#","stream":true,"stream_options":{"include_obfuscation":false}"#;
    assert!(streamed(&mock, "", off).events().iter().all(|event| event.get("obfuscation").is_none()));
}

#[test]
fn a_stream_may_be_answered_whole() {
    let answer = streamed(&mock(), "json_for_stream", STREAM);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["object"], "chat.completion");
}

#[test]
fn a_mock_has_a_script_for_models_without_words_which_can_change() {
    let mock = Mock::start(Options { script: "fault=status:503".to_owned(), ..Options::default() }).unwrap();
    let status = |model| exchange(mock.addr(), &ask(model, "hi", "")).status;
    assert_eq!([status("m"), status("m+events=1")], [503, 200], "own words go before");
    mock.set_script("").unwrap();
    assert_eq!(status("m"), 200);
    assert!(mock.set_script("nonsense").is_err());
    assert_eq!(status("m"), 200);
    let refused = Mock::start(Options { script: "nonsense".to_owned(), ..Options::default() });
    assert!(refused.is_err_and(|why| why.to_string().contains("`nonsense`: unknown word")));
}
