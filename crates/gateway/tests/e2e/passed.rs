//! Operations whose words go through: completions, moderations, pictures and sound, in JSON, in forms, as events and
//! as bytes; and what is said of those that are not served.

use serde_json::{Value, json};

use crate::{
    client::Answer,
    fidelity::recorder::{Recorder, Told},
    messages::totals,
    node::{Node, Site, mocked, provider, until},
};
use nexus_core::usage::{Quantity, Usage};
use nexus_testkit::{Mock, Options};

const BOUNDARY: &str = "form-boundary-7d1";
const FORM: &str = "multipart/form-data; boundary=form-boundary-7d1";

fn post(node: &Node<'_>, key: &str, path: &str, content_type: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    node.request("POST", path, &[("authorization", &bearer), ("content-type", content_type)], body)
}

fn ask(node: &Node<'_>, key: &str, path: &str, body: &Value) -> Answer {
    post(node, key, path, "application/json", &body.to_string())
}

/// Parts by name; a file has a name of its own.
fn form(parts: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        let file = if *name == "file" { "; filename=\"a.wav\"\r\nContent-Type: audio/wav" } else { "" };
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
    };
    let parts: String = parts.iter().map(part).collect();
    format!("{parts}--{BOUNDARY}--\r\n")
}

#[test]
fn words_in_json_go_through_under_the_alias_and_are_booked() {
    let (mock, site) = mocked(&[("draw", "mock-gpt-image"), ("dall-e", "mock-dalle")]);
    let (_, key) = site.key("app");
    let node = site.start();
    let body = r#"{"prompt":"say",  "model":"gpt", "x":[1.50]}"#;
    let answer = post(&node, &key, "/v1/completions", "application/json", body);
    assert_eq!((answer.status, &answer.json()["model"]), (200, &json!("gpt")), "{}", answer.text());
    assert_eq!(answer.json()["choices"][0]["text"], "one two");
    let sent = mock.requests();
    let sent = sent.last().unwrap();
    assert_eq!(String::from_utf8_lossy(&sent.body), body.replace("gpt", "mock-gpt"));
    assert_eq!(
        (sent.path.as_str(), sent.header("content-type")),
        ("/v1/completions", Some("application/json"))
    );
    let answer = ask(&node, &key, "/v1/moderations", &json!({ "model": "gpt", "input": "kill" }));
    assert_eq!(
        (&answer.json()["model"], &answer.json()["results"][0]["flagged"]),
        (&json!("gpt"), &json!(true))
    );
    let answer =
        ask(&node, &key, "/v1/images/generations", &json!({ "model": "dall-e", "prompt": "a", "n": 2 }));
    assert_eq!(answer.json()["data"].as_array().map(Vec::len), Some(2), "{}", answer.text());
    let answer =
        ask(&node, &key, "/v1/images/edits", &json!({ "model": "draw", "prompt": "a", "images": [] }));
    assert_eq!(answer.json()["usage"]["total_tokens"], 150, "{}", answer.text());
    for line in [
        r#"nexus_tokens_total{provider="mock",model="gpt",kind="output"} 2"#,
        r#"nexus_tokens_total{provider="mock",model="draw",kind="image_in"} 40"#,
        r#"{provider="mock",model="dall-e",kind="images"} 2"#,
    ] {
        until(line, || node.metrics().contains(line).then_some(()));
    }
}

#[test]
fn events_and_bytes_go_through_as_they_come() {
    let (_mock, site) = mocked(&[("draw", "mock-gpt-image"), ("cut", "mock-gpt+fault=status:503")]);
    let (_, key) = site.key("app");
    let node = site.start();
    let answer =
        ask(&node, &key, "/v1/completions", &json!({ "model": "gpt", "prompt": "a", "stream": true }));
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert!(answer.text().ends_with("data: [DONE]\n\n") && answer.text().contains(r#""model":"gpt""#));
    let body = json!({ "model": "draw", "prompt": "a", "stream": true, "partial_images": 1 });
    let answer = ask(&node, &key, "/v1/images/generations", &body);
    let events: Vec<&str> = answer.text().lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(events, ["image_generation.partial_image", "image_generation.completed"]);
    let answer =
        ask(&node, &key, "/v1/audio/speech", &json!({ "model": "gpt", "input": "hello", "voice": "v" }));
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ID3hello\0end"[..]));
    assert_eq!(answer.header("content-type"), Some("audio/mpeg"));
    let line = r#"{provider="mock",model="gpt",kind="characters"} 5"#;
    until(line, || node.metrics().contains(line).then_some(()));
    assert_eq!(ask(&node, &key, "/v1/audio/speech", &json!({ "model": "cut", "input": "a" })).status, 503);
}

#[test]
fn a_form_reaches_the_provider_as_it_was_but_for_the_models_name() {
    let (mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let long = "\u{1}RIFF".repeat(1 << 20);
    for (parts, is_held) in [
        ([("model", "gpt"), ("file", "RIFF"), ("language", "en")], true),
        ([("file", "RIFF\r\n--x"), ("language", "en"), ("model", "gpt")], true),
        ([("language", "en"), ("model", "gpt"), ("file", &long)], false),
        ([("file", &long), ("model", "gpt"), ("language", "en")], true),
    ] {
        let sent = form(&parts);
        let answer = post(&node, &key, "/v1/audio/transcriptions", FORM, &sent);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let came = mock.requests().pop().unwrap();
        let expected = sent.replace("\r\ngpt\r\n", "\r\nmock-gpt\r\n");
        assert!(came.body == expected.as_bytes(), "{} bytes of {}", came.body.len(), expected.len());
        assert_eq!(came.header("content-type"), Some(FORM));
        assert_eq!(came.header("content-length"), Some(expected.len().to_string().as_str()), "{is_held}");
        assert_eq!(answer.json()["text"], format!("{} bytes for mock-gpt", expected.len()));
    }
    let line = r#"nexus_tokens_total{provider="mock",model="gpt",kind="audio_in"} 48"#;
    until(line, || node.metrics().contains(line).then_some(()));
    let streamed = form(&[("model", "gpt"), ("stream", "true"), ("file", "RIFF")]);
    let answer = post(&node, &key, "/v1/audio/transcriptions", FORM, &streamed);
    assert!(answer.text().contains("transcript.text.done"), "{}", answer.text());
}

#[test]
fn a_form_that_says_two_things_or_is_none_is_refused_and_one_that_is_too_long_is_too() {
    let (mock, mut site) = mocked(&[]);
    site.variables.push(("NEXUS_SERVER__MAX_UPLOAD_BYTES", (3 << 20).to_string()));
    let (_, key) = site.key("app");
    let node = site.start();
    let long = "x".repeat(2 << 20);
    let twice = form(&[("model", "gpt"), ("file", &long), ("model", "other")]);
    for (path, content_type, body, status, param) in [
        ("/v1/audio/transcriptions", FORM, twice.as_str(), 400, json!("model")),
        ("/v1/audio/transcriptions", FORM, &form(&[("model", "gpt"), ("model", "gpt")]), 400, json!("model")),
        ("/v1/audio/transcriptions", FORM, "{}                          ", 400, Value::Null),
        ("/v1/audio/transcriptions", FORM, &form(&[("model", "nobody"), ("file", "R")]), 404, json!("model")),
        ("/v1/audio/transcriptions", FORM, &form(&[("file", "R")]), 400, json!("model")),
        ("/v1/audio/transcriptions", "text/plain", "model=gpt", 415, Value::Null),
        ("/v1/audio/speech", FORM, &form(&[("model", "gpt")]), 415, Value::Null),
        ("/v1/moderations", "application/json", r#"{"input":"a"}"#, 400, json!("model")),
        (
            "/v1/audio/transcriptions",
            FORM,
            &form(&[("model", "gpt"), ("file", &long.repeat(2))]),
            413,
            Value::Null,
        ),
    ] {
        let answer = post(&node, &key, path, content_type, body);
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["param"]), (status, &param), "{path}: {error}");
    }
    assert!(mock.requests().is_empty(), "nothing whole went out");
}

#[test]
fn what_names_no_model_goes_to_the_default_provider() {
    let mock = Mock::start(Options::default()).unwrap();
    let providers = provider("mock", &mock.url(), &[("gpt", "mock-gpt")]);
    let site = Site::new(&format!("{providers}default_provider: mock\n"));
    let (_, key) = site.key("app");
    let node = site.start();
    let answer = ask(&node, &key, "/v1/moderations", &json!({ "input": "a" }));
    assert_eq!((answer.status, &answer.json()["model"]), (200, &json!("omni-moderation-latest")));
    assert_eq!(String::from_utf8_lossy(&mock.requests().pop().unwrap().body), r#"{"input":"a"}"#);
}

#[test]
fn parts_an_operator_names_are_passed_on_and_organisations_for_admin_keys_of_the_installation_only() {
    let recorder = Recorder::start();
    recorder.tell(Told {
        status: 200,
        content_type: "application/json",
        body: br#"{"id":"p", "x":1.50}"#.to_vec(),
    });
    let site = Site::new(&format!(
        "{}default_provider: there\nunowned_resources: serve\nalso_serve: [organization, realtime]\n",
        provider("there", &format!("http://{}/v1", recorder.address), &[("gpt", "gpt")])
    ));
    let [(_, app), (_, admin)] = ["app", "admin"].map(|level| site.key(level));
    let words =
        ["key", "create", "--level", "admin", "--team", "red", "--output", "json", "--config", "nexus.yaml"];
    let of_team: Value = serde_json::from_str(&site.run(&words)).unwrap();
    let node = site.start();
    let projects = "/v1/organization/projects";
    let sent = json!({ "name": "red" });
    let made = ask(&node, &admin, projects, &sent);
    assert_eq!((made.status, made.text()), (200, r#"{"id":"p", "x":1.50}"#));
    let asked = recorder.take().pop().unwrap();
    assert_eq!(
        (asked.line.as_str(), asked.body),
        ("POST /v1/organization/projects", sent.to_string().into_bytes())
    );
    for key in [app.as_str(), of_team["key"].as_str().unwrap()] {
        assert_eq!(ask(&node, key, projects, &sent).status, 403);
    }
    assert_eq!(ask(&node, &admin, "/v1/realtime/client_secrets", &json!({})).status, 403);
    let usage = |kind: &str| {
        let bearer = format!("Bearer {admin}");
        let path = format!("/v1/organization/usage/{kind}?start_time=0");
        node.request("GET", &path, &[("authorization", bearer.as_str())], "")
    };
    assert!(usage("embeddings").text().contains("bucket"), "what is counted here is told by the gateway");
    assert!(recorder.take().is_empty(), "nobody was asked");
    assert_eq!(usage("vector_stores").text(), r#"{"id":"p", "x":1.50}"#);
    assert_eq!(recorder.take().pop().unwrap().line, "GET /v1/organization/usage/vector_stores?start_time=0");
    assert_eq!(ask(&node, &app, "/v1/realtime/client_secrets", &json!({})).status, 200);
    assert_eq!(ask(&node, &app, "/v1/realtime/calls/rtc_1/hangup", &json!({})).status, 200);
    let lines: Vec<String> = recorder.take().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, ["POST /v1/realtime/client_secrets", "POST /v1/realtime/calls/rtc_1/hangup"]);
}

#[test]
fn another_provider_is_tried_where_the_body_is_still_there() {
    let (bad, good) = (Mock::start(Options::default()).unwrap(), Mock::start(Options::default()).unwrap());
    let models = |script| [("talk", script)];
    let site = Site::new(&format!(
        "{}{}",
        provider("bad", &bad.url(), &models("mock-gpt+fault=status:500")),
        provider("good", &good.url(), &models("mock-gpt")),
    ));
    let (_, key) = site.key("app");
    let node = site.start();
    let body = form(&[("model", "talk"), ("file", "RIFF")]);
    until("the bad provider was asked too", || {
        let answer = post(&node, &key, "/v1/audio/transcriptions", FORM, &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        (!bad.requests().is_empty()).then_some(())
    });
}

#[test]
fn a_head_is_answered_without_its_body_and_answers_say_how_long_they_took() {
    let (_mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("connection", "close")];
    let all = node.request("GET", "/v1/models", &headers, "");
    let mut client = node.client();
    client.send("HEAD", "/v1/models", &headers, b"").unwrap();
    let head = client.head().unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, all.header("content-length")));
    assert!(client.chunk().is_err(), "nothing follows");
    let answer = ask(&node, &key, "/v1/moderations", &json!({ "model": "gpt", "input": "a" }));
    assert!(answer.header("openai-processing-ms").unwrap().parse::<u64>().is_ok());
}

#[test]
fn what_is_not_served_says_why_and_what_is_unknown_looks_like_openais() {
    let (_mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let path = "/v1/organization/projects/p_1/users";
    assert_eq!(node.request("GET", path, &[], "").status, 401);
    let bearer = format!("Bearer {key}");
    let answer = node.request("GET", path, &[("authorization", bearer.as_str())], "");
    let error = &answer.json()["error"];
    assert_eq!((answer.status, &error["code"]), (404, &json!("operation_not_served")));
    assert!(error["message"].as_str().unwrap().contains("/admin/v1"), "{error}");
    let answer = node.request("GET", "/v1/nothing", &[], "");
    let expected = json!({ "type": "invalid_request_error", "code": "unknown_url", "param": null });
    let error = &answer.json()["error"];
    assert!(["type", "code", "param"].iter().all(|name| error[name] == expected[name]), "{error}");
}

#[test]
fn documents_are_put_in_an_order_in_one_form_whoever_does_it_and_booked_as_billed() {
    let asked = json!({ "model": "ranker", "query": "which is long?", "documents": ["a", {"text": "abc"}, "ab"],
        "top_n": 2, "return_documents": true });
    for (kind, base, sent_path, quantity, count) in [
        ("jina", "/v1", "/v1/rerank", Quantity::Input, 18),
        ("voyage", "/v1", "/v1/rerank", Quantity::Input, 18),
        ("cohere", "/v2", "/v2/rerank", Quantity::Searches, 2),
    ] {
        let mock = Mock::start(Options::default()).unwrap();
        let endpoint = format!("http://{}{base}", mock.addr());
        let models = [("ranker", "mock-ranker"), ("broken", "m+fault=status:500")];
        let row = provider("vendor", &endpoint, &models).replace("kind: custom", &format!("kind: {kind}"));
        let site = Site::new(&row);
        let (_, key) = site.key("app");
        let node = site.start();
        for path in ["/v1/rerank", "/v2/rerank"] {
            let answer = ask(&node, &key, path, &asked);
            assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
            let said = answer.json();
            let results = said["results"].as_array().unwrap();
            let order: Vec<_> =
                results.iter().map(|result| (&result["index"], &result["document"]["text"])).collect();
            assert_eq!(order, [(&json!(1), &json!("abc")), (&json!(2), &json!("ab"))], "{kind}");
            assert_eq!(said["model"], "ranker", "{kind}");
        }
        let sent = &mock.requests()[0];
        let body: Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!((sent.path.as_str(), &body["model"]), (sent_path, &json!("mock-ranker")), "{kind}");
        assert_eq!(body["documents"], json!(["a", "abc", "ab"]), "{kind}");
        assert_eq!(body["top_k"].is_u64(), kind == "voyage", "{kind}: {body}");
        let wrong =
            ask(&node, &key, "/v1/rerank", &json!({ "model": "ranker", "query": "q", "documents": [7] }));
        assert_eq!((wrong.status, &wrong.json()["error"]["param"]), (400, &json!("documents[0]")), "{kind}");
        let unknown =
            ask(&node, &key, "/v1/rerank", &json!({ "model": "x", "query": "q", "documents": ["a"] }));
        assert_eq!(
            (unknown.status, &unknown.json()["error"]["code"]),
            (404, &json!("model_not_found")),
            "{kind}"
        );
        let broken =
            ask(&node, &key, "/v1/rerank", &json!({ "model": "broken", "query": "q", "documents": ["a"] }));
        assert_eq!((broken.status, &broken.json()["error"]["type"]), (502, &json!("server_error")), "{kind}");
        node.stop();
        let booked = totals(&site).usage;
        let expected = Usage::default().with(quantity, count);
        assert_eq!(booked, expected, "{kind}");
    }
}

#[test]
fn a_vendor_that_ranks_nothing_is_not_asked_to() {
    let mock = Mock::start(Options::default()).unwrap();
    let row = provider("vendor", &format!("http://{}/v1", mock.addr()), &[("m", "m")]);
    let site = Site::new(&row.replace("kind: custom", "kind: anthropic"));
    let (_, key) = site.key("app");
    let node = site.start();
    let answer = ask(&node, &key, "/v1/rerank", &json!({ "model": "m", "query": "q", "documents": ["a"] }));
    assert_eq!(
        (answer.status, &answer.json()["error"]["param"]),
        (400, &json!("model")),
        "{}",
        answer.text()
    );
    assert!(mock.requests().is_empty());
}
