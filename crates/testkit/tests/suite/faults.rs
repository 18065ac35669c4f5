//! The words of the script that break an answer, and how a client sees each.
//!
//! A fault must show on the wire exactly as told: a gentler one would prove nothing about the gateway.

use std::io::{Read as _, Write as _};

use nexus_testkit::Mock;
use serde_json::{Value, json};

use crate::client::{Answer, ask, bytes, connect, exchange, read};
use crate::speaks::mock;

const STREAM: &str = r#","stream":true"#;

fn failing(mock: &Mock, words: &str, more: &str) -> Answer {
    exchange(mock.addr(), &ask(&format!("mock-gpt+{words}"), "hi", more))
}

#[test]
fn statuses_come_in_the_shape_of_openai_with_their_headers() {
    let mock = mock();
    let cases = [
        (
            "fault=status:429,retry_after:7",
            429,
            Some("7"),
            None,
            json!("requests"),
            json!("rate_limit_exceeded"),
        ),
        (
            "fault=status:429,code:insufficient_quota",
            429,
            None,
            None,
            json!("requests"),
            json!("insufficient_quota"),
        ),
        ("fault=status:503,retry_after_ms:70", 503, None, Some("70"), json!("server_error"), Value::Null),
        ("fault=status:529", 529, None, None, json!("overloaded_error"), Value::Null),
        ("fault=status:404", 404, None, None, json!("invalid_request_error"), json!("model_not_found")),
        ("fault=200_error", 200, None, None, json!("server_error"), json!("internal_error")),
    ];
    for (words, status, seconds, ms, kind, code) in cases {
        for more in ["", STREAM] {
            let answer = failing(&mock, words, more);
            let error = &answer.json()["error"];
            assert_eq!((answer.status, &error["type"], &error["code"]), (status, &kind, &code), "{words}");
            assert_eq!(
                (answer.header("retry-after"), answer.header("retry-after-ms")),
                (seconds, ms),
                "{words}"
            );
        }
    }
}

#[test]
fn a_page_and_an_echoed_key_come_as_vendors_send_them() {
    let mock = mock();
    for (words, status) in [("fault=html", 502), ("fault=html,status:200", 200)] {
        let answer = failing(&mock, words, "");
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("text/html; charset=utf-8"))
        );
        assert!(answer.body.starts_with("<html>"));
    }
    let refused = failing(&mock, "echo_key_401", "");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    assert!(refused.body.contains("sk-of-a-test"));
}

#[test]
fn a_stream_is_cut_after_exactly_as_many_events_and_never_looks_whole() {
    let mock = mock();
    for how in ["", ",with:rst"] {
        for events in [0, 1, 3] {
            let answer = failing(&mock, &format!("fault=cut_after_events:{events}{how}"), STREAM);
            assert_eq!((answer.status, answer.whole, answer.events().len()), (200, false, events), "{how}");
        }
        let whole = failing(&mock, &format!("fault=cut_after_events:3{how}"), "");
        let promised: usize = whole.header("content-length").unwrap().parse().unwrap();
        assert_eq!((whole.whole, whole.body.len()), (false, promised / 2));
    }
}

#[test]
fn a_cut_with_rst_is_a_reset_and_one_without_an_orderly_end() {
    let mock = mock();
    for (how, reset) in [("", false), (",with:rst", true)] {
        let mut stream = connect(mock.addr());
        stream.write_all(ask(&format!("m+fault=cut_after_events:1{how}"), "hi", STREAM).as_bytes()).unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).is_err(), reset, "{how}");
    }
}

#[test]
fn an_empty_answer_closes_without_a_byte() {
    let answer = failing(&mock(), "fault=empty", "");
    assert_eq!((answer.status, answer.head.as_str()), (0, ""));
}

#[test]
fn an_error_event_ends_the_stream_in_order_without_done() {
    let mock = mock();
    let answer = failing(&mock, "fault=error_event:2", STREAM);
    assert!(answer.whole);
    let events = answer.events();
    assert_eq!((events.len(), answer.data().len()), (3, 3));
    assert_eq!(events[2]["error"]["type"], "server_error");
    assert_eq!(failing(&mock, "fault=error_event:2", "").status, 500);
}

#[test]
fn a_hang_lasts_until_the_client_leaves_and_is_counted_then() {
    let mock = mock();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cases = [
        ("fault=hang_before_head", STREAM, 0),
        ("fault=hang_after:3", STREAM, 3),
        ("fault=hang_after:0", STREAM, 0),
        ("delay_ms=first:600000", "", 0),
        ("events=9+burst=4+delay_ms=between:600000", STREAM, 4),
    ];
    for (index, (words, more, events)) in cases.into_iter().enumerate() {
        let mut stream = connect(mock.addr());
        stream.write_all(ask(&format!("m+{words}"), "hi", more).as_bytes()).unwrap();
        let mut seen = String::new();
        while seen.matches("data: ").count() < events {
            seen.push(char::from(bytes(&mut stream, 1)[0]));
        }
        drop(stream);
        let counts = runtime.block_on(mock.until(|counts| counts.cancelled == index as u64 + 1));
        assert_eq!((counts.requests, counts.finished), (index as u64 + 1, 0), "{words}");
        runtime.block_on(mock.until(|counts| counts.open_connections == 0));
    }
}

#[test]
fn a_whole_answer_hangs_half_way() {
    let mock = mock();
    let mut stream = connect(mock.addr());
    stream.write_all(ask("m+fault=hang_after:1", "hi", "").as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = read(&mut stream);
    assert!(!answer.whole && answer.body.starts_with(r#"{"id":"chatcmpl-"#));
}
