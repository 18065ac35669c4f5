//! Anthropic's Messages before any provider: what a client of it asks is answered in its own words, whoever serves it.

use nexus_store::{Store, repo::usage};
use nexus_testkit::{Mock, Options};
use serde_json::{Value, json};

use crate::{
    admin::{Api, platform_key},
    client::Answer,
    node::{Node, PROVIDER_KEY, Site, until},
};

/// Kinds that speak each another way, and where their endpoints are below the mock's address.
pub const KINDS: [(&str, &str); 5] = [
    ("custom", "/v1"),
    ("anthropic", "/v1"),
    ("gemini", "/v1beta"),
    ("cohere", "/v2"),
    ("ollama-native", ""),
];

fn row(name: &str, kind: &str, mock: &Mock, models: &[(&str, &str)]) -> String {
    let (_, path) = KINDS.into_iter().find(|(known, _)| *known == kind).unwrap();
    let endpoint = format!("http://{}{path}", mock.addr());
    let models: String = models
        .iter()
        .map(|(alias, real)| format!("      - {{ alias: \"{alias}\", real_name: \"{real}\" }}\n"))
        .collect();
    format!(
        "  - name: {name}\n    kind: {kind}\n    endpoint: \"{endpoint}\"\n    api_key: \"${{PROVIDER_KEY}}\"\n    allow_private_network: true\n    models:\n{models}"
    )
}

pub fn mocked(kind: &str, scripts: &[(&str, &str)]) -> (Mock, Site) {
    let mock = Mock::start(Options::default()).unwrap();
    let models: Vec<_> = [("model", "mock-model")].iter().chain(scripts).copied().collect();
    let site = Site::new(&row("vendor", kind, &mock, &models));
    (mock, site)
}

fn ask(model: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "say hello"}]})
}

fn post(node: &Node<'_>, path: &str, key: &str, body: &str) -> Answer {
    let headers = [
        ("x-api-key", key),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "context-1m-2025-08-07"),
        ("content-type", "application/json"),
    ];
    node.request("POST", path, &headers, body)
}

fn message(node: &Node<'_>, key: &str, body: &Value) -> Answer {
    post(node, "/v1/messages", key, &body.to_string())
}

/// The events of a stream, each named as its data says.
fn events(answer: &Answer) -> Vec<Value> {
    let frames = answer.text().split_terminator("\n\n").filter(|frame| !frame.starts_with(':'));
    let read = |frame: &str| {
        let (name, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
        data
    };
    frames.map(read).filter(|event| event["type"] != "ping").collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

/// The blocks of a streamed message.
fn assembled(events: &[Value]) -> Value {
    let mut blocks: Vec<Value> = Vec::new();
    for event in events {
        match event["type"].as_str().unwrap() {
            "content_block_start" => blocks.push(event["content_block"].clone()),
            "content_block_stop" if blocks.last().unwrap()["type"] == "tool_use" => {
                let of_it = |other: &&Value| other["index"] == event["index"];
                let pieces = events.iter().filter(of_it);
                let pieces: String =
                    pieces.filter_map(|event| event["delta"]["partial_json"].as_str()).collect();
                blocks.last_mut().unwrap()["input"] = serde_json::from_str(&pieces).unwrap();
            }
            _ => {}
        }
    }
    Value::from(blocks)
}

pub fn totals(site: &Site) -> usage::UsageTotals {
    let url = format!("sqlite://{}/nexus-data/nexus.db", site.path().display());
    Store::open(&url).unwrap().read_blocking(usage::totals).unwrap()
}

#[test]
fn a_message_is_answered_whole_and_streamed_whoever_serves_it_and_booked() {
    for (kind, _) in KINDS {
        let (mock, site) = mocked(kind, &[]);
        let (admin, (_, key)) = (platform_key(&site), site.key("app"));
        let node = site.start();
        let whole = message(&node, &key, &ask("model"));
        assert_eq!(whole.status, 200, "{kind}: {}", whole.text());
        assert!(whole.header("request-id").is_some_and(|id| Some(id) == whole.header("x-request-id")));
        let said = whole.json();
        assert_eq!((&said["type"], &said["role"]), (&json!("message"), &json!("assistant")), "{kind}");
        assert_eq!((&said["model"], &said["stop_reason"]), (&json!("model"), &json!("end_turn")), "{kind}");
        assert_eq!(said["content"][0]["text"], "You said: say hello", "{kind}");
        let mut body = ask("model");
        body["stream"] = json!(true);
        let streamed = message(&node, &key, &body);
        assert_eq!(streamed.header("content-type"), Some("text/event-stream; charset=utf-8"), "{kind}");
        let events = events(&streamed);
        let block = ["content_block_start", "content_block_delta", "content_block_stop"];
        let expected: Vec<_> =
            ["message_start"].into_iter().chain(block).chain(["message_delta", "message_stop"]).collect();
        assert_eq!(kinds(&events), expected, "{kind}");
        let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
        assert_eq!(text, "You said: say hello", "{kind}");
        assert_eq!(events[0]["message"]["model"], "model", "{kind}");
        let served = mock.oracle();
        let last = &events[events.len() - 2];
        for (usage, served) in [(&said["usage"], &served[0]), (&last["usage"], &served[1])] {
            assert_eq!(usage["output_tokens"], served.completion_tokens, "{kind}");
        }
        assert_eq!(said["usage"]["input_tokens"], served[0].prompt_tokens, "{kind}");
        let api = Api::new(&node, &admin);
        until("both are booked as messages", || {
            let rows = api.get("/usage?by=operation").json();
            (rows["rows"][0]["of"] == "messages" && rows["rows"][0]["attempts"] == 2).then_some(())
        });
        node.stop();
        let expected: u64 = served.iter().map(|served| served.prompt_tokens + served.completion_tokens).sum();
        let booked = totals(&site);
        assert_eq!((booked.attempts, booked.usage.tokens()), (2, expected), "{kind}");
    }
}

#[test]
fn to_a_vendor_that_speaks_it_the_request_goes_as_it_is_but_for_the_model() {
    let (mock, site) = mocked("anthropic", &[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let body = r#"{ "max_tokens": 1.0e2,"cache_control":{"type":"ephemeral"}, "model" :"model", "messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"},"of-the-future":[1.50]}]}]  }"#;
    // a number that is one to the vendor need not be one to everybody
    let refused = post(&node, "/v1/messages", &key, body);
    assert_eq!(refused.status, 400, "{}", refused.text());
    let body = body.replace("1.0e2", "100");
    let answer = post(&node, "/v1/messages?beta=true", &key, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = &mock.requests()[0];
    assert_eq!(sent.path, "/v1/messages");
    assert_eq!(
        std::str::from_utf8(&sent.body).unwrap(),
        body.replace("\"model\" :\"model\"", "\"model\" :\"mock-model\"")
    );
    assert_eq!(sent.header("x-api-key"), Some(PROVIDER_KEY));
    assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(sent.header("anthropic-beta"), Some("context-1m-2025-08-07"));
    // the vendor's own members of an answer come too
    let said = answer.json();
    assert!(said["usage"]["cache_creation"].is_object() && said["usage"]["service_tier"] == "standard");
    assert!(said["id"].as_str().unwrap().starts_with("msg_"));
}

#[test]
fn tools_are_called_and_their_results_taken() {
    let tools = json!([{"name": "clock", "input_schema":
        {"type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}}]);
    for (kind, _) in KINDS {
        let (mock, site) = mocked(kind, &[]);
        let (_, key) = site.key("app");
        let node = site.start();
        for is_stream in [false, true] {
            let mut body = ask("model");
            (body["tools"], body["stream"]) = (tools.clone(), json!(is_stream));
            let first = message(&node, &key, &body);
            assert_eq!(first.status, 200, "{kind}: {}", first.text());
            let content = match is_stream {
                false => first.json()["content"].clone(),
                true => assembled(&events(&first)),
            };
            let is_call = |block: &&Value| block["type"] == "tool_use";
            let call = content.as_array().unwrap().iter().find(is_call).unwrap();
            assert_eq!(
                (&call["name"], &call["input"]),
                (&json!("clock"), &json!({"zone": "text"})),
                "{kind}"
            );
            body["stream"] = json!(false);
            body["messages"] = json!([{"role": "user", "content": "what time is it?"},
                {"role": "assistant", "content": content},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "noon"}]}]);
            let second = message(&node, &key, &body);
            assert_eq!(second.status, 200, "{kind}: {}", second.text());
            let text = second.json()["content"][0]["text"].as_str().unwrap().to_owned();
            assert!(text.contains("You said"), "{kind}: {text}");
        }
        assert_eq!(mock.requests().len(), 4, "{kind}");
    }
}

#[test]
fn every_failure_is_told_in_the_vendor_s_shape() {
    let (_mock, site) = mocked(
        "custom",
        &[
            ("limited", "m+fault=status:429,retry_after_ms:1500"),
            ("busy", "m+fault=status:503"),
            ("broken", "m+fault=status:500"),
        ],
    );
    let yaml = std::fs::read_to_string(site.file("nexus.yaml")).unwrap();
    std::fs::write(site.file("nexus.yaml"), format!("server: {{ max_body_bytes: 4096 }}\n{yaml}")).unwrap();
    let (_, key) = site.key("app");
    let node = site.start();
    let large = ask("model").to_string().replace("say hello", &"x".repeat(5000));
    let with = |name: &str, value: Value| {
        let mut body = ask("model");
        body[name] = value;
        body.to_string()
    };
    for (what, path, shown, body, status, kind) in [
        ("a bad key", "/v1/messages", "nonsense", ask("model").to_string(), 401, "authentication_error"),
        ("an unknown model", "/v1/messages", &*key, ask("none").to_string(), 404, "not_found_error"),
        ("no JSON", "/v1/messages", &*key, "{".to_owned(), 400, "invalid_request_error"),
        ("no messages", "/v1/messages", &*key, with("messages", json!([])), 400, "invalid_request_error"),
        ("no limit", "/v1/messages", &*key, with("max_tokens", Value::Null), 400, "invalid_request_error"),
        ("too much", "/v1/messages", &*key, large, 413, "request_too_large"),
        (
            "a tool of the vendor's",
            "/v1/messages",
            &*key,
            with("tools", json!([{"type": "bash_20250124", "name": "b"}])),
            400,
            "invalid_request_error",
        ),
        ("no room", "/v1/messages", &*key, ask("busy").to_string(), 529, "overloaded_error"),
        ("a broken provider", "/v1/messages", &*key, ask("broken").to_string(), 502, "api_error"),
        ("another path", "/v1/messages/none", &*key, ask("model").to_string(), 404, "not_found_error"),
        (
            "no such model to count for",
            "/v1/messages/count_tokens",
            &*key,
            ask("none").to_string(),
            404,
            "not_found_error",
        ),
        // last: a key that is limited rests
        ("a limit", "/v1/messages", &*key, ask("limited").to_string(), 429, "rate_limit_error"),
    ] {
        let answer = post(&node, path, shown, &body);
        let said = answer.json();
        assert_eq!((answer.status, &said["error"]["type"]), (status, &json!(kind)), "{what}: {said}");
        assert_eq!(said["type"], "error", "{what}");
        assert!(said["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}");
        let id = answer.header("request-id").unwrap_or_else(|| panic!("{what}"));
        assert_eq!(said["request_id"], id, "{what}");
    }
    let other = node.request("GET", "/v1/messages", &[("x-api-key", &key)], "");
    assert_eq!((other.status, &other.json()["error"]["type"]), (405, &json!("invalid_request_error")));
}

#[test]
fn a_stream_that_breaks_ends_with_an_error_event_and_without_an_end() {
    for kind in ["custom", "anthropic"] {
        let (_mock, site) = mocked(
            kind,
            &[
                ("cut", "m+events=9+delay_ms=between:20+fault=cut_after_events:5"),
                ("error", "m+events=9+delay_ms=between:20+fault=error_event:5"),
            ],
        );
        let (_, key) = site.key("app");
        let node = site.start();
        for alias in ["cut", "error"] {
            let mut body = ask(alias);
            body["stream"] = json!(true);
            let answer = message(&node, &key, &body);
            let events = events(&answer);
            assert_eq!(events[0]["type"], "message_start", "{kind} {alias}");
            let last = events.last().unwrap();
            assert_eq!(last["type"], "error", "{kind} {alias}: {}", answer.text());
            assert!(last["error"]["message"].is_string(), "{kind} {alias}");
        }
        node.stop();
        assert_eq!(totals(&site).attempts, 2, "{kind}");
    }
}

#[test]
fn what_one_provider_cannot_serve_another_does_whatever_it_speaks() {
    for (first, second) in [("anthropic", "custom"), ("custom", "anthropic")] {
        let (broken, well) =
            (Mock::start(Options::default()).unwrap(), Mock::start(Options::default()).unwrap());
        let rows = [
            row("one", first, &broken, &[("model", "m+fault=status:500")]),
            row("two", second, &well, &[("model", "mock-model")]),
        ];
        let site = Site::new(&rows.concat());
        let (_, key) = site.key("app");
        let node = site.start();
        let mut body = ask("model");
        // many enough that each provider is asked first once
        for is_stream in [false, true].into_iter().cycle().take(24) {
            body["stream"] = json!(is_stream);
            let answer = message(&node, &key, &body);
            assert_eq!(answer.status, 200, "{first}: {}", answer.text());
            let text = match is_stream {
                false => answer.json()["content"][0]["text"].as_str().unwrap().to_owned(),
                true => events(&answer).iter().filter_map(|event| event["delta"]["text"].as_str()).collect(),
            };
            assert_eq!(text, "You said: say hello", "{first}");
        }
        assert!(!broken.requests().is_empty(), "{first}: the broken one was asked too");
    }
}

#[test]
fn what_was_promised_once_is_said_again_in_the_same_words() {
    for kind in ["custom", "anthropic"] {
        let (mock, site) = mocked(kind, &[]);
        let (_, key) = site.key("app");
        let node = site.start();
        for is_stream in [false, true] {
            let mut body = ask("model");
            body["stream"] = json!(is_stream);
            let name = format!("key-{is_stream}");
            let headers =
                [("x-api-key", &*key), ("content-type", "application/json"), ("idempotency-key", &*name)];
            let [one, two] =
                [(); 2].map(|()| node.request("POST", "/v1/messages", &headers, &body.to_string()));
            assert_eq!((one.status, one.text()), (200, two.text()), "{kind}");
            assert_eq!(two.header("idempotency-replayed"), Some("true"), "{kind}");
            body["metadata"] = json!({"user_id": "another"});
            let other = node.request("POST", "/v1/messages", &headers, &body.to_string());
            assert_eq!((other.status, &other.json()["type"]), (422, &json!("error")), "{kind}");
        }
        assert_eq!(mock.requests().len(), 2, "{kind}");
    }
}

#[test]
fn tokens_are_counted_without_asking_anybody() {
    let (mock, site) = mocked("custom", &[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let mut body = json!({"model": "model", "messages": [{"role": "user", "content": "say hello"}]});
    let count = |body: &Value| {
        let answer = post(&node, "/v1/messages/count_tokens", &key, &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.header("request-id").is_some());
        answer.json()["input_tokens"].as_u64().unwrap()
    };
    let short = count(&body);
    body["system"] = json!("you are a very patient clock that tells the time");
    let long = count(&body);
    body["tools"] =
        json!([{"name": "clock", "description": "the time of a zone", "input_schema": {"type": "object"}}]);
    assert!(0 < short && short < long && long < count(&body));
    assert!(mock.requests().is_empty());
}

#[test]
fn a_silent_stream_is_kept_open_with_pings_once_it_has_begun() {
    let (_mock, site) = mocked("custom", &[("slow", "m+events=3+delay_ms=first:10,between:400")]);
    let yaml = std::fs::read_to_string(site.file("nexus.yaml")).unwrap();
    let yaml = yaml.replace("first_byte_ms: 1500", "first_byte_ms: 1500, heartbeat_ms: 50");
    std::fs::write(site.file("nexus.yaml"), yaml).unwrap();
    let (_, key) = site.key("app");
    let node = site.start();
    let mut body = ask("slow");
    body["stream"] = json!(true);
    let answer = message(&node, &key, &body);
    assert!(answer.text().contains("event: ping\ndata: {\"type\": \"ping\"}\n\n"), "{}", answer.text());
    assert_eq!(events(&answer).last().unwrap()["type"], "message_stop");
}
