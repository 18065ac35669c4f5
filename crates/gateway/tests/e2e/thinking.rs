//! Tools over several turns with thinking: what a model thought goes back to it, whole and streamed, or the vendor
//! refuses the turn.

use nexus_testkit::{ACCESS_KEY_ID, Mock, Options, SECRET_ACCESS_KEY};
use serde_json::{Value, json};

use crate::node::{Node, Site, ask};

const THOUGHT: &str = "Let me think.";

/// The mock as Anthropic, Bedrock and Gemini, each behind an alias of its kind.
fn vendors() -> (Mock, Site) {
    let mock = Mock::start(Options::default()).unwrap();
    let aws = json!({"access_key_id": ACCESS_KEY_ID, "secret_access_key": SECRET_ACCESS_KEY}).to_string();
    let url = mock.url();
    let providers: String = [
        ("anthropic", url.clone(), "k".to_owned(), "claude-sonnet-4-5"),
        ("bedrock", url.replace("/v1", ""), aws, "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("gemini", url.replace("/v1", "/v1beta"), "k".to_owned(), "gemini-2.5-pro"),
    ]
    .iter()
    .map(|(kind, endpoint, key, real)| {
        let options = if *kind == "bedrock" { "    options: { region: eu-west-1 }\n" } else { "" };
        format!(
            "  - name: {kind}\n    kind: {kind}\n    endpoint: \"{endpoint}\"\n{options}    api_key: '{key}'\n    \
             allow_private_network: true\n    models:\n      - {{ alias: {kind}, real_name: \"{real}\" }}\n"
        )
    })
    .collect();
    (mock, Site::new(&providers))
}

fn body(alias: &str, messages: &[Value], is_stream: bool) -> String {
    let parameters = json!({"type": "object", "required": ["zone"],
        "properties": {"zone": {"type": "string"}}});
    let mut body: Value = serde_json::from_str(&ask(alias)).unwrap();
    body["messages"] = json!(messages);
    body["tools"] = json!([{"type": "function", "function": {"name": "clock", "parameters": parameters}}]);
    body["reasoning_effort"] = json!("high");
    body["stream"] = json!(is_stream);
    body.to_string()
}

/// The message that is answered, as a client keeps it.
fn said(node: &Node<'_>, key: &str, alias: &str, messages: &[Value], is_stream: bool) -> Value {
    let answer = node.chat(key, &body(alias, messages, is_stream));
    assert_eq!(answer.status, 200, "{alias}: {}", answer.text());
    if !is_stream {
        return answer.json()["choices"][0]["message"].clone();
    }
    let mut message = json!({});
    for event in answer.events() {
        if let Ok(chunk) = serde_json::from_str::<Value>(&event) {
            merge(&mut message, &chunk["choices"][0]["delta"]);
        }
    }
    message
}

/// Puts a delta into what there is: texts are joined but for names and kinds, lists go by `index`.
fn merge(whole: &mut Value, delta: &Value) {
    for (name, piece) in delta.as_object().into_iter().flatten() {
        let there = &mut whole[name];
        match piece {
            Value::String(text)
                if there.is_string() && !["type", "role", "id", "name"].contains(&name.as_str()) =>
            {
                *there = json!(format!("{}{text}", there.as_str().unwrap()));
            }
            Value::Object(_) => {
                if !there.is_object() {
                    *there = json!({});
                }
                merge(there, piece);
            }
            Value::Array(items) => {
                if !there.is_array() {
                    *there = json!([]);
                }
                let list = there.as_array_mut().unwrap();
                for item in items {
                    let at = usize::try_from(item["index"].as_u64().unwrap()).unwrap();
                    list.resize(list.len().max(at + 1), json!({}));
                    merge(&mut list[at], item);
                    list[at].as_object_mut().unwrap().remove("index");
                }
            }
            Value::Null => {}
            other => *there = other.clone(),
        }
    }
}

#[test]
fn thoughts_go_back_over_several_turns_of_tools_at_every_vendor_whole_and_streamed() {
    let (mock, site) = vendors();
    let (_, key) = site.key("app");
    let node = site.start();
    for alias in ["anthropic", "bedrock", "gemini"] {
        for is_stream in [false, true] {
            let mut messages = vec![json!({"role": "user", "content": "what time is it?"})];
            for question in ["and in Rome?", "and in Lima?"] {
                let call = said(&node, &key, alias, &messages, is_stream);
                let calls = call["tool_calls"].as_array().unwrap_or_else(|| panic!("{alias}: {call}"));
                assert_eq!(calls[0]["function"]["name"], "clock", "{alias}: {call}");
                let id = calls[0]["id"].clone();
                if alias != "gemini" {
                    assert_eq!(
                        call["thinking_blocks"][0]["thinking"], THOUGHT,
                        "{alias} {is_stream}: {call}"
                    );
                    assert_eq!(call["reasoning_content"], THOUGHT, "{alias} {is_stream}: {call}");
                }
                messages.push(call);
                messages.push(json!({"role": "tool", "tool_call_id": id, "content": "noon"}));
                let told = said(&node, &key, alias, &messages, is_stream);
                assert!(told["content"].as_str().unwrap().starts_with("You said: "), "{alias}: {told}");
                messages.push(told);
                messages.push(json!({"role": "user", "content": question}));
            }
            let sent = mock.requests();
            let sent: Value = serde_json::from_slice(&sent.last().unwrap().body).unwrap();
            if alias == "gemini" {
                let seals = sent.to_string().matches("thoughtSignature").count();
                assert_eq!(seals, 2, "each call goes back with its signature: {sent}");
            }
        }
    }
}

#[test]
fn a_turn_that_comes_back_without_its_thoughts_is_asked_without_thinking() {
    let (mock, site) = vendors();
    let (_, key) = site.key("app");
    let node = site.start();
    for alias in ["anthropic", "bedrock"] {
        let mut messages = vec![json!({"role": "user", "content": "what time is it?"})];
        let mut call = said(&node, &key, alias, &messages, false);
        let id = call["tool_calls"][0]["id"].clone();
        call.as_object_mut()
            .unwrap()
            .retain(|name, _| !["thinking_blocks", "reasoning_content"].contains(&name.as_str()));
        messages.push(call);
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "noon"}));
        let told = said(&node, &key, alias, &messages, false);
        assert!(told["content"].as_str().unwrap().starts_with("You said: "), "{alias}: {told}");
        let requests = mock.requests();
        let sent = String::from_utf8_lossy(&requests.last().unwrap().body).into_owned();
        assert!(!sent.contains("budget_tokens"), "{alias}: {sent}");
    }
}
