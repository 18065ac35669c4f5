//! Answers through the framing, cut at every byte: what awc would read, and how it would end.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use nexus_core::fault::Class;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

/// A socket whose peer sends pieces and then ends, or stays.
struct Scripted {
    pieces: VecDeque<Vec<u8>>,
    stays: bool,
    /// How many bytes of requests are taken before writes block, or fail.
    takes: usize,
    fails: bool,
}

impl AsyncRead for Scripted {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.pieces.pop_front() {
            Some(mut piece) => {
                let rest = piece.split_off(piece.len().min(buf.remaining()));
                if !rest.is_empty() {
                    this.pieces.push_front(rest);
                }
                buf.put_slice(&piece);
                Poll::Ready(Ok(()))
            }
            None if this.stays => Poll::Pending,
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let taken = bytes.len().min(this.takes);
        this.takes -= taken;
        match (taken, this.fails) {
            (0, true) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            (0, false) => Poll::Pending,
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn connection(answer: &[u8], cut: usize, stays: bool) -> Honest<Scripted> {
    let pieces = answer.chunks(cut).map(<[u8]>::to_vec).collect();
    Honest::new(Scripted { pieces, stays, takes: usize::MAX, fails: false })
}

fn write(connection: &mut Honest<Scripted>, bytes: &[u8]) -> Poll<usize> {
    Pin::new(connection).poll_write(&mut Context::from_waker(Waker::noop()), bytes).map(Result::unwrap)
}

fn class(error: &io::Error) -> Class {
    error.get_ref().unwrap().downcast_ref::<Broken>().unwrap().class
}

/// Everything awc reads of one answer, and the end: whether the connection is `open` or `closed`, or what broke.
fn read(connection: &mut Honest<Scripted>) -> (String, String) {
    let mut all = Vec::new();
    let mut space = [0; 1024];
    let end = loop {
        let mut buf = ReadBuf::new(&mut space);
        match Pin::new(&mut *connection).poll_read(&mut Context::from_waker(Waker::noop()), &mut buf) {
            Poll::Pending => break "waits".to_owned(),
            Poll::Ready(Err(error)) => break class(&error).as_str().to_owned(),
            Poll::Ready(Ok(())) => all.extend_from_slice(buf.filled()),
        }
        if matches!(connection.stage, Stage::Idle) && connection.out.is_empty() {
            break if connection.io.is_some() { "open" } else { "closed" }.to_owned();
        }
    };
    (String::from_utf8(all).unwrap(), end)
}

/// The body in a run of chunks, whatever their sizes.
fn unchunked(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        let (data, rest) = rest.split_at(size.min(rest.len()));
        body.push_str(data);
        chunks = rest.strip_prefix("\r\n").unwrap_or_default();
    }
    body
}

#[test]
fn an_answer_reads_the_same_however_it_is_cut() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (answer, seen, end) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "", "open"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", "open"),
        ("HTTP/1.1 204 No\r\n\r\n", "", "open"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}", "", "closed"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "", "open"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\na: b\r\n\r\n", "", "open"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", "", "truncated"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n", "", "truncated"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{}", "", "truncated"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "closed",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "open",
        ),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\n{}",
            "closed",
        ),
        ("HTTP/1.1 100 Continue\r\n\r\n", "nothing", "truncated"),
        ("HTTP/1.1 200 OK\r\ncontent-le", "nothing", "truncated"),
        ("", "nothing", "reset"),
    ] {
        let seen = match seen {
            "" => answer,
            "nothing" => "",
            other => other,
        };
        for cut in 1..=answer.len().max(1) {
            let mut connection = connection(answer.as_bytes(), cut, false);
            assert_eq!(write(&mut connection, b"POST"), Poll::Ready(4));
            assert_eq!(read(&mut connection), (seen.to_owned(), end.to_owned()), "{answer:?} cut at {cut}");
        }
    }
    for head in ["HTTP/1.1 200 OK\r\n", "HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\r\nconnection: close\r\n"] {
        for body in ["", "{}", "{\"a\":\"b\\r\\n0\\r\\n\\r\\n\"}"] {
            let answer = format!("{head}\r\n{body}");
            for cut in 1..=answer.len() {
                let mut connection = connection(answer.as_bytes(), cut, false);
                assert_eq!(write(&mut connection, b"POST"), Poll::Ready(4));
                let (seen, end) = read(&mut connection);
                let (shown, chunks) = seen.split_once("\r\n\r\n").unwrap();
                assert!(shown.ends_with(CHUNKED.trim_end().split_once("\r\n").unwrap().1), "{shown}");
                assert!(chunks.ends_with("0\r\n\r\n"));
                assert_eq!((unchunked(chunks).as_str(), end.as_str()), (body, "closed"));
            }
        }
    }
}

#[test]
fn bytes_behind_the_answer_are_never_read() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 204 No\r\n\r\n",
    ] {
        let poisoned = format!("{answer}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nPOISON");
        for cut in 1..=poisoned.len() {
            let mut connection = connection(poisoned.as_bytes(), cut, true);
            assert_eq!(write(&mut connection, b"POST"), Poll::Ready(4));
            let (seen, _) = read(&mut connection);
            assert_eq!(seen, answer, "cut at {cut}");
            // what the pool sees when it asks: not silence, so not alive
            assert_eq!(read(&mut connection), (String::new(), "reset".to_owned()));
            assert!(connection.io.is_none());
        }
    }
}

#[test]
fn an_idle_connection_lives_as_long_as_it_is_silent() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    for (stays, expected) in [(true, "waits"), (false, "reset")] {
        let mut connection = connection(answer, answer.len(), stays);
        assert_eq!(write(&mut connection, b"POST"), Poll::Ready(4));
        assert_eq!(read(&mut connection).1, "open");
        assert_eq!(read(&mut connection).1, expected);
    }
}

#[test]
fn a_death_before_the_answer_is_stale_only_on_a_connection_that_served() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    for (before, is_stale) in [(&answer[..], true), (b"", false)] {
        let mut connection = connection(before, 100, false);
        assert_eq!(write(&mut connection, b"POST"), Poll::Ready(4));
        if is_stale {
            assert_eq!(read(&mut connection).1, "open");
            assert_eq!(write(&mut connection, b"POST"), Poll::Ready(4));
        }
        let mut space = [0; 64];
        let mut buf = ReadBuf::new(&mut space);
        let polled = Pin::new(&mut connection).poll_read(&mut Context::from_waker(Waker::noop()), &mut buf);
        let Poll::Ready(Err(error)) = polled else { panic!("{polled:?}") };
        let broken = error.get_ref().unwrap().downcast_ref::<Broken>().unwrap();
        assert_eq!((broken.class, broken.is_stale), (Class::Reset, is_stale));
    }
}

#[test]
fn an_early_answer_is_delivered_and_the_rest_of_the_request_goes_nowhere() {
    let refusal = "HTTP/1.1 413 Large\r\ncontent-length: 2\r\n\r\nno";
    for (answer, fails, seen, end) in [
        (refusal, false, refusal, "closed"),
        (refusal, true, refusal, "closed"),
        ("", true, "", "reset"),
        (
            "HTTP/1.1 413 Large\r\ncontent-length: 3\r\n\r\nno",
            true,
            "HTTP/1.1 413 Large\r\ncontent-length: 3\r\n\r\nno",
            "truncated",
        ),
    ] {
        for cut in 1..=answer.len().max(1) {
            let mut connection = connection(answer.as_bytes(), cut, false);
            let io = connection.io.as_mut().unwrap();
            (io.takes, io.fails) = (4, fails);
            assert_eq!(write(&mut connection, b"POST / and more"), Poll::Ready(4));
            assert_eq!(write(&mut connection, b" / and more"), Poll::Ready(11));
            assert_eq!(write(&mut connection, b"a body"), Poll::Ready(6));
            assert_eq!(read(&mut connection), (seen.to_owned(), end.to_owned()), "{answer:?} cut at {cut}");
        }
    }
}

#[test]
fn an_interim_head_does_not_end_an_upload() {
    let mut connection = connection(b"HTTP/1.1 100 Continue\r\n\r\n", 7, true);
    connection.io.as_mut().unwrap().takes = 4;
    assert_eq!(write(&mut connection, b"POST"), Poll::Ready(4));
    assert_eq!(write(&mut connection, b" / and more"), Poll::Pending);
    connection.io.as_mut().unwrap().takes = usize::MAX;
    assert_eq!(write(&mut connection, b" / and more"), Poll::Ready(11));
    assert_eq!(read(&mut connection), (String::new(), "waits".to_owned()));
}

#[test]
fn a_head_without_end_is_refused_at_its_limit() {
    for (line, times) in [("x: y\r\n", 20_000), ("x", 100_000), ("HTTP/1.1 100 Continue\r\n\r\n", 5_000)] {
        let opening = if line.starts_with("HTTP") { "" } else { "HTTP/1.1 200 OK\r\n" };
        for cut in [7, 1000, 100_000] {
            let mut connection = connection(format!("{opening}{}", line.repeat(times)).as_bytes(), cut, true);
            assert_eq!(write(&mut connection, b"POST"), Poll::Ready(4));
            assert_eq!(read(&mut connection), (String::new(), "framing".to_owned()), "{line}");
        }
    }
}

#[test]
fn a_chunk_line_says_the_size_in_eight_digits() {
    for (len, line) in
        [(0, "00000000\r\n"), (1, "00000001\r\n"), (0xabc, "00000abc\r\n"), (0xffff_ffff, "ffffffff\r\n")]
    {
        assert_eq!(chunk_line(len), line.as_bytes());
    }
}

#[actix_rt::test]
async fn a_buffer_too_small_for_a_chunk_is_an_error_not_a_loss() {
    let mut connection = connection(b"HTTP/1.1 200 OK\r\n\r\n{}", 19, true);
    assert_eq!(write(&mut connection, b"POST"), Poll::Ready(4));
    let mut space = [0; 12];
    while !connection.out.is_empty() || matches!(connection.stage, Stage::Head) {
        let mut buf = ReadBuf::new(&mut space);
        poll_fn(|cx| Pin::new(&mut connection).poll_read(cx, &mut buf)).await.unwrap();
    }
    let mut buf = ReadBuf::new(&mut space);
    let refused = poll_fn(|cx| Pin::new(&mut connection).poll_read(cx, &mut buf)).await;
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
}
