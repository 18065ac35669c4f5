//! What the mock answers to honest requests, whole and streamed.
//!
//! Both forms of one answer must say the same and count the same.

use std::io::Write as _;
use std::net::SocketAddr;

use nexus_testkit::{Mock, Options};
use serde_json::{Value, json};

use crate::client::{Answer, ask, connect, exchange, post, read};

pub(crate) fn mock() -> Mock {
    Mock::start(Options::default()).unwrap()
}

/// The same request whole and streamed.
fn both(addr: SocketAddr, text: &str, more: &str) -> [Answer; 2] {
    let stream = format!(r#"{more},"stream":true,"stream_options":{{"include_usage":true}}"#);
    [exchange(addr, &ask("mock-gpt", text, more)), exchange(addr, &ask("mock-gpt", text, &stream))]
}

/// The usage and the finish reasons, wherever they stand.
fn end(answer: &Answer) -> (Value, Vec<Value>) {
    let bodies = if answer.body.starts_with('{') { vec![answer.json()] } else { answer.events() };
    let usage = bodies.last().unwrap()["usage"].clone();
    let choices = bodies.iter().flat_map(|body| body["choices"].as_array().unwrap());
    (
        usage,
        choices.map(|choice| choice["finish_reason"].clone()).filter(|reason| !reason.is_null()).collect(),
    )
}

#[test]
fn text_echoes_the_prompt_and_both_forms_agree_on_text_usage_and_finish() {
    let mock = mock();
    let cases = [
        ("hello", "", "You said: hello", 4, 8, "stop"),
        ("你好,世界", "", "You said: 你好,世界", 9, 11, "stop"),
        ("\"\n\\\u{1f600}", "", "You said: \"\n\\\u{1f600}", 8, 10, "stop"),
        ("hello", r#","max_tokens":2"#, "You said", 2, 8, "length"),
        ("hello", r#","max_tokens":2,"max_completion_tokens":3"#, "You said:", 3, 8, "length"),
        ("hello", r#","stop":"hel""#, "You said: ", 4, 8, "stop"),
        ("hello", r#","stop":["x","said"],"max_tokens":null"#, "You ", 2, 8, "stop"),
    ];
    for (prompt, more, text, completion, before, finish) in cases {
        for answer in both(mock.addr(), prompt, more) {
            assert_eq!((answer.status, answer.whole), (200, true), "{prompt} {more}");
            assert_eq!(answer.text(0), text, "{prompt} {more}");
            let (usage, reasons) = end(&answer);
            assert_eq!(reasons, [finish], "{prompt} {more}");
            let counted = (usage["completion_tokens"].as_u64(), usage["total_tokens"].as_u64());
            let prompt_tokens = usage["prompt_tokens"].as_u64().unwrap();
            assert_eq!(counted, (Some(completion), Some(completion + prompt_tokens)), "{prompt} {more}");
            assert!(prompt_tokens <= before + 3, "{prompt}: {prompt_tokens}");
        }
    }
}

#[test]
fn each_of_n_choices_has_its_index_its_mark_and_its_end() {
    let mock = mock();
    for answer in both(mock.addr(), "hi", r#","n":3"#) {
        let texts: Vec<_> = (0..3).map(|choice| answer.text(choice)).collect();
        assert_eq!(texts, ["You said: hi", "[1] You said: hi", "[2] You said: hi"]);
        assert_eq!(end(&answer).1, ["stop", "stop", "stop"]);
    }
}

const TOOLS: &str = r#","tools":[
    {"type":"function","function":{"name":"weather","parameters":{"type":"object","required":["city","days"],
        "properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":2},"unit":{"type":"string"}}}}},
    {"type":"function","function":{"name":"clock"}}]"#;

#[test]
fn a_question_with_tools_calls_one_with_its_required_arguments_in_pieces() {
    let mock = mock();
    let cases = [
        ("", "weather", json!({"city": "text", "days": 2})),
        (r#","tool_choice":{"type":"function","function":{"name":"clock"}}"#, "clock", json!({})),
    ];
    for (choice, name, arguments) in cases {
        let [whole, streamed] = both(mock.addr(), "how is it?", &format!("{TOOLS}{choice}"));
        let message = &whole.json()["choices"][0]["message"];
        let call = &message["tool_calls"][0];
        assert!(message["content"].is_null());
        assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!(name)));
        let said: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(said, arguments);
        let deltas: Vec<_> = streamed
            .events()
            .iter()
            .map(|event| event["choices"][0]["delta"]["tool_calls"][0].clone())
            .collect();
        let calls: Vec<_> = deltas.iter().filter(|delta| !delta.is_null()).collect();
        assert_eq!(calls[0]["function"], json!({"name": name, "arguments": ""}));
        assert!(calls[0]["id"].as_str().unwrap().starts_with("call_"));
        let pieces: String =
            calls.iter().map(|call| call["function"]["arguments"].as_str().unwrap()).collect();
        assert_eq!(serde_json::from_str::<Value>(&pieces).unwrap(), arguments);
        for answer in [whole, streamed] {
            assert_eq!(end(&answer).1, ["tool_calls"]);
        }
    }
}

#[test]
fn a_tool_result_and_a_refused_choice_are_answered_with_text() {
    let mock = mock();
    let none = exchange(mock.addr(), &ask("mock-gpt", "hi", &format!(r#"{TOOLS},"tool_choice":"none""#)));
    assert_eq!(none.text(0), "You said: hi");
    let turns = r#"{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":null,
        "tool_calls":[{"id":"c","type":"function","function":{"name":"clock","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"c","content":"noon"}"#;
    let body = format!(r#"{{"model":"mock-gpt","messages":[{turns}]{TOOLS}}}"#);
    assert_eq!(exchange(mock.addr(), &post(&body)).text(0), "You said: hi");
}

#[test]
fn a_structured_answer_satisfies_its_schema() {
    let mock = mock();
    let schema = r#","response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object",
        "required":["n"],"properties":{"n":{"type":"integer","minimum":4}}}}}"#;
    let cases = [
        (schema, json!({"n": 4})),
        (r#","response_format":{"type":"json_object"}"#, json!({"text": "You said: hi"})),
    ];
    for (format, expected) in cases {
        for answer in both(mock.addr(), "hi", format) {
            assert_eq!(serde_json::from_str::<Value>(&answer.text(0)).unwrap(), expected);
        }
    }
}

#[test]
fn bad_requests_are_refused_with_the_member_at_fault() {
    let mock = mock();
    let cases = [
        (post("not json"), 400, Value::Null, "the body is no JSON"),
        (post(r#"{"messages":[{}]}"#), 400, json!("model"), "model parameter"),
        (post(r#"{"model":"m","messages":[]}"#), 400, json!("messages"), "at least one"),
        (ask("m", "", r#","stream":"yes""#), 400, json!("stream"), "boolean"),
        (ask("m", "", r#","stream_options":{}"#), 400, json!("stream_options"), "only allowed"),
        (ask("m", "", r#","n":0"#), 400, json!("n"), "from 1 to 128"),
        (ask("m", "", r#","stop":3"#), 400, json!("stop"), "4 strings"),
        (ask("m", "", r#","max_tokens":-1"#), 400, json!("max_tokens"), "positive"),
        (ask("m+nonsense", "", ""), 400, json!("model"), "`nonsense`: unknown word"),
        ("GET /v1/nothing HTTP/1.1\r\n\r\n".to_owned(), 404, Value::Null, "Invalid URL (GET /v1/nothing)"),
        ("GET /v1 HTTP/1.0\r\n\r\n".to_owned(), 400, Value::Null, "only HTTP/1.1"),
    ];
    for (request, status, param, message) in cases {
        let answer = exchange(mock.addr(), &request);
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["param"]), (status, &param), "{request}");
        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
    }
}

#[test]
fn models_are_listed_and_shown_one_by_one() {
    let mock = mock();
    let list = exchange(mock.addr(), "GET /v1/models HTTP/1.1\r\n\r\n").json();
    assert_eq!((&list["object"], &list["data"][0]["id"]), (&json!("list"), &json!("mock-gpt")));
    let one = exchange(mock.addr(), "GET /v1/models/mock-gpt-mini HTTP/1.1\r\n\r\n").json();
    assert_eq!((&one["object"], &one["id"]), (&json!("model"), &json!("mock-gpt-mini")));
}

#[test]
fn one_connection_serves_pipelined_and_chunked_requests_in_order_each_with_its_own_id() {
    let mock = mock();
    let mut stream = connect(mock.addr());
    let halves = [r#"{"model":"m","messages":[{"role""#, r#":"user","content":"two"}]}"#];
    let chunks: String = halves.iter().map(|half| format!("{:x}\r\n{half}\r\n", half.len())).collect();
    let chunked = format!(
        "POST /v1/chat/completions?api-version=1 HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{chunks}0\r\n\r\n"
    );
    stream
        .write_all(
            format!("{}{}{chunked}", ask("m", "one", ""), ask("m", "one", r#","stream":true"#)).as_bytes(),
        )
        .unwrap();
    let answers = [read(&mut stream), read(&mut stream), read(&mut stream)];
    assert_eq!(
        [answers[0].text(0), answers[1].text(0), answers[2].text(0)],
        ["You said: one", "You said: one", "You said: two"]
    );
    let ids = [
        answers[0].json()["id"].clone(),
        answers[1].events()[0]["id"].clone(),
        answers[2].json()["id"].clone(),
    ];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    assert!(ids.iter().all(|id| id.as_str().unwrap().len() == "chatcmpl-".len() + 29), "{ids:?}");
    assert_eq!(crate::client::bytes(&mut stream, 1), b"", "`connection: close` is obeyed");
}

#[test]
fn a_client_that_waits_for_a_continue_gets_it() {
    let mock = mock();
    let mut stream = connect(mock.addr());
    let request = ask("m", "late", "").replace("content-length", "expect: 100-continue\r\ncontent-length");
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(read(&mut stream).status, 100);
    stream.write_all(body.as_bytes()).unwrap();
    assert_eq!(read(&mut stream).text(0), "You said: late");
}

#[test]
fn requests_are_remembered_as_they_came_up_to_the_limit() {
    let mock = Mock::start(Options { remember: 2, ..Options::default() }).unwrap();
    for text in ["one", "two", "three"] {
        exchange(mock.addr(), &ask("m", text, ""));
    }
    let requests = mock.requests();
    let bodies: Vec<_> =
        requests.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    assert!(bodies.len() == 2 && bodies[0].contains("two") && bodies[1].contains("three"), "{bodies:?}");
    assert_eq!(requests[1].header("Authorization"), Some("Bearer sk-of-a-test"));
    assert_eq!((requests[1].method.as_str(), requests[1].path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!((mock.counts().requests, mock.counts().connections, mock.counts().finished), (3, 3, 3));
    let addr = mock.addr();
    mock.stop();
    assert!(std::net::TcpStream::connect(addr).is_err(), "a stopped mock is gone");
}
