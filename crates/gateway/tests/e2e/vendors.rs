//! Azure, Cohere and Ollama behind an alias: what an OpenAI client asks reaches each in its words, and
//! comes back.

use nexus_testkit::{Mock, Options};
use serde_json::{Value, json};

use crate::node::{Node, PROVIDER_KEY, Site, ask, ask_stream};

/// A kind, and where its endpoint is below the mock's address.
const KINDS: [(&str, &str); 3] = [("azure", ""), ("cohere", "/v2"), ("ollama-native", "")];

/// A mock of the vendor's behind the alias `model`, and behind an alias for each script.
fn mocked(kind: &str, scripts: &[(&str, &str)]) -> (Mock, Site) {
    let mock = Mock::start(Options::default()).unwrap();
    let models: String = [("model", "mock-model")]
        .iter()
        .chain(scripts)
        .map(|(alias, real)| format!("      - {{ alias: \"{alias}\", real_name: \"{real}\" }}\n"))
        .collect();
    let (_, path) = KINDS.into_iter().find(|(known, _)| *known == kind).unwrap();
    let endpoint = format!("http://{}{path}", mock.addr());
    let site = Site::new(&format!(
        "  - name: vendor\n    kind: {kind}\n    endpoint: \"{endpoint}\"\n    api_key: \"${{PROVIDER_KEY}}\"\n    allow_private_network: true\n    models:\n{models}"
    ));
    (mock, site)
}

fn ask_with(node: &Node<'_>, key: &str, members: &Value) -> Value {
    let mut body: Value = serde_json::from_str(&ask("model")).unwrap();
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = node.chat(key, &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn an_answer_comes_back_whole_and_the_key_goes_where_the_vendor_wants_it() {
    for (kind, path, header, shown) in [
        ("azure", "/openai/v1/chat/completions", "api-key", PROVIDER_KEY.to_owned()),
        ("cohere", "/v2/chat", "authorization", format!("Bearer {PROVIDER_KEY}")),
        ("ollama-native", "/api/chat", "authorization", format!("Bearer {PROVIDER_KEY}")),
    ] {
        let (mock, site) = mocked(kind, &[]);
        let (_, key) = site.key("app");
        let node = site.start();
        let answer = ask_with(&node, &key, &json!({"max_completion_tokens": 50, "user": "u", "seed": 7}));
        assert_eq!(
            (&answer["model"], &answer["object"]),
            (&json!("model"), &json!("chat.completion")),
            "{kind}"
        );
        assert_eq!(answer["choices"][0]["message"]["content"], "You said: say hello", "{kind}");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop", "{kind}");
        let served = &mock.oracle()[0];
        assert_eq!(answer["usage"]["prompt_tokens"], served.prompt_tokens, "{kind}");
        assert_eq!(answer["usage"]["completion_tokens"], served.completion_tokens, "{kind}");
        let sent = &mock.requests()[0];
        assert_eq!((sent.path.as_str(), sent.header(header)), (path, Some(&*shown)), "{kind}");
    }
}

#[test]
fn a_stream_comes_back_in_chunks_with_usage_for_who_asked() {
    for (kind, _) in KINDS {
        let (mock, site) = mocked(kind, &[]);
        let (_, key) = site.key("app");
        let node = site.start();
        for wants_usage in [false, true] {
            let usage = format!(r#""stream":true,"stream_options":{{"include_usage":{wants_usage}}}"#);
            let answer = node.chat(&key, &ask_stream("model").replace("\"stream\":true", &usage));
            let mut events = answer.events();
            assert_eq!(events.pop().as_deref(), Some("[DONE]"), "{kind}");
            let chunks: Vec<Value> =
                events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
            assert!(chunks[0]["choices"][0]["delta"].is_object(), "{kind}: {}", chunks[0]);
            let text: String =
                chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
            assert_eq!(text, "You said: say hello", "{kind}");
            let last = chunks.last().unwrap();
            match wants_usage {
                true => assert_eq!(
                    last["usage"]["completion_tokens"],
                    mock.oracle()[1].completion_tokens,
                    "{kind}"
                ),
                false => assert!(last["usage"].is_null(), "{kind}"),
            }
        }
    }
}

#[test]
fn a_tool_is_called_and_answered() {
    let parameters =
        json!({"type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}});
    let tools = json!([{"type": "function", "function": {"name": "clock", "parameters": parameters}}]);
    for (kind, _) in KINDS {
        let (mock, site) = mocked(kind, &[]);
        let (_, key) = site.key("app");
        let node = site.start();
        let first = ask_with(&node, &key, &json!({ "tools": tools }));
        assert_eq!(first["choices"][0]["finish_reason"], "tool_calls", "{kind}");
        let message = &first["choices"][0]["message"];
        let call = &message["tool_calls"][0];
        assert_eq!(call["function"], json!({"name": "clock", "arguments": r#"{"zone":"text"}"#}), "{kind}");
        let messages = json!([{"role": "user", "content": "what time is it?"}, message,
            {"role": "tool", "tool_call_id": call["id"], "content": "noon"}]);
        let second = ask_with(&node, &key, &json!({"tools": tools, "messages": messages}));
        assert_eq!(second["choices"][0]["message"]["content"], "You said: what time is it?", "{kind}");
        let sent: Value = serde_json::from_slice(&mock.requests()[1].body).unwrap();
        assert_eq!(sent["messages"][2]["tool_call_id"], call["id"], "{kind}");
    }
}

#[test]
fn failures_are_told_in_openai_s_shape() {
    for (kind, _) in KINDS {
        let (_mock, site) = mocked(
            kind,
            &[
                ("limited", "m+fault=status:429,retry_after_ms:1500"),
                ("missing", "m+fault=status:404"),
                ("locked", "m+echo_key_401"),
                ("under-200", "m+fault=200_error"),
                ("broken", "m+delay_ms=first:0,between:20+fault=error_event:3"),
                ("cut", "m+delay_ms=first:0,between:20+events=5+fault=cut_after_events:3"),
            ],
        );
        let (_, key) = site.key("app");
        let node = site.start();
        let missing = node.chat(&key, &ask("missing"));
        assert_eq!(
            (missing.status, &missing.json()["error"]["code"]),
            (404, &json!("model_not_found")),
            "{kind}"
        );
        let under = node.chat(&key, &ask("under-200"));
        assert_eq!((under.status, under.json()["error"]["message"].is_string()), (502, true), "{kind}");
        for alias in ["broken", "cut"] {
            let events = node.chat(&key, &ask_stream(alias)).events();
            let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
            assert!(last["error"]["message"].is_string(), "{kind} {alias}: {last}");
        }
        // last: a key that is limited or refused rests
        let limited = node.chat(&key, &ask("limited"));
        assert_eq!(
            (limited.status, &limited.json()["error"]["type"]),
            (429, &json!("rate_limit_error")),
            "{kind}"
        );
        assert_eq!(limited.header("retry-after-ms"), Some("1500"), "{kind}");
        let locked = node.chat(&key, &ask("locked"));
        assert_eq!(
            (locked.status, &locked.json()["error"]["code"]),
            (502, &json!("upstream_auth")),
            "{kind}"
        );
        assert!(!locked.text().contains(PROVIDER_KEY), "{kind}");
    }
}

#[test]
fn what_a_content_filter_found_reaches_the_caller() {
    let (_mock, site) = mocked("azure", &[("filtered", "m+fault=status:400,code:content_filter")]);
    let (_, key) = site.key("app");
    let node = site.start();
    let refused = node.chat(&key, &ask("filtered"));
    let error = &refused.json()["error"];
    assert_eq!(
        (refused.status, &error["type"], &error["code"]),
        (400, &json!("invalid_request_error"), &json!("content_filter"))
    );
    assert_eq!(error["innererror"]["code"], "ResponsibleAIPolicyViolation");
    assert_eq!(refused.header("x-should-retry"), Some("false"));
}

#[test]
fn what_cannot_be_said_is_refused_by_name() {
    for (kind, _) in KINDS {
        let (mock, site) = mocked(kind, &[]);
        let (_, key) = site.key("app");
        let node = site.start();
        let body = ask("model").replace("\"messages\"", "\"n\":2,\"messages\"");
        let refused = node.chat(&key, &body);
        match kind {
            "azure" => assert_eq!(refused.status, 200),
            _ => {
                assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("n")), "{kind}");
                assert!(mock.requests().is_empty(), "{kind}");
            }
        }
    }
}

#[test]
fn embeddings_come_back_in_their_order_however_many_the_vendor_takes_at_once() {
    let texts: Vec<String> = (0..100).map(|at| format!("text {at}")).collect();
    for (kind, path, exchanges) in [
        ("azure", "/openai/v1/embeddings", 1),
        ("cohere", "/v2/embed", 2),
        ("ollama-native", "/api/embed", 1),
    ] {
        let (mock, site) = mocked(kind, &[]);
        let (_, key) = site.key("app");
        let node = site.start();
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let vectors = |input: &Value, form: &str| {
            let body = json!({"model": "model", "input": input, "encoding_format": form, "dimensions": 4});
            let answer = node.request("POST", "/v1/embeddings", &headers, &body.to_string());
            assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
            let answer = answer.json();
            assert_eq!(answer["model"], "model", "{kind}");
            assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 0, "{kind}");
            answer["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["embedding"].clone())
                .collect::<Vec<_>>()
        };
        let all = vectors(&json!(texts), "float");
        assert_eq!((all.len(), all[99].as_array().unwrap().len()), (100, 4), "{kind}");
        assert!(mock.requests().iter().all(|request| request.path == path), "{kind}");
        assert_eq!(mock.requests().len(), exchanges, "{kind}");
        assert_eq!(vectors(&json!("text 99"), "float")[0], all[99], "{kind}");
        assert!(vectors(&json!("text 99"), "base64")[0].is_string(), "{kind}");
    }
}
