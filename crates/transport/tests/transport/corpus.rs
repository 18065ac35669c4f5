//! The shared collections of upstream faults and of forbidden addresses, where they are present.

use std::{fs, net::IpAddr, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use nexus_core::endpoint::Endpoint;
use nexus_engine::port::Deadlines;
use serde::Deserialize;

use crate::upstream::{PATIENT, Step, Upstream, answer, ask, ask_with, provider, send, transport};

#[derive(Deserialize)]
struct Case {
    name: String,
    response_b64: String,
    after: String,
    expected_gateway: String,
}

fn shared(name: &str) -> Option<String> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/own")).join(name);
    let text = fs::read_to_string(path).ok();
    if text.is_none() {
        println!("{name}: absent, no cases ran");
    }
    text
}

/// Whether what was heard is what the case says the gateway is to make of it, as far as this layer goes.
fn is_as_expected(case: &Case, heard: &str) -> bool {
    let is_fault = |class: &str| heard == class || heard.ends_with(&format!("then {class}"));
    let is_whole = heard.starts_with(|first: char| first.is_ascii_digit()) && !heard.contains(", then ");
    match case.expected_gateway.as_str() {
        "error_truncated" => is_fault("truncated"),
        "error_bad_framing" => is_fault("framing"),
        "error" => !is_whole,
        "error_retryable" => is_fault("reset"),
        "timeout" => is_fault("timeout"),
        "502" => is_fault("bad_answer"),
        "body=hello" | "accept_once_then_close_connection" => heard == "200 hello",
        "never_follow_502" => heard == "302 ",
        "413_forwarded" => heard == "413 no",
        "second_response_never_served_to_next_request" | "hop_by_hop_and_set_cookie_stripped" => {
            heard == "200 ok"
        }
        "stream_error_event_to_client_and_partial_billing" => is_whole && heard.contains("event: error"),
        "error_or_ok" | "error_or_folded_never_two_headers" => heard == "200 ok" || !is_whole,
        other => panic!("{}: `{other}` is an outcome this test does not know", case.name),
    }
}

#[actix_rt::test]
async fn every_shared_upstream_fault_ends_as_it_should() {
    let Some(text) = shared("upstream_faults.json") else { return };
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    for case in &cases {
        let response = send(BASE64_STANDARD.decode(&case.response_b64).unwrap());
        let script = match case.after.as_str() {
            "fin" => vec![Step::Request, response],
            "rst" => vec![Step::Request, response, Step::Reset],
            "hold" | "keep" => vec![Step::Request, response, Step::Gone],
            "early" => vec![Step::Part(100), response],
            other => panic!("{}: `{other}` is an ending this test does not know", case.name),
        };
        let is_held = case.after == "hold";
        let deadlines = if is_held { Deadlines { first_byte_ms: 100, ..PATIENT } } else { PATIENT };
        let body = if case.after == "early" { vec![b' '; 20 * 1024 * 1024] } else { b"{}".to_vec() };
        let upstream = Upstream::play(vec![script, vec![Step::Request, answer("next")]]).await;
        let transport = transport();
        let heard = ask_with(&transport, &upstream.provider(), Bytes::from(body), deadlines).await;
        assert!(is_as_expected(case, &heard), "{}: {heard}", case.name);
        // whatever came before, the next request has its own answer, and its own connection
        assert_eq!(ask(&transport, &upstream.provider()).await, "200 next", "{}", case.name);
        assert_eq!(upstream.connections(), 2, "{}", case.name);
    }
    println!("upstream_faults.json: {} cases ran", cases.len());
}

#[actix_rt::test]
async fn every_shared_forbidden_address_is_refused() {
    let Some(text) = shared("ssrf_block.txt") else { return };
    let urls: Vec<_> = text.lines().map(|line| line.split(" #").next().unwrap_or(line)).collect();
    let mut ran = 0;
    for url in &urls {
        // what is no endpoint is refused before it gets here; names would be asked of a resolver out there
        let Ok(endpoint) = Endpoint::parse(url) else { continue };
        if endpoint.host.parse::<IpAddr>().is_err() && &*endpoint.host != "localhost" {
            continue;
        }
        let mut outside = provider(url);
        outside.allow_private_network = false;
        assert_eq!(ask(&transport(), &outside).await, "forbidden_address", "{url}");
        ran += 1;
    }
    println!("ssrf_block.txt: {ran} of {} cases ran", urls.len());
}

#[test]
fn every_shared_allowed_endpoint_is_read() {
    let Some(text) = shared("ssrf_allow.txt") else { return };
    let urls: Vec<_> = text.lines().map(|line| line.split(" #").next().unwrap_or(line)).collect();
    for url in &urls {
        assert!(Endpoint::parse(url).is_ok(), "{url}");
    }
    println!("ssrf_allow.txt: {} cases ran", urls.len());
}
