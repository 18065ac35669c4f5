//! What the mock answers on Anthropic's surface, whole and streamed, well and badly.
//!
//! Both forms of one answer must say the same and count the same, and look like recorded ones.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Answer, exchange};
use crate::speaks::mock;

fn post(body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: mock\r\nx-api-key: sk-ant-of-a-test\r\nanthropic-version: 2023-06-01\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn ask(model: &str, more: Value) -> Value {
    let mut body =
        json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn both(addr: SocketAddr, more: Value) -> [Answer; 2] {
    let mut streamed = ask("mock-claude", more.clone());
    streamed["stream"] = json!(true);
    [exchange(addr, &post(&ask("mock-claude", more))), exchange(addr, &post(&streamed))]
}

/// Text or arguments, stop reason, input and output tokens.
fn said(answer: &Answer) -> (String, Value, Value, Value) {
    if answer.body.starts_with('{') {
        let message = answer.json();
        let block = &message["content"][0];
        let text = block["text"].as_str().map_or_else(|| block["input"].to_string(), str::to_owned);
        let usage = &message["usage"];
        return (
            text,
            message["stop_reason"].clone(),
            usage["input_tokens"].clone(),
            usage["output_tokens"].clone(),
        );
    }
    let events = answer.events();
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    let piece = |event: &&Value| {
        let delta = &event["delta"];
        delta["text"].as_str().or(delta["partial_json"].as_str()).unwrap().to_owned()
    };
    let end = of("message_delta")[0];
    (
        of("content_block_delta").iter().map(piece).collect(),
        end["delta"]["stop_reason"].clone(),
        of("message_start")[0]["message"]["usage"]["input_tokens"].clone(),
        end["usage"]["output_tokens"].clone(),
    )
}

#[test]
fn both_forms_agree_on_what_is_said_and_counted() {
    let mock = mock();
    let tools = json!([{"name": "clock", "input_schema": {"type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}}]);
    let format = json!({"format": {"type": "json_schema", "schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 4}}}}});
    let cases = [
        (json!({}), "You said: hello", "end_turn", 7, 4),
        (json!({"system": [{"type": "text", "text": "be brief"}]}), "You said: hello", "end_turn", 12, 4),
        (json!({"max_tokens": 2}), "You said", "max_tokens", 7, 2),
        (json!({"stop_sequences": ["hel"]}), "You said: ", "end_turn", 7, 4),
        (json!({"tools": tools}), r#"{"zone":"text"}"#, "tool_use", 7, 9),
        (json!({"tools": tools, "tool_choice": {"type": "none"}}), "You said: hello", "end_turn", 7, 4),
        (json!({"output_config": format}), r#"{"n":4}"#, "end_turn", 7, 7),
    ];
    for (more, text, stop, input, output) in cases {
        for answer in both(mock.addr(), more.clone()) {
            assert_eq!((answer.status, answer.whole), (200, true), "{more}");
            assert_eq!(said(&answer), (text.to_owned(), json!(stop), json!(input), json!(output)), "{more}");
        }
    }
}

#[test]
fn every_event_is_named_and_message_stop_ends_the_stream_unless_the_script_says_otherwise() {
    let mock = mock();
    let names = |words: &str| {
        let answer = exchange(mock.addr(), &post(&ask(&format!("m{words}"), json!({"stream": true}))));
        let names: Vec<_> = answer.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        let types: Vec<_> = answer.events().iter().map(|event| event["type"].clone()).collect();
        assert_eq!(names, types);
        names.join(" ")
    };
    let begin = "message_start content_block_start ping content_block_delta";
    let end = "content_block_stop message_delta";
    assert_eq!(names("+events=1"), format!("{begin} {end} message_stop"));
    assert_eq!(names("+events=1+done=absent"), format!("{begin} {end}"));
    assert_eq!(names("+fault=error_event:4"), format!("{begin} error"));
    assert_eq!(names("+fault=cut_after_events:1"), "message_start");
}

#[test]
fn failures_have_the_surface_s_own_shape() {
    let mock = mock();
    let cases = [
        ("m+fault=status:529", 529, "overloaded_error", "529"),
        ("m+fault=status:429,retry_after:7", 429, "rate_limit_error", "429"),
        ("m+fault=200_error", 200, "api_error", "inside a 200"),
        ("m+fault=error_event:1", 500, "api_error", "error"),
        ("m+echo_key_401", 401, "authentication_error", "sk-ant-of-a-test"),
        ("m+nonsense", 400, "invalid_request_error", "`nonsense`: unknown word"),
    ];
    for (model, status, kind, message) in cases {
        let answer = exchange(mock.addr(), &post(&ask(model, json!({}))));
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["type"], &body["error"]["type"]),
            (status, &json!("error"), &json!(kind))
        );
        assert!(body["error"]["message"].as_str().unwrap().contains(message), "{body}");
        assert!(answer.header("request-id").is_some());
    }
}

#[test]
fn what_the_vendor_would_refuse_is_refused() {
    let mock = mock();
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let cases = [
        (json!({"max_tokens": null}), "max_tokens"),
        (json!({"n": 1}), "n: Extra inputs are not permitted"),
        (json!({"stream_options": {}}), "stream_options: Extra inputs"),
        (json!({"messages": []}), "at least one message"),
        (json!({"messages": [{"role": "system", "content": "x"}]}), "messages.0.role"),
        (json!({"messages": [{"role": "assistant", "content": "x"}]}), "messages.0.role"),
        (user(json!("")), "non-whitespace"),
        (user(json!([])), "non-whitespace"),
        (user(json!([{"type": "text", "text": " "}])), "non-whitespace"),
        (json!({"tool_choice": {"type": "auto"}}), "tool_choice"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"stream": "yes"}), "stream"),
    ];
    for (more, message) in cases {
        let answer = exchange(mock.addr(), &post(&ask("m", more.clone())));
        assert_eq!(answer.status, 400, "{more}");
        assert!(
            answer.json()["error"]["message"].as_str().unwrap().contains(message),
            "{more}: {}",
            answer.body
        );
    }
}

#[test]
fn a_served_message_has_a_line_with_the_id_the_client_saw() {
    let mock = mock();
    let [whole, streamed] = both(mock.addr(), json!({}));
    let ids = [whole.json()["id"].clone(), streamed.events()[0]["message"]["id"].clone()];
    let lines = mock.oracle();
    assert_eq!(ids, [json!(lines[0].id), json!(lines[1].id)]);
    assert!(lines.iter().all(|line| line.id.starts_with("msg_") && line.finished));
    assert_eq!((lines[0].prompt_tokens, lines[1].completion_tokens), (7, 4));
}

/// Each path in `value` with its kind of value.
pub(crate) fn paths(value: &Value, path: &str, seen: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Array(items) => {
            items.iter().for_each(|item| paths(item, &format!("{path}[]"), seen));
            "array"
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| paths(member, &format!("{path}.{name}"), seen));
            "object"
        }
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
    };
    seen.insert(format!("{path}: {kind}"));
}

#[test]
fn nothing_is_said_that_a_recorded_answer_does_not_say() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/anthropic"));
    if !folder.exists() {
        println!("anthropic recordings: absent");
        return;
    }
    let mock = mock();
    let [whole, streamed] = both(mock.addr(), json!({}));
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let text = read("messages-ping-toolres-tools-01.sse");
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = events.map(|data| serde_json::from_str(data).unwrap()).collect::<Vec<Value>>();
    let message = serde_json::from_str(&read("v-anthropic-text.json")).unwrap();
    for (ours, recorded) in [(vec![whole.json()], vec![message]), (streamed.events(), events)] {
        let (mut said, mut known) = (BTreeSet::new(), BTreeSet::new());
        ours.iter().for_each(|value| paths(value, "", &mut said));
        recorded.iter().for_each(|value| paths(value, "", &mut known));
        assert_eq!(said.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
    }
    println!("anthropic recordings: 2 ran");
}
