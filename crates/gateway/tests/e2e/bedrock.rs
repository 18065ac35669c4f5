//! Bedrock behind an alias: what an OpenAI client asks reaches the vendor signed and in its words, and comes back.

use nexus_testkit::{ACCESS_KEY_ID, Mock, Options, SECRET_ACCESS_KEY};
use serde_json::{Value, json};

use crate::node::{Node, Site, ask, ask_stream};

/// A mock of the vendor's behind the alias `nova`, and behind an alias for each script.
fn mocked(secret: &str, scripts: &[(&str, &str)]) -> (Mock, Site) {
    let mock = Mock::start(Options::default()).unwrap();
    let models: String = [("nova", "amazon.nova-mock-v1:0"), ("embed", "amazon.titan-embed-text-v2:0")]
        .iter()
        .chain(scripts)
        .map(|(alias, real)| format!("      - {{ alias: \"{alias}\", real_name: \"{real}\" }}\n"))
        .collect();
    let key = json!({"access_key_id": ACCESS_KEY_ID, "secret_access_key": secret}).to_string();
    let endpoint = mock.url().replace("/v1", "");
    let site = Site::new(&format!(
        "  - name: aws\n    kind: bedrock\n    endpoint: \"{endpoint}\"\n    options: {{ region: eu-west-1 }}\n    \
         api_key: '{key}'\n    allow_private_network: true\n    models:\n{models}"
    ));
    (mock, site)
}

fn ask_with(node: &Node<'_>, key: &str, members: Value) -> Value {
    let mut body: Value = serde_json::from_str(&ask("nova")).unwrap();
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = node.chat(key, &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn an_answer_comes_back_whole_and_the_request_was_signed() {
    let (mock, site) = mocked(SECRET_ACCESS_KEY, &[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let answer = ask_with(&node, &key, json!({"max_tokens": 50, "user": "u"}));
    assert_eq!((&answer["model"], &answer["object"]), (&json!("nova"), &json!("chat.completion")));
    assert_eq!(answer["choices"][0]["message"]["content"], "You said: say hello");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let served = &mock.oracle()[0];
    assert_eq!(answer["usage"]["prompt_tokens"], served.prompt_tokens);
    assert_eq!(answer["usage"]["completion_tokens"], served.completion_tokens);
    let sent = &mock.requests()[0];
    assert_eq!(sent.path, "/model/amazon.nova-mock-v1%3A0/converse");
    let authorization = sent.header("authorization").unwrap();
    assert!(authorization.contains("/eu-west-1/bedrock/aws4_request"), "{authorization}");
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["requestMetadata"], json!({"user_id": "u"}));
    assert!(!site.log().contains(SECRET_ACCESS_KEY));
}

#[test]
fn a_stream_comes_back_in_chunks_with_usage_for_who_asked() {
    let (mock, site) = mocked(SECRET_ACCESS_KEY, &[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let ask = ask_stream("nova")
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
    assert_eq!(mock.requests()[0].path, "/model/amazon.nova-mock-v1%3A0/converse-stream");
}

#[test]
fn an_answer_that_the_vendor_gives_no_id_has_one_of_its_own() {
    let (_mock, site) = mocked(SECRET_ACCESS_KEY, &[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let mut ids: Vec<String> = Vec::new();
    for _ in 0..3 {
        ids.push(ask_with(&node, &key, json!({}))["id"].as_str().unwrap().to_owned());
        let mut events = node.chat(&key, &ask_stream("nova")).events();
        events.pop();
        let chunks = events.iter().map(|event| serde_json::from_str::<Value>(event).unwrap()["id"].clone());
        let mut of_stream: Vec<String> = chunks.map(|id| id.as_str().unwrap().to_owned()).collect();
        assert!(of_stream.len() > 2);
        of_stream.dedup();
        assert_eq!(of_stream.len(), 1, "{of_stream:?}");
        ids.append(&mut of_stream);
    }
    ids.sort();
    ids.dedup();
    assert!(ids.len() == 6 && ids.iter().all(|id| id.starts_with("chatcmpl-")), "{ids:?}");
}

#[test]
fn a_tool_is_called_and_answered_whole_and_streamed() {
    let (mock, site) = mocked(SECRET_ACCESS_KEY, &[]);
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
    assert_eq!(
        sent["messages"][2]["content"][0]["toolResult"],
        json!({"toolUseId": call["id"], "content": [{"text": "noon"}]})
    );
    let mut body: Value = serde_json::from_str(&ask_stream("nova")).unwrap();
    body["tools"] = tools;
    let events = node.chat(&key, &body.to_string()).events();
    let chunks = events.iter().filter_map(|event| serde_json::from_str::<Value>(event).ok());
    let arguments: String = chunks
        .filter_map(|chunk| {
            let delta = &chunk["choices"][0]["delta"]["tool_calls"][0];
            delta["function"]["arguments"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(arguments, r#"{"zone":"text"}"#);
}

#[test]
fn failures_are_told_in_openai_s_shape() {
    let (_mock, site) = mocked(
        SECRET_ACCESS_KEY,
        &[
            ("limited", "m+fault=status:429,retry_after:7"),
            ("missing", "m+fault=status:404"),
            ("broken", "m+fault=error_event:2"),
            ("broken-first", "m+fault=error_event:0"),
            ("cut", "m+events=5+fault=cut_after_events:2"),
        ],
    );
    let (_, key) = site.key("app");
    let node = site.start();
    let refused = node.chat(&key, &ask("nova").replace("\"messages\"", "\"logprobs\":true,\"messages\""));
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("logprobs")));
    let limited = node.chat(&key, &ask("limited"));
    assert_eq!((limited.status, &limited.json()["error"]["type"]), (429, &json!("rate_limit_error")));
    assert_eq!(limited.header("retry-after"), Some("7"));
    let missing = node.chat(&key, &ask("missing"));
    assert_eq!((missing.status, &missing.json()["error"]["code"]), (404, &json!("model_not_found")));
    let first = node.chat(&key, &ask_stream("broken-first"));
    assert_eq!((first.status, &first.json()["error"]["type"]), (502, &json!("server_error")));
    for alias in ["broken", "cut"] {
        // What broke before anything was promised is an answer of its own.
        let answer = node.chat(&key, &ask_stream(alias));
        let last: Value = match answer.status {
            200 => serde_json::from_str(answer.events().last().unwrap()).unwrap(),
            _ => answer.json(),
        };
        assert!(last["error"]["message"].is_string(), "{alias}: {last}");
    }
}

#[test]
fn a_wrong_key_is_the_gateways_trouble_and_is_not_shown() {
    let (_mock, site) = mocked("wrong-secret-canary", &[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let locked = node.chat(&key, &ask("nova"));
    assert_eq!((locked.status, &locked.json()["error"]["code"]), (502, &json!("upstream_auth")));
    for text in [locked.text(), &site.log()] {
        assert!(!text.contains("wrong-secret-canary") && !text.contains(ACCESS_KEY_ID), "{text}");
    }
}

#[test]
fn texts_are_embedded_one_by_one_and_come_back_as_one_answer() {
    let (mock, site) = mocked(SECRET_ACCESS_KEY, &[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({"model": "embed", "input": ["one two", "three"], "dimensions": 4}).to_string();
    let answer = node.request("POST", "/v1/embeddings", &headers, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    let data = answer["data"].as_array().unwrap();
    assert_eq!((data.len(), data[1]["embedding"].as_array().unwrap().len()), (2, 4));
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
    let paths: Vec<String> = mock.requests().iter().map(|request| request.path.clone()).collect();
    assert_eq!(paths, ["/model/amazon.titan-embed-text-v2%3A0/invoke"; 2]);
}
