//! What providers do wrong, byte for byte: the client gets a well-formed error or a complete answer, and
//! never a truncated one passed off as whole.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use nexus_testkit::{After, Exchange, RawServer};

use crate::{
    client::Answer,
    node::{Site, ask, ask_stream, provider},
};

struct Case {
    name: String,
    bytes: Vec<u8>,
    after: After,
    expected: String,
}

const JSON: &str = r#"{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"whole"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

/// Serves each case with a real gateway, whole and streamed, and checks the ends it may come to.
fn check(cases: &[Case]) {
    let servers: Vec<_> = cases
        .iter()
        .map(|case| {
            let exchange = Exchange { bytes: Bytes::from(case.bytes.clone()), after: case.after };
            RawServer::start(vec![exchange]).unwrap()
        })
        .collect();
    let providers: String = cases
        .iter()
        .zip(&servers)
        .map(|(case, server)| {
            let endpoint = format!("http://{}/v1", server.addr());
            provider(&case.name.replace('_', "-"), &endpoint, &[(&case.name, "m")])
        })
        .collect();
    let site = Site::new(&providers);
    let (_, key) = site.key("app");
    let node = site.start();
    for case in cases {
        // Twice each, so that a poisoned connection would show in the second.
        for body in [ask(&case.name), ask_stream(&case.name), ask(&case.name)] {
            let answer = node.chat(&key, &body);
            judge(case, &answer);
        }
    }
    node.stop();
}

fn judge(case: &Case, answer: &Answer) {
    let at = || format!("{} ({}): {} {}", case.name, case.expected, answer.status, answer.text());
    assert!(answer.is_complete, "{}", at());
    assert!(!answer.text().contains("POISON") && answer.header("set-cookie").is_none(), "{}", at());
    assert!(answer.header("x-foo").is_none() && answer.header("injected").is_none(), "{}", at());
    let is_error = match answer.header("content-type") {
        Some("application/json") => answer.json()["error"]["message"].is_string(),
        _ => {
            let last = answer.events().pop().unwrap_or_default();
            serde_json::from_str::<serde_json::Value>(&last)
                .is_ok_and(|last| last["error"]["message"].is_string())
        }
    };
    let wanted = match case.expected.as_str() {
        "413_forwarded" => is_error && answer.status == 413,
        "502" | "never_follow_502" => is_error && answer.status == 502,
        "timeout" => is_error && answer.status == 504,
        "stream_error_event_to_client_and_partial_billing" => is_error,
        "complete" => answer.status == 200 && answer.text().contains("whole"),
        "error_retryable" => {
            is_error && answer.status >= 500 && answer.header("x-should-retry") != Some("false")
        }
        expected if expected.starts_with("error") => is_error && answer.status >= 500,
        // A body that is no chat completion is an error too, whatever else the case is about.
        _ => is_error && answer.status == 502,
    };
    assert!(wanted, "{}", at());
}

#[test]
fn faults_on_the_wire_end_as_errors_and_odd_but_whole_answers_as_answers() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let length = JSON.len();
    let half = &JSON[..length / 2];
    let case = |name: &str, bytes: String, after, expected: &str| Case {
        name: name.to_owned(),
        bytes: bytes.into_bytes(),
        after,
        expected: expected.to_owned(),
    };
    check(&[
        case(
            "short_length",
            format!("{head}content-length: {length}\r\n\r\n{half}"),
            After::Fin,
            "error_truncated",
        ),
        case(
            "short_reset",
            format!("{head}content-length: {length}\r\n\r\n{half}"),
            After::Rst,
            "error_truncated",
        ),
        case(
            "no_terminator",
            format!("{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{JSON}\r\n"),
            After::Fin,
            "error_truncated",
        ),
        case("until_close", format!("{head}\r\n{JSON}"), After::Fin, "complete"),
        case("until_close_said", format!("{head}connection: close\r\n\r\n{JSON}"), After::Fin, "complete"),
        case(
            "until_close_1_0",
            format!("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{JSON}"),
            After::Fin,
            "complete",
        ),
        case("until_close_half", format!("{head}\r\n{half}"), After::Fin, "error_truncated"),
        case(
            "continue_first",
            format!("HTTP/1.1 100 Continue\r\n\r\n{head}content-length: {length}\r\n\r\n{JSON}"),
            After::Keep,
            "complete",
        ),
        case(
            "hints_first",
            format!(
                "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n{head}content-length: {length}\r\n\r\n{JSON}"
            ),
            After::Fin,
            "complete",
        ),
        case(
            "poisoned",
            format!(
                "{head}content-length: {length}\r\n\r\n{JSON}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nPOISON"
            ),
            After::Keep,
            "complete",
        ),
        case(
            "poisoned_chunked",
            format!("{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{JSON}\r\n0\r\n\r\nPOISON"),
            After::Keep,
            "complete",
        ),
        case(
            "cookies",
            format!(
                "{head}set-cookie: a=b\r\nconnection: x-foo\r\nx-foo: 1\r\ncontent-length: {length}\r\n\r\n{JSON}"
            ),
            After::Fin,
            "complete",
        ),
        case(
            "redirect",
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"
                .into(),
            After::Fin,
            "502",
        ),
        case(
            "gzip",
            format!("{head}content-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\u{8b}"),
            After::Fin,
            "error_truncated",
        ),
        case(
            "html",
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>".into(),
            After::Fin,
            "502",
        ),
        case("nothing", String::new(), After::Fin, "error_retryable"),
        case("reset", String::new(), After::Rst, "error_retryable"),
        case("silence", String::new(), After::Hold, "timeout"),
        case(
            "early_413",
            "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 2\r\n\r\nno".into(),
            After::Early,
            "413_forwarded",
        ),
    ]);
}

#[test]
fn the_fault_corpus_ends_as_it_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/own/upstream_faults.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("upstream faults: absent");
        return;
    };
    let corpus: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let cases: Vec<_> = corpus
        .iter()
        .map(|case| Case {
            name: case["name"].as_str().unwrap().to_owned(),
            bytes: STANDARD.decode(case["response_b64"].as_str().unwrap()).unwrap(),
            after: After::named(case["after"].as_str().unwrap()).unwrap(),
            expected: case["expected_gateway"].as_str().unwrap().to_owned(),
        })
        .collect();
    check(&cases);
    println!("upstream faults: {} cases, whole and streamed", cases.len());
}

#[test]
fn a_private_address_is_only_connected_to_where_it_is_allowed() {
    let server =
        RawServer::start(vec![Exchange { bytes: Bytes::from_static(b""), after: After::Fin }]).unwrap();
    let guarded = provider("guarded", &format!("https://{}/v1", server.addr()), &[("guarded", "m")])
        .replace("allow_private_network: true", "allow_private_network: false");
    let site = Site::new(&guarded);
    let (_, key) = site.key("app");
    let node = site.start();
    assert_eq!(node.chat(&key, &ask("guarded")).status, 502);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_key_that_looks_like_none_is_taken_out_of_what_a_provider_says_in_a_200_or_in_the_middle_of_a_stream() {
    const KEY: &str = "lettersonlyandnothingelse";
    let error = format!(r#"{{"error":{{"message":"you showed {KEY} to us","type":"x"}}}}"#);
    let whole = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{error}",
        error.len()
    );
    let chunk = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}"#;
    let stream = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {chunk}\n\ndata: {error}\n\n"
    );
    for (bytes, body) in [(whole, ask("m")), (stream, ask_stream("m"))] {
        let exchange = Exchange { bytes: Bytes::from(bytes), after: After::Fin };
        let server = RawServer::start(vec![exchange]).unwrap();
        let endpoint = format!("http://{}/v1", server.addr());
        let site = Site::new(&provider("echo", &endpoint, &[("m", "m")]).replace("${PROVIDER_KEY}", KEY));
        let (_, key) = site.key("app");
        let node = site.start();
        let answer = node.chat(&key, &body);
        assert!(answer.text().contains("you showed"), "{}", answer.text());
        for text in [answer.text(), &site.log()] {
            assert!(!text.contains(KEY), "{text}");
        }
    }
}
