//! Gemini behind an alias: what an OpenAI client asks reaches the vendor in its words, and comes back.

use nexus_testkit::{Mock, Options, SERVICE_ACCOUNT};
use serde_json::{Value, json};

use crate::node::{Node, PROVIDER_KEY, Site, ask, ask_stream};

/// A mock of the vendor's behind the alias `gemini`, and behind an alias for each script.
fn mocked(scripts: &[(&str, &str)]) -> (Mock, Site) {
    let mock = Mock::start(Options::default()).unwrap();
    let models: String = [("gemini", "mock-gemini")]
        .iter()
        .chain(scripts)
        .map(|(alias, real)| format!("      - {{ alias: \"{alias}\", real_name: \"{real}\" }}\n"))
        .collect();
    let endpoint = mock.url().replace("/v1", "/v1beta");
    let site = Site::new(&format!(
        "  - name: google\n    kind: gemini\n    endpoint: \"{endpoint}\"\n    api_key: \"${{PROVIDER_KEY}}\"\n    allow_private_network: true\n    models:\n{models}"
    ));
    (mock, site)
}

fn ask_with(node: &Node<'_>, key: &str, members: Value) -> Value {
    let mut body: Value = serde_json::from_str(&ask("gemini")).unwrap();
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = node.chat(key, &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn an_answer_comes_back_whole_and_the_key_goes_where_the_vendor_wants_it() {
    let (mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let answer = ask_with(&node, &key, json!({"max_tokens": 50, "user": "u"}));
    assert_eq!((&answer["model"], &answer["object"]), (&json!("gemini"), &json!("chat.completion")));
    assert_eq!(answer["choices"][0]["message"]["content"], "You said: say hello");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let served = &mock.oracle()[0];
    assert_eq!(answer["usage"]["prompt_tokens"], served.prompt_tokens);
    assert_eq!(answer["usage"]["completion_tokens"], served.completion_tokens);
    let sent = &mock.requests()[0];
    assert_eq!(sent.path, "/v1beta/models/mock-gemini:generateContent");
    assert_eq!(sent.header("x-goog-api-key"), Some(PROVIDER_KEY));
    assert_eq!(sent.header("authorization"), None);
    let two = ask_with(&node, &key, json!({"n": 2}));
    assert_eq!(two["choices"].as_array().unwrap().len(), 2);
}

#[test]
fn a_stream_comes_back_in_chunks_with_usage_for_who_asked() {
    let (mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let ask = ask_stream("gemini")
        .replace("\"stream\":true", r#""stream":true,"stream_options":{"include_usage":true}"#);
    let answer = node.chat(&key, &ask);
    let mut events = answer.events();
    assert_eq!(events.pop().as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let text: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "You said: say hello");
    let last = chunks.last().unwrap();
    assert_eq!(last["usage"]["completion_tokens"], mock.oracle()[0].completion_tokens);
    assert_eq!(mock.requests()[0].path, "/v1beta/models/mock-gemini:streamGenerateContent?alt=sse");
}

#[test]
fn a_tool_is_called_answered_and_its_signature_carried_back() {
    let (mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let parameters = json!({"type": "object", "required": ["zone"],
        "properties": {"zone": {"type": "string"}}});
    let tools = json!([{"type": "function", "function": {"name": "clock", "parameters": parameters}}]);
    let first = ask_with(&node, &key, json!({ "tools": tools }));
    assert_eq!(first["choices"][0]["finish_reason"], "tool_calls");
    let message = &first["choices"][0]["message"];
    let call = &message["tool_calls"][0];
    assert_eq!(call["function"], json!({"name": "clock", "arguments": r#"{"zone":"text"}"#}));
    let messages = json!([{"role": "user", "content": "what time is it?"}, message,
        {"role": "tool", "tool_call_id": call["id"], "content": "noon"}]);
    let second = ask_with(&node, &key, json!({"tools": tools, "messages": messages}));
    assert_eq!(second["choices"][0]["message"]["content"], "You said: what time is it?");
    let sent: Value = serde_json::from_slice(&mock.requests()[1].body).unwrap();
    let signature = &call["extra_content"]["google"]["thought_signature"];
    assert!(signature.is_string());
    assert_eq!(&sent["contents"][1]["parts"][0]["thoughtSignature"], signature);
    assert_eq!(
        sent["contents"][2]["parts"][0]["functionResponse"],
        json!({"name": "clock", "response": {"output": "noon"}})
    );
}

#[test]
fn failures_are_told_in_openai_s_shape() {
    let (_mock, site) = mocked(&[
        ("limited", "m+fault=status:429,retry_after:7"),
        ("locked", "m+echo_key_401"),
        ("broken", "m+delay_ms=first:0,between:20+fault=error_event:2"),
        ("cut", "m+delay_ms=first:0,between:20+events=5+fault=cut_after_events:2"),
    ]);
    let (_, key) = site.key("app");
    let node = site.start();
    let refused = node.chat(&key, &ask("gemini").replace("\"messages\"", "\"audio\":{},\"messages\""));
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("audio")));
    let limited = node.chat(&key, &ask("limited"));
    assert_eq!((limited.status, &limited.json()["error"]["type"]), (429, &json!("rate_limit_error")));
    assert_eq!(limited.header("retry-after"), Some("7"));
    for alias in ["broken", "cut"] {
        let events = node.chat(&key, &ask_stream(alias)).events();
        let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
        assert!(last["error"]["message"].is_string(), "{alias}: {last}");
    }
    // its key goes out of the pool, so it is last
    let locked = node.chat(&key, &ask("locked"));
    assert!(locked.status >= 500 && !locked.text().contains(PROVIDER_KEY), "{}", locked.text());
}

#[test]
fn vertex_is_shown_a_token_that_its_service_account_was_given() {
    let mock = Mock::start(Options::default()).unwrap();
    let site = Site::new(&format!(
        "  - name: vertex\n    kind: vertex\n    endpoint: \"{}\"\n    api_key: '{}'\n    allow_private_network: true\n    options: {{ project: p1, region: europe-west4, token_endpoint: \"http://{}/token\" }}\n    models:\n      - {{ alias: gemini, real_name: mock-gemini }}\n",
        mock.url(),
        SERVICE_ACCOUNT.trim(),
        mock.addr(),
    ));
    let (_, key) = site.key("app");
    let node = site.start();
    for _ in 0..6 {
        let answer = ask_with(&node, &key, json!({}));
        assert_eq!(answer["choices"][0]["message"]["content"], "You said: say hello");
    }
    let requests = mock.requests();
    let (asked, sent): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.path == "/token");
    assert!((1..=2).contains(&asked.len()), "each of two workers asks once: {}", asked.len());
    assert!(asked.iter().all(|question| question.header("authorization").is_none()));
    assert_eq!(sent.len(), 6);
    for sent in sent {
        let path =
            "/v1/projects/p1/locations/europe-west4/publishers/google/models/mock-gemini:generateContent";
        assert_eq!(sent.path, path);
        assert!(sent.header("authorization").is_some_and(|shown| shown.starts_with("Bearer ya29.")));
    }
}
