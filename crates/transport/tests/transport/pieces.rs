//! In which pieces a body is handed out, and when its connection is free again.

use bytes::Bytes;
use futures_util::StreamExt;

use crate::upstream::{PATIENT, Step, Upstream, answer, ask, head_of, send, transport};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// The pieces of the one answer that `steps` make.
async fn pieces(steps: Vec<Step>) -> Vec<String> {
    let upstream = Upstream::play(vec![[vec![Step::Request], steps].concat()]).await;
    let transport = transport();
    let answer = head_of(&transport, &upstream.provider(), Bytes::new(), PATIENT).await.unwrap();
    upstream.tell();
    answer.body.map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap()).collect().await
}

#[actix_rt::test]
async fn what_arrives_together_is_one_piece() {
    let chunks = "3\r\nabc\r\n1;x=y\r\nd\r\n2\r\nef\r\n";
    for (steps, expected) in [
        (vec![answer("hello")], &["hello"][..]),
        (vec![answer("")], &[]),
        (vec![send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"), Step::Told, send("hello")], &["hello"]),
        (
            vec![send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe"), Step::Told, send("llo")],
            &["he", "llo"],
        ),
        (vec![send(format!("{CHUNKED}{chunks}0\r\n\r\n"))], &["abcdef"]),
        (vec![send(CHUNKED), Step::Told, send(format!("{chunks}0\r\n\r\n"))], &["abcdef"]),
        (vec![send(format!("{CHUNKED}{chunks}")), Step::Told, send("0\r\n\r\n")], &["abcdef"]),
        (
            vec![send(format!("{CHUNKED}{chunks}4\r\ngh")), Step::Told, send("ij\r\n0\r\n\r\n")],
            &["abcdefgh", "ij"],
        ),
        (vec![send("HTTP/1.1 200 OK\r\n\r\nhe"), Step::Told, send("llo")], &["he", "llo"]),
    ] {
        assert_eq!(pieces(steps.clone()).await, expected, "{steps:?}");
    }
}

#[actix_rt::test]
async fn a_large_answer_arrives_whole_in_every_framing() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| b'a' + (at % 23) as u8).collect();
    let sized = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    let mut chunked = CHUNKED.as_bytes().to_vec();
    for chunk in body.chunks(1009) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    for bytes in [
        [sized, body.clone()].concat(),
        chunked,
        [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), body.clone()].concat(),
    ] {
        let heard = pieces(vec![send(bytes)]).await;
        assert!(heard.concat().into_bytes() == body);
    }
}

#[actix_rt::test]
async fn an_answer_that_came_whole_frees_its_connection_before_it_is_read() {
    let script = vec![Step::Request, answer("1"), Step::Request, answer("2"), Step::Gone];
    let upstream = Upstream::play(vec![script]).await;
    let transport = transport();
    let first = head_of(&transport, &upstream.provider(), Bytes::new(), PATIENT).await.unwrap();
    assert_eq!(ask(&transport, &upstream.provider()).await, "200 2");
    assert_eq!(first.body.map(Result::unwrap).collect::<Vec<_>>().await, ["1"]);
    assert_eq!(upstream.connections(), 1);
}

#[actix_rt::test]
async fn pieces_stay_what_they_are_while_others_are_read() {
    let scripts = (0..8).map(|at| {
        let body = |half| format!("{at}{half}").repeat(500);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n{}", body("a"));
        vec![Step::Request, send(head), Step::Told, send(body("b"))]
    });
    let upstream = Upstream::play(scripts.collect()).await;
    let (transport, provider) = (transport(), upstream.provider());
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(head_of(&transport, &provider, Bytes::new(), PATIENT).await.unwrap().body);
    }
    let mut halves = Vec::new();
    for body in &mut answers {
        halves.push(body.next().await.unwrap().unwrap());
    }
    for (at, body) in answers.iter_mut().enumerate() {
        upstream.tell();
        let second = body.next().await.unwrap().unwrap();
        assert_eq!(second, format!("{at}b").repeat(500));
    }
    for (at, first) in halves.iter().enumerate() {
        assert_eq!(*first, format!("{at}a").repeat(500));
    }
}
