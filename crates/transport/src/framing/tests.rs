//! Answers cut at every byte: what is read of them, and how they end.

use nexus_core::fault::Class;

use super::*;

/// What is read of an answer that arrives in `pieces`, then the connection ends: status and body, and whether
/// the connection may serve again (`open`), must not (`closed`), or why the answer is none.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (String, &'static str) {
    let mut opening = Opening::default();
    let mut body: Option<(Extent, bool)> = None;
    let mut seen = String::new();
    for piece in pieces {
        let mut piece = BytesMut::from(piece);
        if body.is_none() {
            match opening.feed(piece, |status, _| status) {
                Err(broken) => return (seen, broken.class.as_str()),
                Ok(None) => continue,
                Ok(Some(begun)) => {
                    seen = format!("{} ", begun.head);
                    body = Some((begun.extent, begun.may_serve_again));
                    piece = begun.rest;
                }
            }
        }
        let Some((extent, may_serve_again)) = &mut body else { continue };
        match extent.take(piece) {
            Err(broken) => return (seen, broken.class.as_str()),
            Ok(taken) => {
                seen.push_str(std::str::from_utf8(&taken.data).unwrap());
                if taken.is_end {
                    return (seen, if *may_serve_again && !taken.is_extra { "open" } else { "closed" });
                }
            }
        }
    }
    match body {
        None => (seen, opening.end(false).class.as_str()),
        Some((extent, _)) => (seen, extent.end().map_or_else(|broken| broken.class.as_str(), |_| "closed")),
    }
}

fn check(answer: &str, expected: (&str, &str)) {
    let bytes = answer.as_bytes();
    for cut in 1..=bytes.len().max(1) {
        let (seen, end) = read(bytes.chunks(cut));
        assert_eq!((seen.as_str(), end), expected, "{answer:?} in pieces of {cut}");
    }
    for at in 0..bytes.len() {
        let (left, right) = bytes.split_at(at);
        let (seen, end) = read([left, right].into_iter().filter(|piece| !piece.is_empty()));
        assert_eq!((seen.as_str(), end), expected, "{answer:?} cut at {at}");
    }
}

#[test]
fn an_answer_reads_the_same_however_it_is_cut() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", ("200 {}", "open")),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ("200 ", "open")),
        ("HTTP/1.1 204 No\r\n\r\n", ("204 ", "open")),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}", ("200 {}", "closed")),
        (&format!("{CHUNKED}2\r\n{{}}\r\n0\r\n\r\n"), ("200 {}", "open")),
        (&format!("{CHUNKED}1\r\n{{\r\n1;x=y\r\n}}\r\n0\r\na: b\r\n\r\n"), ("200 {}", "open")),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", ("200 {}", "truncated")),
        (&format!("{CHUNKED}2\r\n{{}}\r\n"), ("200 {}", "truncated")),
        (&format!("{CHUNKED}ff\r\n{{}}"), ("200 {}", "truncated")),
        (CHUNKED, ("200 ", "truncated")),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            ("200 {}", "closed"),
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            ("200 {}", "open"),
        ),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", ("200 {}", "closed")),
        (
            "HTTP/1.1 200 OK\r\n\r\n{\"a\":\"b\\r\\n0\\r\\n\\r\\n\"}",
            ("200 {\"a\":\"b\\r\\n0\\r\\n\\r\\n\"}", "closed"),
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", ("200 ", "closed")),
        ("HTTP/1.1 100 Continue\r\n\r\n", ("", "truncated")),
        ("HTTP/1.1 200 OK\r\ncontent-le", ("", "truncated")),
        ("", ("", "reset")),
    ] {
        check(answer, expected);
    }
}

#[test]
fn bytes_behind_the_answer_are_never_part_of_it() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "200 {}"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "200 {}"),
        ("HTTP/1.1 204 No\r\n\r\n", "204 "),
    ] {
        let poisoned = format!("{answer}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nPOISON");
        for cut in 1..=poisoned.len() {
            let (seen, end) = read(poisoned.as_bytes().chunks(cut));
            // where the poison comes in a piece of its own, the connection is found not to be silent
            let is_apart = answer.len().is_multiple_of(cut);
            assert_eq!((seen.as_str(), end), (expected, if is_apart { "open" } else { "closed" }), "{cut}");
        }
    }
}

#[test]
fn a_death_before_the_answer_is_stale_only_on_a_connection_that_served() {
    for has_served in [true, false] {
        let broken = Opening::default().end(has_served);
        assert_eq!((broken.class, broken.is_stale), (Class::Reset, has_served));
    }
    let mut opening = Opening::default();
    assert!(opening.feed(BytesMut::from(&b"H"[..]), |_, _| ()).unwrap().is_none());
    assert!(!opening.end(true).is_stale);
}

#[test]
fn a_head_without_end_is_refused_at_its_limit() {
    for (line, times) in [("x: y\r\n", 20_000), ("x", 100_000), ("HTTP/1.1 100 Continue\r\n\r\n", 5_000)] {
        let opening = if line.starts_with("HTTP") { "" } else { "HTTP/1.1 200 OK\r\n" };
        for cut in [7, 1000, 100_000] {
            let bytes = format!("{opening}{}", line.repeat(times)).into_bytes();
            assert_eq!(read(bytes.chunks(cut)), (String::new(), "framing"), "{line}");
        }
    }
}
