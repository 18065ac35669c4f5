//! What the mock answers on Azure's, Cohere's and Ollama's surfaces, whole and streamed, well and badly.
//!
//! Both forms of one answer must say the same and count the same.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::client::{Answer, exchange};
use crate::speaks::mock;

const AZURE: &str = "/openai/deployments/mock-gpt%2Bevents%3D3/chat/completions?api-version=2024-10-21";
const COHERE: &str = "/v2/chat";
const OLLAMA: &str = "/api/chat";

fn post(addr: SocketAddr, path: &str, model: &str, more: &Value) -> Answer {
    let mut body =
        json!({"model": model, "stream": false, "messages": [{"role": "user", "content": "hello"}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let body = body.to_string();
    let length = body.len();
    exchange(
        addr,
        &format!(
            "POST {path} HTTP/1.1\r\nhost: mock\r\napi-key: sk-of-a-test\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
    )
}

/// What an answer's pieces say, why it ended, input and output tokens.
fn said(path: &str, answer: &Answer) -> (String, Value, Value, Value) {
    let lines: Vec<Value> = match answer.body.starts_with('{') {
        true => answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        false => answer.events(),
    };
    let places: &[&str] = match path {
        COHERE => &[
            "/message/content/0/text",
            "/message/tool_calls/0/function/arguments",
            "/delta/message/content/text",
            "/delta/message/tool_calls/function/arguments",
        ],
        OLLAMA => &["/message/content", "/message/tool_calls/0/function/arguments"],
        _ => &["/choices/0/message/content", "/choices/0/delta/content"],
    };
    let piece = |line: &Value| {
        let said = places.iter().filter_map(|place| line.pointer(place));
        said.map(|piece| piece.as_str().map_or_else(|| piece.to_string(), str::to_owned)).collect::<String>()
    };
    let any = |places: &[&str]| {
        let found = lines.iter().rev().find_map(|line| {
            places.iter().find_map(|place| line.pointer(place).filter(|value| !value.is_null()))
        });
        found.cloned().unwrap_or_default()
    };
    (
        lines.iter().map(piece).collect(),
        any(&["/finish_reason", "/delta/finish_reason", "/done_reason", "/choices/0/finish_reason"]),
        any(&[
            "/usage/billed_units/input_tokens",
            "/delta/usage/billed_units/input_tokens",
            "/prompt_eval_count",
            "/usage/prompt_tokens",
        ]),
        any(&[
            "/usage/billed_units/output_tokens",
            "/delta/usage/billed_units/output_tokens",
            "/eval_count",
            "/usage/completion_tokens",
        ]),
    )
}

#[test]
fn both_forms_agree_on_what_is_said_and_counted() {
    let mock = mock();
    let tools = json!([{"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}}}]);
    let schema =
        json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 4}}});
    let cases = [
        (AZURE, json!({}), "You said:", "stop", 7, 3),
        (COHERE, json!({}), "You said: hello", "COMPLETE", 7, 4),
        (COHERE, json!({"max_tokens": 2}), "You said", "MAX_TOKENS", 7, 2),
        (COHERE, json!({"tools": tools}), r#"{"zone":"text"}"#, "TOOL_CALL", 7, 9),
        (COHERE, json!({"tools": tools, "tool_choice": "NONE"}), "You said: hello", "COMPLETE", 7, 4),
        (
            COHERE,
            json!({"response_format": {"type": "json_object", "json_schema": schema}}),
            r#"{"n":4}"#,
            "COMPLETE",
            7,
            7,
        ),
        (OLLAMA, json!({}), "You said: hello", "stop", 7, 4),
        (OLLAMA, json!({"options": {"num_predict": 2}}), "You said", "length", 7, 2),
        (OLLAMA, json!({"options": {"stop": ["hel"]}}), "You said: ", "stop", 7, 4),
        (OLLAMA, json!({"tools": tools}), r#"{"zone":"text"}"#, "stop", 7, 9),
        (OLLAMA, json!({"format": schema}), r#"{"n":4}"#, "stop", 7, 7),
    ];
    for (path, more, text, finish, input, output) in cases {
        for stream in [false, true] {
            let mut more = more.clone();
            more["stream"] = json!(stream);
            if path == AZURE && stream {
                more["stream_options"] = json!({"include_usage": true});
            }
            let answer = post(mock.addr(), path, "mock-model", &more);
            assert_eq!((answer.status, answer.whole), (200, true), "{path} {more} {}", answer.body);
            assert_eq!(
                said(path, &answer),
                (text.to_owned(), json!(finish), json!(input), json!(output)),
                "{path} {more}"
            );
        }
    }
}

#[test]
fn azure_s_first_chunk_says_only_what_the_filter_found() {
    let mock = mock();
    let events = post(mock.addr(), AZURE, "", &json!({"stream": true})).events();
    assert_eq!((&events[0]["choices"], &events[0]["id"]), (&json!([]), &json!("")));
    assert!(events[0]["prompt_filter_results"].is_array());
    assert_eq!(events[1]["choices"][0]["content_filter_results"], json!({}));
    let whole = post(mock.addr(), "/openai/v1/chat/completions", "mock-gpt", &json!({})).json();
    assert!(whole["choices"][0]["content_filter_results"]["hate"].is_object());
    let undated = AZURE.split('?').next().unwrap();
    assert_eq!(post(mock.addr(), undated, "", &json!({})).status, 400);
}

#[test]
fn failures_have_the_surfaces_own_shapes() {
    let mock = mock();
    let azure = "/openai/v1/chat/completions";
    let cases = [
        (azure, "m+fault=status:404", 404, "/error/code", json!("DeploymentNotFound")),
        (azure, "m+fault=status:429,retry_after_ms:1500", 429, "/error/code", json!("rate_limit_exceeded")),
        (
            azure,
            "m+fault=status:400,code:content_filter",
            400,
            "/error/innererror/code",
            json!("ResponsibleAIPolicyViolation"),
        ),
        (azure, "m+echo_key_401", 401, "/statusCode", json!(401)),
        (COHERE, "m+fault=status:429", 429, "/message", json!("The mock answers 429, as its script says.")),
        (COHERE, "m+fault=200_error", 200, "/message", json!("The mock failed inside a 200.")),
        (OLLAMA, "m+fault=status:404", 404, "/error", json!("The mock answers 404, as its script says.")),
    ];
    for (path, model, status, place, expected) in cases {
        let answer = post(mock.addr(), path, model, &json!({}));
        assert_eq!(answer.status, status, "{path} {model}");
        let body = answer.json();
        assert_eq!(body.pointer(place), Some(&expected), "{path} {model} {body}");
    }
    let unknown = post(mock.addr(), OLLAMA, "m+nonsense", &json!({}));
    assert_eq!(unknown.status, 400);
    assert!(unknown.json()["error"].as_str().unwrap().starts_with("`nonsense`: unknown word"));
}

#[test]
fn what_the_vendors_would_refuse_is_refused() {
    let mock = mock();
    let user = json!({"role": "user", "content": "x"});
    for (path, more) in [
        (COHERE, json!({"max_completion_tokens": 3})),
        (COHERE, json!({"temperature": 1.5})),
        (COHERE, json!({"tool_choice": "auto"})),
        (COHERE, json!({"messages": []})),
        (COHERE, json!({"messages": [{"role": "developer", "content": "x"}]})),
        (COHERE, json!({"messages": [user, {"role": "tool", "tool_call_id": "1", "content": "x"}]})),
        (OLLAMA, json!({"max_tokens": 3})),
        (OLLAMA, json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]})),
        (OLLAMA, json!({"messages": [{"role": "user", "content": "x", "images": ["https://x/y.png"]}]})),
        (
            OLLAMA,
            json!({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]}),
        ),
    ] {
        assert_eq!(post(mock.addr(), path, "m", &more).status, 400, "{path} {more}");
    }
}

#[test]
fn a_stream_ends_as_its_surface_does_unless_the_script_says_otherwise() {
    let mock = mock();
    let body = |path: &str, words: &str| {
        post(mock.addr(), path, &format!("m+events=1{words}"), &json!({"stream": true})).body
    };
    assert!(body("/openai/v1/chat/completions", "").ends_with("data: [DONE]\n\n"));
    assert!(!body("/openai/v1/chat/completions", "+done=absent").contains("[DONE]"));
    assert!(body(COHERE, "").contains("event: message-end\ndata: "));
    assert!(!body(COHERE, "+done=absent").contains("message-end"));
    let ollama = body(OLLAMA, "");
    assert_eq!(ollama.lines().count(), 2, "{ollama}");
    assert!(ollama.ends_with("}\n"));
    assert!(!body(OLLAMA, "+done=absent").contains("\"done\":true"));
    assert!(
        body(OLLAMA, "+fault=error_event:1").ends_with("{\"error\":\"The mock failed in its stream.\"}\n")
    );
}
