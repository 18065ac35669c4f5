//! Each deadline passes where it should, and only there.

use bytes::Bytes;
use nexus_engine::port::Deadlines;

use crate::upstream::{PATIENT, Step, Upstream, ask_with, provider, send, transport};

#[actix_rt::test]
async fn each_silence_has_its_own_deadline() {
    const SHORT: u64 = 60;
    let first = Deadlines { first_byte_ms: SHORT, ..PATIENT };
    let between = Deadlines { between_chunks_ms: SHORT, ..PATIENT };
    let whole = Deadlines { whole_ms: SHORT, ..PATIENT };
    let begun = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n";
    for (sent, deadlines, expected) in [
        ("", first, "timeout"),
        ("HTTP/1.1 200 OK\r\n", first, "timeout"),
        ("HTTP/1.1 100 Continue\r\n\r\n", first, "timeout"),
        ("", whole, "timeout"),
        (begun, between, "200 {}, then timeout"),
        (begun, whole, "200 {}, then timeout"),
    ] {
        let upstream = Upstream::play(vec![vec![Step::Request, send(sent), Step::Gone]]).await;
        let heard = ask_with(&transport(), &upstream.provider(), Bytes::new(), deadlines).await;
        assert_eq!(heard, expected, "{sent:?}");
        upstream.ended(1).await;
    }
}

#[actix_rt::test]
async fn a_stream_that_keeps_moving_outlives_the_deadline_between_its_pieces() {
    let mut script = vec![Step::Request, send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")];
    for _ in 0..20 {
        script.extend([Step::Told, send("1\r\n.\r\n")]);
    }
    script.push(send("0\r\n\r\n"));
    let upstream = Upstream::play(vec![script]).await;
    let (transport, provider) = (transport(), upstream.provider());
    let brisk = Deadlines { between_chunks_ms: 400, ..PATIENT };
    let paced = async {
        let mut beat = tokio::time::interval(std::time::Duration::from_millis(30));
        for _ in 0..20 {
            beat.tick().await;
            upstream.tell();
        }
    };
    let (heard, ()) =
        futures_util::future::join(ask_with(&transport, &provider, Bytes::new(), brisk), paced).await;
    assert_eq!(heard, format!("200 {}", ".".repeat(20)));
}

#[actix_rt::test]
async fn a_peer_that_takes_the_connection_and_says_nothing_is_timed_out() {
    let upstream = Upstream::play(vec![vec![Step::Gone]]).await;
    let hurried = Deadlines { connect_ms: 60, ..PATIENT };
    let silent = provider(&format!("https://{}/v1", upstream.address));
    assert_eq!(ask_with(&transport(), &silent, Bytes::new(), hurried).await, "timeout");
    upstream.ended(1).await;
}
