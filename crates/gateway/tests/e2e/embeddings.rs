//! `POST /v1/embeddings`: every form of input, both ways of writing vectors, booked and failed over like a chat.

use serde_json::{Value, json};

use crate::{
    client::Answer,
    node::{Node, mocked, until},
};

fn embed(node: &Node<'_>, key: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    node.request("POST", "/v1/embeddings", &headers, &body.to_string())
}

#[test]
fn inputs_of_every_form_come_back_in_their_order_under_the_alias() {
    let (mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let vectors = |body: Value| -> Vec<Value> {
        let answer = embed(&node, &key, &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        assert_eq!((&answer["model"], &answer["object"]), (&json!("gpt"), &json!("list")));
        assert_eq!(answer["usage"]["prompt_tokens"], answer["usage"]["total_tokens"]);
        let data = answer["data"].as_array().unwrap();
        assert!(data.iter().enumerate().all(|(at, item)| item["index"] == json!(at)));
        data.iter().map(|item| item["embedding"].clone()).collect()
    };
    let one = vectors(json!({ "model": "gpt", "input": "a" }));
    let two =
        vectors(json!({ "model": "gpt", "input": ["b", "a"], "user": "u", "unknown": { "x": [1.50] } }));
    assert_eq!((one.len(), two.len(), &two[1]), (1, 2, &one[0]));
    assert_ne!(two[0], two[1]);
    assert_eq!(one[0].as_array().unwrap().len(), 8);
    assert_eq!(
        vectors(json!({ "model": "gpt", "input": "a", "dimensions": 3 }))[0].as_array().unwrap().len(),
        3
    );
    assert_eq!(vectors(json!({ "model": "gpt", "input": [1, 2, 3] })).len(), 1);
    assert_eq!(vectors(json!({ "model": "gpt", "input": [[1, 2], [3]] })).len(), 2);
    let packed = vectors(json!({ "model": "gpt", "input": "a", "encoding_format": "base64" }));
    assert!(packed[0].is_string());
    let sent = mock.requests();
    assert!(sent.iter().all(|request| request.path == "/v1/embeddings"));
    let body: Value = serde_json::from_slice(&sent[1].body).unwrap();
    assert_eq!(
        body,
        json!({ "model": "mock-gpt", "input": ["b", "a"], "user": "u", "unknown": { "x": [1.50] } })
    );
    assert!(sent[0].body.starts_with(b"{") && !String::from_utf8_lossy(&sent[0].body).contains("dimensions"));
}

#[test]
fn what_cannot_be_embedded_is_refused_in_openais_shape() {
    let (mock, site) = mocked(&[("broken", "mock-gpt+fault=status:500")]);
    let (_, key) = site.key("app");
    let node = site.start();
    for (body, status, param) in [
        (json!({ "model": "gpt" }), 400, json!("input")),
        (json!({ "model": "gpt", "input": [] }), 400, json!("input")),
        (json!({ "model": "gpt", "input": "a", "encoding_format": "int8" }), 400, json!("encoding_format")),
        (json!({ "model": "gpt", "input": "a", "dimensions": 5000 }), 400, json!("dimensions")),
        (json!({ "model": "nobody", "input": "a" }), 404, json!("model")),
        (json!({ "model": "broken", "input": "a" }), 502, Value::Null),
    ] {
        let answer = embed(&node, &key, &body);
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["param"]), (status, &param), "{body}: {error}");
        assert_eq!(error.as_object().unwrap().len(), 4);
    }
    let untouched = [r#""encoding_format":"int8""#, r#""input":[]"#];
    let went_out =
        |part: &str| mock.requests().iter().any(|sent| String::from_utf8_lossy(&sent.body).contains(part));
    assert!(!untouched.iter().any(|part| went_out(part)), "what is wrong in itself goes nowhere");
    assert_eq!(node.request("GET", "/v1/embeddings", &[], "").status, 405);
}

#[test]
fn embeddings_are_booked_as_what_they_are() {
    let (_mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let answer = embed(&node, &key, &json!({ "model": "gpt", "input": ["one two", "three"] }));
    let prompt = answer.json()["usage"]["prompt_tokens"].as_u64().unwrap();
    let line = format!(r#"nexus_tokens_total{{provider="mock",model="gpt",kind="input"}} {prompt}"#);
    until("the tokens are counted", || node.metrics().contains(&line).then_some(()));
}
