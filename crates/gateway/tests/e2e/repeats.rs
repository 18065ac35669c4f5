//! One answer for several requests, over real sockets: paid once, said as often as it is asked.

use std::sync::Barrier;

use nexus_testkit::Mock;
use serde_json::{Value, json};

use crate::{
    admin::{Api, assert_says, platform_key},
    client::Answer,
    node::{Node, ask, ask_stream, mocked, until},
};

/// Asks with these headers beside the key.
fn asked(node: &Node<'_>, key: &str, body: &str, more: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {key}");
    let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
    headers.extend(more);
    node.request("POST", "/v1/chat/completions", &headers, body)
}

fn cold(body: &str) -> String {
    body.replacen('{', r#"{"temperature":0,"#, 1)
}

fn requests(mock: &Mock) -> u64 {
    mock.counts().requests
}

/// The answers to so many calls that are made at once.
fn at_once(node: &Node<'_>, count: usize, key: &str, body: &str, more: &[(&str, &str)]) -> Vec<Answer> {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let call = || {
            barrier.wait();
            asked(node, key, body, more)
        };
        let calls: Vec<_> = (0..count).map(|_| scope.spawn(call)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

fn usage(api: &Api<'_>) -> Value {
    api.get("/usage?by=alias").json()["rows"][0].clone()
}

#[test]
fn what_is_asked_under_an_idempotency_key_is_paid_once_whole_streamed_and_at_once() {
    let (mock, site) = mocked(&[]);
    let (admin, (_, app), (_, other)) = (platform_key(&site), site.key("app"), site.key("app"));
    let node = site.start();
    for (name, body) in [("one", ask("gpt")), ("two", ask_stream("gpt"))] {
        let before = requests(&mock);
        let key = [("idempotency-key", name)];
        let first = asked(&node, &app, &body, &key);
        let again = asked(&node, &app, &body, &key);
        assert_eq!((first.status, again.status), (200, 200), "{}", again.text());
        assert_eq!(
            (first.header("idempotency-replayed"), again.header("idempotency-replayed")),
            (None, Some("true"))
        );
        assert_eq!(first.text(), again.text());
        assert_eq!(first.header("content-type"), again.header("content-type"));
        assert_ne!(first.header("x-request-id"), again.header("x-request-id"));
        assert_eq!(requests(&mock) - before, 1);
        let refused = asked(&node, &app, &ask("other"), &key);
        assert_eq!(refused.status, 404, "what the key may not ask for is not told apart by it");
        let refused = asked(&node, &app, &cold(&body), &key);
        assert_eq!((refused.status, refused.header("x-should-retry")), (422, Some("false")));
        assert_eq!(refused.json()["error"]["code"], "idempotency_key_reused");
        assert_eq!(asked(&node, &other, &body, &key).header("idempotency-replayed"), None);
        assert_eq!(requests(&mock) - before, 2);
    }
    mock.set_script("delay_ms=first:300").unwrap();
    for (name, body) in [("three", ask("gpt")), ("four", ask_stream("gpt"))] {
        let before = requests(&mock);
        let answers = at_once(&node, 8, &app, &body, &[("idempotency-key", name)]);
        assert!(answers.iter().all(|answer| answer.status == 200 && answer.text() == answers[0].text()));
        assert_eq!(requests(&mock) - before, 1);
        let replayed = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_some());
        assert_eq!(replayed.count(), 7);
    }
    assert_eq!(asked(&node, &app, &ask("gpt"), &[("idempotency-key", "")]).status, 400);
    let api = Api::new(&node, &admin);
    until("all of it is booked", || (usage(&api)["repeated"] == 16).then_some(()));
    assert_says(&usage(&api), &json!({ "attempts": 6, "failed": 0 }));
    let metrics = node.metrics();
    assert!(metrics.contains(r#"nexus_repeated_answers_total{kind="replayed"} 16"#), "{metrics}");
}

#[test]
fn a_client_that_leaves_mid_stream_comes_back_with_its_key_and_hears_all_of_it() {
    let (mock, site) = mocked(&[("slow", "mock-gpt+events=20+delay_ms=between:20")]);
    let (_, app) = site.key("app");
    let node = site.start();
    let bearer = format!("Bearer {app}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "once"),
    ];
    let mut client = node.client();
    client.send("POST", "/v1/chat/completions", &headers, ask_stream("slow").as_bytes()).unwrap();
    assert_eq!(client.head().unwrap().status, 200);
    assert!(!client.chunk().unwrap().is_empty());
    drop(client);
    let again = node.request("POST", "/v1/chat/completions", &headers, &ask_stream("slow"));
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
    assert!(again.is_complete && again.text().ends_with("data: [DONE]\n\n"), "{}", again.text());
    assert_eq!(requests(&mock), 1);
}

#[test]
fn a_rule_keeps_answers_for_its_team_and_the_ledger_tells_hits_from_calls() {
    let (mock, site) = mocked(&[]);
    let admin = platform_key(&site);
    let node = site.start();
    let api = Api::new(&node, &admin);
    let team_key = |name: &str| {
        let team = api.make("/teams", &json!({ "name": name }));
        let made = api.make("/keys", &json!({ "level": "app", "team_id": team["id"] }));
        made["key"].as_str().unwrap().to_owned()
    };
    let (red, blue) = (team_key("red"), team_key("blue"));
    for wrong in [json!(0), json!(604_801)] {
        let answer = api.post("/routing-rules", &json!({ "alias": "gpt", "cache_ttl_s": wrong }));
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert_eq!(answer.json()["errors"][0]["pointer"], "/cache_ttl_s");
    }
    let said = json!({ "alias": "gpt", "cache_ttl_s": 600 });
    assert_says(&api.make("/routing-rules", &said), &said);
    for body in [cold(&ask("gpt")), cold(&ask_stream("gpt"))] {
        let before = requests(&mock);
        let first = asked(&node, &red, &body, &[]);
        assert_eq!(first.header("x-nexus-cache"), Some("miss"), "{}", first.text());
        let again = asked(&node, &red, &body, &[]);
        assert_eq!((again.header("x-nexus-cache"), again.text()), (Some("hit"), first.text()));
        assert_eq!(asked(&node, &blue, &body, &[]).header("x-nexus-cache"), Some("miss"), "another team");
        let fresh = asked(&node, &red, &body, &[("cache-control", "no-cache")]);
        assert_eq!(fresh.header("x-nexus-cache"), Some("miss"));
        assert_eq!(asked(&node, &red, &body, &[("cache-control", "no-store")]).header("x-nexus-cache"), None);
        assert_eq!(requests(&mock) - before, 4);
    }
    let before = requests(&mock);
    for _ in 0..2 {
        assert_eq!(asked(&node, &red, &ask("gpt"), &[]).header("x-nexus-cache"), None, "it may differ");
    }
    asked(&node, &red, &ask("gpt"), &[("x-nexus-cache", "on")]);
    assert_eq!(
        asked(&node, &red, &ask("gpt"), &[("x-nexus-cache", "on")]).header("x-nexus-cache"),
        Some("hit")
    );
    assert_eq!(requests(&mock) - before, 3);
    until("all of it is booked", || (usage(&api)["repeated"] == 3).then_some(()));
    assert_says(&usage(&api), &json!({ "attempts": 11 }));
    let run = |arguments: &[&str]| site.run(&[arguments, &["--config", "nexus.yaml"]].concat());
    run(&[
        "route",
        "rule",
        "set",
        "--alias",
        "gpt",
        "--cache-ttl-s",
        "1",
        "--hedge-percent",
        "5",
        "--continue",
    ]);
    let listed = run(&["route", "rule", "list", "--output", "json"]);
    for member in [r#""cache_ttl_s":1"#, r#""hedge_percent":5"#, r#""continue":true"#] {
        assert!(listed.contains(member), "{listed}");
    }
}

#[test]
fn the_same_at_once_is_one_call_and_one_that_leaves_takes_it_from_nobody() {
    let (mock, site) = mocked(&[("slow", "mock-gpt+events=10+delay_ms=first:300,between:20")]);
    let (_, app) = site.key("app");
    let node = site.start();
    for body in [cold(&ask("slow")), cold(&ask_stream("slow"))] {
        let before = requests(&mock);
        let bearer = format!("Bearer {app}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let mut leaving = node.client();
        leaving.send("POST", "/v1/chat/completions", &headers, body.as_bytes()).unwrap();
        until("the first is under way", || (requests(&mock) > before).then_some(()));
        let answers = std::thread::scope(|scope| {
            let others = scope.spawn(|| at_once(&node, 6, &app, &body, &[]));
            drop(leaving);
            others.join().unwrap()
        });
        assert!(answers.iter().all(|answer| answer.status == 200 && answer.is_complete));
        assert!(answers.iter().all(|answer| answer.text() == answers[0].text()));
        let coalesced = answers.iter().filter(|answer| answer.header("x-nexus-cache") == Some("coalesced"));
        assert!(coalesced.count() >= 5, "{answers:?}");
        assert!(requests(&mock) - before <= 2, "the first may leave before anybody else comes");
    }
}
