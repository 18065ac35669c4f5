//! OpenAI's Responses before any provider: items in, items out, whoever serves them.

mod kept;

use nexus_testkit::{Mock, Options};
use serde_json::{Value, json};

use crate::{
    client::Answer,
    node::{Node, Site},
};

fn mocked(kind: &str, path: &str, scripts: &[(&str, &str)]) -> (Mock, Site) {
    let mock = Mock::start(Options::default()).unwrap();
    let endpoint = format!("http://{}{path}", mock.addr());
    let models: String = [("model", "mock-model")]
        .iter()
        .chain(scripts)
        .map(|(alias, real)| format!("      - {{ alias: \"{alias}\", real_name: \"{real}\" }}\n"))
        .collect();
    let site = Site::new(&format!(
        "  - name: vendor\n    kind: {kind}\n    endpoint: \"{endpoint}\"\n    api_key: \"${{PROVIDER_KEY}}\"\n    allow_private_network: true\n    models:\n{models}"
    ));
    (mock, site)
}

fn post(node: &Node<'_>, key: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    node.request("POST", "/v1/responses", &headers, body)
}

/// The events of a stream, each named as its data says and numbered without gaps.
fn events(answer: &Answer) -> Vec<Value> {
    let frames = answer.text().split_terminator("\n\n").filter(|frame| !frame.starts_with(':'));
    let read = |(at, frame): (usize, &str)| {
        let (name, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
        assert_eq!(data["sequence_number"], at);
        data
    };
    frames.enumerate().map(read).collect()
}

const KINDS: [(&str, &str); 3] = [("custom", "/v1"), ("anthropic", "/v1"), ("gemini", "/v1beta")];

#[test]
fn a_response_is_given_whole_and_streamed_whoever_serves_it() {
    for (kind, path) in KINDS {
        let (mock, site) = mocked(kind, path, &[]);
        let (_, key) = site.key("app");
        let node = site.start();
        let whole = post(&node, &key, r#"{"model":"model","input":"say hello","instructions":"be brief"}"#);
        assert_eq!(whole.status, 200, "{kind}: {}", whole.text());
        let said = whole.json();
        assert_eq!((&said["object"], &said["status"]), (&json!("response"), &json!("completed")), "{kind}");
        assert_eq!((&said["model"], &said["instructions"]), (&json!("model"), &json!("be brief")), "{kind}");
        assert_eq!(said["output"][0]["content"][0]["text"], "You said: say hello", "{kind}");
        assert_eq!(said["usage"]["output_tokens"], mock.oracle()[0].completion_tokens, "{kind}");
        let streamed = post(&node, &key, r#"{"model":"model","input":"say hello","stream":true}"#);
        let events = events(&streamed);
        let mut kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        kinds.dedup();
        let expected = [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ];
        assert_eq!(kinds, expected, "{kind}");
        assert!(!streamed.text().contains("[DONE]"), "{kind}");
        let last = &events.last().unwrap()["response"];
        assert_eq!(last["output"][0]["content"][0]["text"], "You said: say hello", "{kind}");
        assert_eq!(last["usage"]["output_tokens"], mock.oracle()[1].completion_tokens, "{kind}");
    }
}

#[test]
fn a_function_is_called_and_its_output_taken() {
    let tools = json!([{"type": "function", "name": "clock", "parameters":
        {"type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}}]);
    for (kind, path) in KINDS {
        let (_mock, site) = mocked(kind, path, &[]);
        let (_, key) = site.key("app");
        let node = site.start();
        let body = json!({"model": "model", "input": "what time is it?", "tools": tools});
        let first = post(&node, &key, &body.to_string());
        assert_eq!(first.status, 200, "{kind}: {}", first.text());
        let output = first.json()["output"].as_array().unwrap().clone();
        let call = output.iter().find(|item| item["type"] == "function_call").unwrap();
        assert_eq!(
            (&call["name"], &call["arguments"]),
            (&json!("clock"), &json!(r#"{"zone":"text"}"#)),
            "{kind}"
        );
        let result = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "noon"});
        let mut input = vec![json!({"role": "user", "content": "what time is it?"})];
        input.extend(output.iter().cloned().chain([result]));
        let second =
            post(&node, &key, &json!({"model": "model", "input": input, "tools": tools}).to_string());
        assert_eq!(second.status, 200, "{kind}: {}", second.text());
        assert_eq!(second.json()["output"][0]["type"], "message", "{kind}");
    }
}

#[test]
fn to_openai_itself_the_request_goes_as_it_is_but_for_the_model() {
    let (mock, site) = mocked("openai", "/v1", &[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let body = r#"{ "input" :"hi","of-the-future":[1.50], "model":"model" }"#;
    post(&node, &key, body);
    let sent = &mock.requests()[0];
    assert_eq!(sent.path, "/v1/responses");
    assert_eq!(
        std::str::from_utf8(&sent.body).unwrap(),
        body.replace("\"model\":\"model\"", "\"model\":\"mock-model\"")
    );
}

#[test]
fn what_cannot_be_had_is_refused_by_name_and_what_breaks_says_so() {
    let (mock, site) =
        mocked("custom", "/v1", &[("cut", "m+events=9+delay_ms=between:20+fault=cut_after_events:5")]);
    let (_, key) = site.key("app");
    let node = site.start();
    for (body, status, param) in [
        (r#"{"model":"model","input":"hi","previous_response_id":"resp_1"}"#, 404, "id"),
        (r#"{"model":"model","input":"hi","conversation":"conv_1"}"#, 404, "id"),
        (r#"{"model":"model","input":"hi","background":true}"#, 400, "background"),
        (r#"{"model":"model","input":"hi","tools":[{"type":"custom","name":"c"}]}"#, 400, "tools[0].type"),
        (r#"{"model":"model"}"#, 400, "input"),
        (r#"{"model":"none","input":"hi"}"#, 404, "model"),
    ] {
        let answer = post(&node, &key, body);
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (status, &json!(param)), "{body}");
    }
    assert!(mock.requests().is_empty());
    let events = events(&post(&node, &key, r#"{"model":"cut","input":"hi","stream":true}"#));
    let last: Vec<&Value> = events.iter().rev().take(2).map(|event| &event["type"]).collect();
    assert_eq!(last, ["response.failed", "error"]);
}
