//! Google's Gemini before any provider: what a client of it asks is answered in its own words, whoever serves it.

use serde_json::{Value, json};

use crate::{
    admin::{Api, platform_key},
    client::Answer,
    messages::{KINDS, mocked, totals},
    node::{Node, PROVIDER_KEY, until},
};

fn asked() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "say hello"}]}], "generationConfig": {"maxOutputTokens": 100}})
}

fn post(node: &Node<'_>, path: &str, key: &str, body: &Value) -> Answer {
    let headers = [("x-goog-api-key", key), ("content-type", "application/json")];
    node.request("POST", &format!("/v1beta/models/{path}"), &headers, &body.to_string())
}

/// The objects of a streamed answer, however they are framed.
fn objects(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    match answer.header("content-type") {
        Some("application/json") => serde_json::from_slice(&answer.body).unwrap(),
        media => {
            assert_eq!(media, Some("text/event-stream; charset=utf-8"));
            answer.events().iter().map(|data| serde_json::from_str(data).unwrap()).collect()
        }
    }
}

fn parts(answers: &[Value]) -> Vec<Value> {
    let of = |answer: &Value| answer["candidates"][0]["content"]["parts"].as_array().cloned();
    answers.iter().filter_map(of).flatten().collect()
}

fn words(answers: &[Value]) -> String {
    parts(answers).iter().filter_map(|part| part["text"].as_str()).collect()
}

#[test]
fn a_request_is_answered_whole_and_streamed_whoever_serves_it_and_booked() {
    for (kind, _) in KINDS {
        let (mock, site) = mocked(kind, &[]);
        let (admin, (_, key)) = (platform_key(&site), site.key("app"));
        let node = site.start();
        let whole = post(&node, "model:generateContent", &key, &asked());
        assert_eq!(whole.status, 200, "{kind}: {}", whole.text());
        let said = whole.json();
        assert_eq!(
            (&said["modelVersion"], words(std::slice::from_ref(&said))),
            (&json!("model"), "You said: say hello".to_owned()),
            "{kind}"
        );
        assert_eq!(said["candidates"][0]["finishReason"], "STOP", "{kind}");
        let mut last = vec![said];
        for path in ["model:streamGenerateContent?alt=sse", "model:streamGenerateContent"] {
            let streamed = objects(&post(&node, path, &key, &asked()));
            assert_eq!(words(&streamed), "You said: say hello", "{kind} {path}");
            last.push(streamed.last().unwrap().clone());
        }
        let served = mock.oracle();
        for (said, served) in last.iter().zip(&served) {
            assert_eq!(said["candidates"][0]["finishReason"], "STOP", "{kind}: {said}");
            let usage = &said["usageMetadata"];
            assert_eq!(usage["promptTokenCount"], served.prompt_tokens, "{kind}");
            let thought = usage["thoughtsTokenCount"].as_u64().unwrap_or_default();
            let said = usage["candidatesTokenCount"].as_u64().unwrap();
            assert_eq!(json!(said + thought), json!(served.completion_tokens), "{kind}");
        }
        let api = Api::new(&node, &admin);
        until("all are booked as such", || {
            let rows = api.get("/usage?by=operation").json();
            (rows["rows"][0]["of"] == "generate_content" && rows["rows"][0]["attempts"] == 3).then_some(())
        });
        node.stop();
        let expected: u64 = served.iter().map(|served| served.prompt_tokens + served.completion_tokens).sum();
        let booked = totals(&site);
        assert_eq!((booked.attempts, booked.usage.tokens()), (3, expected), "{kind}");
    }
}

#[test]
fn to_a_vendor_that_speaks_it_the_request_goes_as_it_is() {
    let (mock, site) = mocked("gemini", &[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let body = r#"{ "contents": [{"role":"user", "parts":[{"text":"hi"}]}],"safetySettings": [ ],  "generationConfig":{"topK":4.0e1} }"#;
    let headers = [("x-goog-api-key", &*key), ("content-type", "application/json")];
    let refused = node.request("POST", "/v1beta/models/model:generateContent", &headers, body);
    assert_eq!(refused.status, 400, "what is no whole number here is refused: {}", refused.text());
    let newer = node.request("POST", "/v1/models/none:generateContent", &headers, body);
    assert_eq!((newer.status, &newer.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    let body = body.replace("4.0e1", "40.0");
    let answer = node.request("POST", "/v1beta/models/model:streamGenerateContent", &headers, &body);
    let said = objects(&answer);
    assert!(said.len() > 1 && said.iter().all(|said| said["modelVersion"] == "model"), "{}", answer.text());
    let sent = &mock.requests()[0];
    assert_eq!(sent.path, "/v1beta/models/mock-model:streamGenerateContent?alt=sse");
    assert_eq!(std::str::from_utf8(&sent.body).unwrap(), body);
    assert_eq!(sent.header("x-goog-api-key"), Some(PROVIDER_KEY));
}

#[test]
fn functions_are_called_and_their_results_taken() {
    let tools = json!([{"functionDeclarations": [{"name": "clock", "parameters":
        {"type": "OBJECT", "required": ["zone"], "properties": {"zone": {"type": "STRING"}}}}]}]);
    for (kind, _) in KINDS {
        let (mock, site) = mocked(kind, &[]);
        let (_, key) = site.key("app");
        let node = site.start();
        for path in ["model:generateContent", "model:streamGenerateContent?alt=sse"] {
            let mut body = asked();
            body["tools"] = tools.clone();
            let first = post(&node, path, &key, &body);
            assert_eq!(first.status, 200, "{kind}: {}", first.text());
            let said = if path.contains("stream") { objects(&first) } else { vec![first.json()] };
            let parts = parts(&said);
            let call = &parts.iter().find(|part| part["functionCall"].is_object()).unwrap()["functionCall"];
            assert_eq!((&call["name"], &call["args"]), (&json!("clock"), &json!({"zone": "text"})), "{kind}");
            let spoken: Vec<_> = parts.iter().filter(|part| part["text"] != "").collect();
            let result = json!({"functionResponse": {"name": "clock", "response": {"output": "noon"}}});
            body["contents"] = json!([{"role": "user", "parts": [{"text": "what time is it?"}]},
                {"role": "model", "parts": spoken}, {"role": "user", "parts": [result]}]);
            let second = post(&node, "model:generateContent", &key, &body);
            assert_eq!(second.status, 200, "{kind}: {}", second.text());
            assert!(words(&[second.json()]).contains("You said"), "{kind}: {}", second.text());
        }
        assert_eq!(mock.requests().len(), 4, "{kind}");
    }
}

#[test]
fn a_key_is_taken_where_google_s_clients_show_it_and_logged_nowhere() {
    let (_mock, site) = mocked("custom", &[]);
    let (_, key) = site.key("app");
    let node = site.start_with(&["--debug"]);
    let json = ("content-type", "application/json");
    let bearer = format!("Bearer {key}");
    let path = "/v1beta/models/model:generateContent";
    for (path, headers) in [
        (path.to_owned(), vec![("x-goog-api-key", &*key), json]),
        (path.to_owned(), vec![("authorization", &*bearer), json]),
        (format!("{path}?key={key}"), vec![json]),
        (format!("{path}?alt=json&key={key}"), vec![json]),
    ] {
        let answer = node.request("POST", &path, &headers, &asked().to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    // nowhere else does a query show a key
    let elsewhere = node.request("GET", &format!("/v1/models?key={key}"), &[], "");
    assert_eq!(elsewhere.status, 401);
    let bad = node.request("POST", &format!("{path}?key={key}x"), &[json], &asked().to_string());
    assert_eq!((bad.status, &bad.json()["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
    node.stop();
    let log = site.log();
    assert!(!log.contains(&key), "the key is in the log");
}

#[test]
fn every_failure_is_told_in_the_vendor_s_shape() {
    let (_mock, site) = mocked(
        "custom",
        &[("limited", "m+fault=status:429,retry_after_ms:1500"), ("busy", "m+fault=status:503")],
    );
    let (_, key) = site.key("app");
    let node = site.start();
    let with = |name: &str, value: Value| {
        let mut body = asked();
        body[name] = value;
        body
    };
    for (what, path, shown, body, status, word) in [
        ("a bad key", "model:generateContent", "nonsense", asked(), 401, "UNAUTHENTICATED"),
        ("an unknown model", "none:generateContent", &*key, asked(), 404, "NOT_FOUND"),
        (
            "nothing said",
            "model:generateContent",
            &*key,
            with("contents", json!([])),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "a tool of the vendor's",
            "model:generateContent",
            &*key,
            with("tools", json!([{"computerUse": {}}])),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "what the account keeps",
            "model:generateContent",
            &*key,
            with("cachedContent", json!("cachedContents/x")),
            400,
            "INVALID_ARGUMENT",
        ),
        ("no room", "busy:streamGenerateContent?alt=sse", &*key, asked(), 503, "UNAVAILABLE"),
        ("another verb", "model:embedContent", &*key, asked(), 404, "NOT_FOUND"),
        ("no such model to count for", "none:countTokens", &*key, asked(), 404, "NOT_FOUND"),
        // last: a key that is limited rests
        ("a limit", "limited:generateContent", &*key, asked(), 429, "RESOURCE_EXHAUSTED"),
    ] {
        let answer = post(&node, path, shown, &body);
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["status"]), (status, &json!(word)), "{what}: {error}");
        assert_eq!(error["code"], status, "{what}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}");
    }
}

#[test]
fn a_stream_that_breaks_ends_with_an_error_however_it_is_framed() {
    for kind in ["custom", "gemini"] {
        let (_mock, site) =
            mocked(kind, &[("cut", "m+events=9+delay_ms=between:20+fault=cut_after_events:5")]);
        let (_, key) = site.key("app");
        let node = site.start();
        for path in ["cut:streamGenerateContent?alt=sse", "cut:streamGenerateContent"] {
            let said = objects(&post(&node, path, &key, &asked()));
            assert!(said.len() > 1 && !words(&said).is_empty(), "{kind}: {said:?}");
            assert!(said.last().unwrap()["error"]["message"].is_string(), "{kind}: {said:?}");
        }
        node.stop();
        assert_eq!(totals(&site).attempts, 2, "{kind}");
    }
}

#[test]
fn models_are_listed_and_tokens_counted_without_asking_anybody() {
    let (mock, site) = mocked("custom", &[("another/one:8b", "m")]);
    let (_, key) = site.key("app");
    let node = site.start();
    let get =
        |path: &str| node.request("GET", &format!("/v1beta/models{path}"), &[("x-goog-api-key", &key)], "");
    let listed = get("?pageSize=50").json();
    let names: Vec<&str> =
        listed["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["models/another/one:8b", "models/model"]);
    assert_eq!(get("/another/one:8b").json()["name"], "models/another/one:8b");
    let none = get("/none");
    assert_eq!((none.status, &none.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    // the newer clients ask under `/v1`, where the key says whose they are
    let newer = node.request("GET", "/v1/models", &[("x-goog-api-key", &key)], "").json();
    assert_eq!(newer["models"].as_array().map(Vec::len), Some(2), "{newer}");
    let one = node.request("GET", "/v1/models/model", &[("x-goog-api-key", &key)], "").json();
    assert_eq!(one["name"], "models/model");
    let count = |body: &Value| {
        let answer = post(&node, "another/one:8b:countTokens", &key, body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["totalTokens"].as_u64().unwrap()
    };
    let mut body = json!({"contents": [{"parts": [{"text": "say hello"}]}]});
    let short = count(&body);
    body["systemInstruction"] = json!({"parts": [{"text": "you are a very patient clock"}]});
    assert!(0 < short && short < count(&json!({"generateContentRequest": body})));
    assert!(mock.requests().is_empty());
}

#[test]
fn a_promise_is_of_one_model_and_one_way_to_answer() {
    let (mock, site) = mocked("custom", &[("other", "m")]);
    let (_, key) = site.key("app");
    let node = site.start();
    let ask = |path: &str| {
        let headers =
            [("x-goog-api-key", &*key), ("content-type", "application/json"), ("idempotency-key", "once")];
        node.request("POST", &format!("/v1beta/models/{path}"), &headers, &asked().to_string())
    };
    let (one, two) = (ask("model:generateContent"), ask("model:generateContent"));
    assert_eq!((one.status, one.text()), (200, two.text()));
    assert_eq!(two.header("idempotency-replayed"), Some("true"));
    for path in
        ["other:generateContent", "model:streamGenerateContent", "model:streamGenerateContent?alt=sse"]
    {
        assert_eq!(ask(path).status, 422, "{path}");
    }
    assert_eq!(mock.requests().len(), 1);
}
