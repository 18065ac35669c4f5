//! One `Idempotency-Key` at two nodes: asked once and charged once, and each node says what it knows.

use std::sync::Barrier;

use serde_json::json;

use super::{number, server::Server, settled, sites};
use crate::{
    admin::{Api, platform_key},
    client::{Answer, Client},
    node::{Node, ask, ask_stream, mocked, until},
};

const NAME: &str = "idempotency-canary-51c7";

fn asked(node: &Node<'_>, key: &str, body: &str, name: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", name)];
    node.request("POST", "/v1/chat/completions", &headers, body)
}

fn refusal(answer: &Answer) -> (u16, String, Option<&str>) {
    let code = answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
    (answer.status, code, answer.header("retry-after"))
}

#[test]
fn what_is_asked_under_a_key_at_two_nodes_is_asked_once_and_nothing_of_it_is_in_redis() {
    let Some(server) = Server::start() else { return };
    let (mock, first) = mocked(&[]);
    let (admin, (_, key)) = (platform_key(&first), first.key("app"));
    let sites = sites(&mock.url(), &first, &server, 2);
    let nodes: Vec<Node<'_>> = sites.iter().map(crate::node::Site::start).collect();
    nodes.iter().for_each(settled);
    let bearer = format!("Bearer {key}");
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", NAME)];
    let mut slow = Client::connect(sites[0].api).unwrap();
    let body = ask_stream("slow");
    slow.send("POST", "/v1/chat/completions", &headers, body.as_bytes()).unwrap();
    assert_eq!(slow.head().unwrap().status, 200);
    let under_way = asked(&nodes[1], &key, &body, NAME);
    let expected = (409, "idempotency_answer_under_way".to_owned(), Some("1"));
    assert_eq!(refusal(&under_way), expected, "{}", under_way.text());
    let other = asked(&nodes[1], &key, &ask("slow"), NAME);
    assert_eq!(refusal(&other), (422, "idempotency_key_reused".to_owned(), None));
    while !slow.chunk().unwrap().is_empty() {}
    until("the other node knows that it was answered", || {
        let (status, code, _) = refusal(&asked(&nodes[1], &key, &body, NAME));
        assert_eq!(status, 409);
        (code == "idempotency_answer_not_kept").then_some(())
    });
    let again = asked(&nodes[0], &key, &body, NAME);
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
    assert_eq!(mock.counts().requests, 1);
    let kept = server.ask(&["KEYS", "*"]);
    for name in kept.lines().filter(|line| line.starts_with("{nexus:")) {
        let text = server.ask(&["GET", name]);
        for secret in [NAME, "say hello", &key] {
            assert!(!name.contains(secret) && !text.contains(secret), "{name}: {text}");
        }
    }
    let api = Api::new(&nodes[1], &admin);
    until("it is charged once", || {
        let rows = api.get("/usage?by=alias").json()["rows"].clone();
        (rows[0]["attempts"] == json!(1) && rows[0]["repeated"] == json!(1)).then_some(())
    });
}

#[test]
fn of_calls_at_once_at_both_nodes_one_is_asked_and_what_failed_may_be_asked_at_the_other() {
    let Some(server) = Server::start() else { return };
    let (mock, first) = mocked(&[]);
    let (_, key) = first.key("app");
    let sites = sites(&mock.url(), &first, &server, 2);
    let nodes: Vec<Node<'_>> = sites.iter().map(crate::node::Site::start).collect();
    nodes.iter().for_each(settled);
    let barrier = Barrier::new(8);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let call = |at: usize| {
            let (node, barrier, key) = (&nodes[at % 2], &barrier, &key);
            scope.spawn(move || {
                barrier.wait();
                asked(node, key, &ask("gpt"), NAME)
            })
        };
        let calls: Vec<_> = (0..8).map(call).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    // where a server was too slow to say, a node asked by itself, and counted it
    let alone = |node| number(&Node::metrics(node), "nexus_promises_alone_total").unwrap_or_default();
    let most = 1.0 + nodes.iter().map(alone).sum::<f64>();
    let reached = mock.counts().requests as f64;
    assert!((1.0..=most).contains(&reached), "{reached} calls reached the provider, {most} might");
    for answer in &answers {
        assert!([200, 409].contains(&answer.status), "{}", answer.text());
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    mock.set_script("fault=status:400").unwrap();
    let failed = asked(&nodes[0], &key, &ask("gpt"), "another");
    assert_eq!(failed.status, 400, "{}", failed.text());
    mock.set_script("").unwrap();
    until("the key is free for another try", || {
        let answer = asked(&nodes[1], &key, &ask("gpt"), "another");
        assert!([200, 409].contains(&answer.status), "{}", answer.text());
        (answer.status == 200).then_some(())
    });
}
