//! The first answer: whole, listed, counted, and refused where it must be.

use crate::node::{PROVIDER_KEY, ask, mocked, until};

#[test]
fn an_application_gets_its_answer_and_the_metrics_show_it() {
    let (mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let answer = node.chat(&key, &ask("gpt"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["model"], "gpt");
    assert!(!answer.json()["choices"][0]["message"]["content"].as_str().unwrap().is_empty());
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let sent = &mock.requests()[0];
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
    let mut names: Vec<_> = sent.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    assert_eq!(
        names,
        ["accept-encoding", "authorization", "content-length", "content-type", "host", "user-agent"]
    );
    let metrics = node.metrics();
    let line = r#"nexus_requests_total{provider="mock",model="gpt",status="200"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains("nexus_latency_seconds_bucket{provider=\"mock\",model=\"gpt\",le=\"0.005\"}"));
}

#[test]
fn models_are_listed_and_shown_by_their_alias() {
    let (_mock, site) = mocked(&[("acme/model-1", "mock-gpt")]);
    let (_, key) = site.key("app");
    let node = site.start();
    let bearer = format!("Bearer {key}");
    let get = |path: &str| node.request("GET", path, &[("authorization", &bearer)], "");
    let list = get("/v1/models").json();
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert_eq!(ids, ["acme/model-1", "gpt"]);
    for path in ["/v1/models/acme/model-1", "/v1/models/acme%2Fmodel-1"] {
        assert_eq!(get(path).json()["id"], "acme/model-1", "{path}");
    }
    let unknown = get("/v1/models/nobody");
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &"model_not_found".into()));
    assert_eq!(node.request("GET", "/v1/models", &[], "").status, 401);
}

#[test]
fn bad_requests_are_answered_in_openais_shape_with_the_member_named() {
    let (mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let deep = format!(r#"{{"model":"gpt","messages":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for (body, status, param) in [
        (r#"{"model":"gpt","\u006dodel":"dear","messages":[]}"#, 400, "model".into()),
        (r#"{"model":"gpt","messages":[],"stream":true,"stream":false}"#, 400, "stream".into()),
        (r#"{"model":"gpt","messages":[],"max_tokens":1,"max_tokens":2}"#, 400, "max_tokens".into()),
        ("no json", 400, serde_json::Value::Null),
        ("[1]", 400, serde_json::Value::Null),
        (&deep, 400, serde_json::Value::Null),
        (r#"{"model":"nobody","messages":[]}"#, 404, "model".into()),
    ] {
        let answer = node.chat(&key, body);
        let shown: String = body.chars().take(80).collect();
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (status, &param), "{shown}");
        let members: Vec<_> = answer.json()["error"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["code", "message", "param", "type"]);
        assert!(answer.header("x-request-id").is_some());
    }
    let large =
        format!(r#"{{"model":"gpt","messages":[{{"role":"user","content":"{}"}}]}}"#, "x".repeat(33 << 20));
    assert_eq!(node.chat(&key, &large).status, 413);
    for (method, path, status) in [
        ("DELETE", "/v1/chat/completions", 405),
        ("GET", "/v1/nothing", 404),
        ("POST", "/", 404),
        ("DELETE", "/v1/models", 405),
    ] {
        let answer = node.request(method, path, &[], "");
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.json()["error"]["message"].is_string());
    }
    assert!(mock.requests().is_empty(), "nothing of this may reach a provider");
}

#[test]
fn unknown_members_pass_through_in_both_directions() {
    let (mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let body = r#"{ "vendor_only" : {"a":[1, 2.50]}, "model":"gpt","messages":[{"role":"user","content":"你好"}] , "seed":7}"#;
    let answer = node.chat(&key, body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = String::from_utf8(mock.requests()[0].body.to_vec()).unwrap();
    assert_eq!(sent, body.replace("\"gpt\"", "\"mock-gpt\""));
    assert!(answer.json()["system_fingerprint"].is_string(), "{}", answer.text());
}

#[test]
fn a_key_revoked_beside_the_running_gateway_is_refused_within_a_moment() {
    let (_mock, site) = mocked(&[]);
    let (id, key) = site.key("app");
    let node = site.start();
    assert_eq!(node.chat(&key, &ask("gpt")).status, 200);
    site.run(&["key", "revoke", &id, "--config", "nexus.yaml"]);
    until("the key is refused", || (node.chat(&key, &ask("gpt")).status == 401).then_some(()));
}
