//! Each way an answer can break off, lie or go on too long, and what the engine is told.

use bytes::Bytes;
use nexus_engine::port::Deadlines;

use crate::upstream::{PATIENT, Step, Upstream, answer, ask, ask_with, provider, send, transport};

const JSON: &str = "{\"choices\":[{\"message\":{\"content\":\"yes\"}}]}";

/// Answers that come in full: head and framing, and what is read of them.
fn good() -> Vec<(String, String)> {
    let whole = format!("200 {JSON}");
    let len = JSON.len();
    let (left, right) = JSON.split_at(len / 2);
    let chunks = format!(
        "{:x}\r\n{left}\r\n{:X};ext=\"1\"\r\n{right}\r\n0\r\ntrailer: x\r\n\r\n",
        left.len(),
        right.len()
    );
    [
        (format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{JSON}"), whole.clone()),
        (format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\nContent-Length: {len}\r\n\r\n{JSON}"), whole.clone()),
        (format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"), whole.clone()),
        (
            format!("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
            whole.clone(),
        ),
        (format!("HTTP/1.1 200 OK\r\n\r\n{JSON}"), whole.clone()),
        (format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{JSON}"), whole.clone()),
        (format!("HTTP/1.0 200 OK\r\n\r\n{JSON}"), whole.clone()),
        (format!("HTTP/1.0 200 OK\r\nContent-Length: {len}\r\n\r\n{JSON}"), whole.clone()),
        (
            format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{JSON}"),
            whole.clone(),
        ),
        (format!("HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nContent-Length: {len}\r\n\r\n{JSON}"), whole.clone()),
        (
            format!("HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nConnection: X-Foo\r\nX-Foo: 1\r\nContent-Length: {len}\r\n\r\n{JSON}"),
            whole,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), "204 ".to_owned()),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "302 ".to_owned(),
        ),
        (
            "HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>".to_owned(),
            "500 <html>".to_owned(),
        ),
        ("HTTP/1.1 529 Overloaded\r\nContent-Length: 2\r\n\r\n{}".to_owned(), "529 {}".to_owned()),
    ]
    .into()
}

/// Answers that are none, or not whole.
const BAD: &[(&str, &str)] = &[
    ("", "reset"),
    ("HTTP/1.1 200 OK\r\nContent-Le", "truncated"),
    ("HTTP/1.1 100 Continue\r\n\r\n", "truncated"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\":", "200 {\"a\":, then truncated"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "200 , then truncated"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "200 {}, then truncated"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}", "200 {}, then truncated"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", "200 {}, then truncated"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 , then truncated"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "framing"),
    ("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", "framing"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2 2\r\n\r\n{}", "framing"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}", "framing"),
    ("HTTP/1.1 200 OK\r\nX-A: b\r\n folded: c\r\nContent-Length: 2\r\n\r\n{}", "framing"),
    ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "framing"),
    ("HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n{}", "bad_answer"),
    ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x08", "bad_answer"),
    ("220 mail.example ESMTP\r\n", "framing"),
    ("HTTP/2 200 OK\r\n\r\n", "framing"),
];

#[actix_rt::test]
async fn a_good_answer_is_read_whole_at_once_and_byte_by_byte() {
    for (bytes, expected) in good() {
        let drip = Step::Drip(bytes.clone().into_bytes());
        let upstream =
            Upstream::play(vec![vec![Step::Request, send(&bytes)], vec![Step::Request, drip]]).await;
        for _ in 0..2 {
            // a transport of its own for each, so that neither rides on the other's connection
            assert_eq!(ask(&transport(), &upstream.provider()).await, expected, "{bytes}");
        }
    }
}

#[actix_rt::test]
async fn a_bad_answer_is_a_fault_at_once_and_byte_by_byte() {
    for (bytes, expected) in BAD {
        let drip = Step::Drip(bytes.as_bytes().to_vec());
        let upstream =
            Upstream::play(vec![vec![Step::Request, send(bytes)], vec![Step::Request, drip]]).await;
        for _ in 0..2 {
            assert_eq!(ask(&transport(), &upstream.provider()).await, *expected, "{bytes}");
        }
    }
}

#[actix_rt::test]
async fn a_chunk_that_lies_is_a_framing_fault() {
    for lie in ["ZZ\r\n{}", "ffffffffffffffff1\r\n{}", "2\r\n{}{}", "2\n{}\n", "\r\n"] {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n";
        let upstream =
            Upstream::play(vec![vec![Step::Request, send(head), Step::Told, send(lie), Step::Gone]]).await;
        upstream.tell();
        let heard = ask(&transport(), &upstream.provider()).await;
        assert!(["framing", "200 {}, then framing"].contains(&heard.as_str()), "{lie:?}: {heard}");
        // the connection is of no more use, and is let go
        upstream.ended(1).await;
    }
}

#[actix_rt::test]
async fn a_reset_is_told_from_a_truncation_by_where_it_falls() {
    let begun = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n";
    let upstream = Upstream::play(vec![
        vec![Step::Request, Step::Reset],
        vec![Step::Request, send(begun), Step::Told, Step::Reset],
    ])
    .await;
    assert_eq!(ask(&transport(), &upstream.provider()).await, "reset");
    upstream.tell();
    let heard = ask(&transport(), &upstream.provider()).await;
    assert!(heard.ends_with("truncated") || heard == "reset", "{heard}");
}

#[actix_rt::test]
async fn a_head_that_never_ends_is_refused() {
    for line in ["x: y\r\n", "xxxxxxxxxxxxxxxx"] {
        let flood = Step::Flood(line.repeat(100).into_bytes());
        let upstream = Upstream::play(vec![vec![Step::Request, send("HTTP/1.1 200 OK\r\n"), flood]]).await;
        assert_eq!(ask(&transport(), &upstream.provider()).await, "framing");
        upstream.ended(1).await;
    }
}

#[actix_rt::test]
async fn an_answer_that_never_ends_is_cut_at_the_whole_deadline() {
    let flood = Step::Flood(b"10\r\n0123456789abcdef\r\n".repeat(100));
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let upstream = Upstream::play(vec![vec![Step::Request, send(head), flood]]).await;
    let hurried = Deadlines { whole_ms: 100, ..PATIENT };
    let heard = ask_with(&transport(), &upstream.provider(), Bytes::new(), hurried).await;
    assert!(heard.ends_with(", then timeout"));
    upstream.ended(1).await;
}

#[actix_rt::test]
async fn a_refusal_before_the_upload_is_over_is_heard() {
    let body = Bytes::from(vec![b'x'; 20 * 1024 * 1024]);
    for closing in ["Connection: close\r\n", ""] {
        let refusal = format!("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 2\r\n{closing}\r\nno");
        for last in [vec![], vec![Step::Gone]] {
            let mut script = vec![Step::Part(1000), send(&refusal)];
            script.extend(last);
            let upstream = Upstream::play(vec![script, vec![Step::Request, answer("{}")]]).await;
            let transport = transport();
            let heard = ask_with(&transport, &upstream.provider(), body.clone(), PATIENT).await;
            assert_eq!(heard, "413 no");
            // half a request stands on the first connection: the next goes elsewhere
            assert_eq!(ask(&transport, &upstream.provider()).await, "200 {}");
            assert_eq!(upstream.connections(), 2);
        }
    }
}

#[actix_rt::test]
async fn an_interim_head_does_not_end_an_upload() {
    const LEN: usize = 20 * 1024 * 1024;
    let go_on = send("HTTP/1.1 100 Continue\r\n\r\n");
    let script = vec![Step::Part(1000), go_on, Step::Part(LEN - 1000), answer("{}"), Step::Gone];
    let upstream = Upstream::play(vec![script]).await;
    let body = Bytes::from(vec![b'x'; LEN]);
    assert_eq!(ask_with(&transport(), &upstream.provider(), body, PATIENT).await, "200 {}");
}

#[actix_rt::test]
async fn a_request_of_any_size_arrives_whole() {
    for len in [0, 1, 16 * 1024, 16 * 1024 + 1, 300_001, 5_000_000] {
        let body = "x".repeat(len);
        let upstream = Upstream::play(vec![vec![Step::Request, answer("{}")]]).await;
        let heard = ask_with(&transport(), &upstream.provider(), Bytes::from(body.clone()), PATIENT).await;
        assert_eq!(heard, "200 {}");
        let request = upstream.seen.borrow().requests[0].clone();
        let (head, sent) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {len}")) && sent == body, "{len}");
    }
}

#[actix_rt::test]
async fn the_request_bears_exactly_the_decided_headers() {
    let upstream = Upstream::play(vec![vec![Step::Request, answer("{}")]]).await;
    ask(&transport(), &upstream.provider()).await;
    let request = upstream.seen.borrow().requests[0].clone();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let mut headers: Vec<_> = headers.lines().collect();
    headers.sort_unstable();
    assert_eq!((line, body), ("POST /v1/chat/completions HTTP/1.1", "{}"));
    assert_eq!(
        headers,
        [
            "accept-encoding: identity",
            "accept: application/json",
            "authorization: Bearer sk-secret",
            "content-length: 2",
            "content-type: application/json",
            &format!("host: {}", upstream.address),
            &format!("user-agent: nexus/{}", env!("CARGO_PKG_VERSION")),
        ]
    );
}

#[actix_rt::test]
async fn nobody_is_connected_to_who_is_inside_without_leave() {
    let upstream = Upstream::play(vec![]).await;
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f.1", "0.0.0.0"] {
        let mut inside = provider(&format!("http://{host}:{}/v1", upstream.address.port()));
        inside.allow_private_network = false;
        assert_eq!(ask(&transport(), &inside).await, "forbidden_address", "{host}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[actix_rt::test]
async fn who_does_not_listen_is_a_connect_fault() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(ask(&transport(), &provider(&format!("http://{gone}/v1"))).await, "connect");
}
