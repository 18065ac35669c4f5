//! The head of an answer: what it says of its body's extent, and whether awc may see it as it came.
//!
//! awc is shown a head only if it reads the same extent out of it. A head it would read differently is
//! rewritten to bear exactly one framing header; one whose extent is in doubt is refused.

use std::mem::MaybeUninit;

use bytes::{BufMut, BytesMut};
use nexus_core::fault::Class;

use super::extent::Extent;
use crate::fault::Broken;

/// All heads of one answer together, the interim ones counted.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// As many as awc takes.
const HEADERS_MAX: usize = 96;

/// What the bytes at the start of an answer are.
#[derive(Debug)]
pub(super) enum Sight {
    /// No whole head yet.
    Partial,
    /// A `1xx` head of this many bytes: the answer is still to come.
    Interim(usize),
    Whole(Head),
}

/// The head of a final answer.
#[derive(Debug)]
pub(super) struct Head {
    /// In bytes, its blank line included.
    pub(super) len: usize,
    pub(super) extent: Extent,
    /// Whether the connection may serve again after this answer.
    pub(super) may_serve_again: bool,
    /// The head awc is to see instead.
    pub(super) rewritten: Option<BytesMut>,
}

/// Looks at the start of an answer.
pub(super) fn look(bytes: &[u8]) -> Result<Sight, Broken> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut headers,
    );
    let len = match parsed {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(Sight::Partial),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Broken::framing("the answer's head has more than 96 headers"));
        }
        Err(_) => return Err(Broken::framing("the answer's head is no HTTP/1.1")),
    };
    if len > HEAD_BYTES_MAX {
        return Err(too_long());
    }
    match response.code {
        Some(101) => Err(Broken::framing("the answer switches protocols, which nobody asked for")),
        Some(100..200) => Ok(Sight::Interim(len)),
        Some(status @ 200..600) => settle(len, status, &response).map(Sight::Whole),
        _ => Err(Broken::new(Class::BadAnswer, "the answer's status is not between 200 and 599")),
    }
}

pub(super) fn too_long() -> Broken {
    Broken::framing("the answer's head is longer than 64 KiB")
}

/// What the headers say that matters to framing.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    is_chunked: bool,
    closes: bool,
    keeps_alive: bool,
    /// A header stands there that awc would read differently.
    misleads: bool,
}

fn settle(len: usize, status: u16, response: &httparse::Response<'_, '_>) -> Result<Head, Broken> {
    let mut said = Said::default();
    for header in response.headers.iter() {
        said.hear(header.name, header.value)?;
    }
    let is_old = response.version == Some(0);
    let is_bodiless = matches!(status, 204 | 304);
    let extent = match (is_bodiless, said.is_chunked, said.length) {
        (true, ..) => Extent::Sized(0),
        (_, true, _) => Extent::chunked(),
        (_, _, Some(length)) => Extent::Sized(length),
        (_, _, None) => Extent::UntilClose,
    };
    let disagrees = said.is_chunked && said.length.is_some();
    let has_framing = said.is_chunked || said.length.is_some();
    let must_rewrite = said.misleads
        || disagrees
        || is_old
        || matches!(extent, Extent::UntilClose)
        || (is_bodiless && has_framing);
    let may_serve_again = !said.closes
        && !disagrees
        && !matches!(extent, Extent::UntilClose)
        && (!is_old || (said.keeps_alive && !said.is_chunked));
    let rewritten = must_rewrite.then(|| rewrite(status, response, &extent, is_bodiless));
    Ok(Head { len, extent, may_serve_again, rewritten })
}

impl Said {
    fn hear(&mut self, name: &str, value: &[u8]) -> Result<(), Broken> {
        if name.eq_ignore_ascii_case("content-length") {
            for part in value.split(|&byte| byte == b',') {
                let length = digits(part.trim_ascii())
                    .ok_or_else(|| Broken::framing("the answer's `content-length` is no number"))?;
                if self.length.is_some_and(|before| before != length) {
                    return Err(Broken::framing("the answer has two different lengths"));
                }
                self.misleads |= self.length.is_some();
                self.length = Some(length);
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if self.is_chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Broken::framing("the answer's transfer encoding is not `chunked` alone"));
            }
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case("connection") {
            for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                self.closes |= option.eq_ignore_ascii_case(b"close");
                self.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if name.eq_ignore_ascii_case("upgrade") {
            self.misleads = true;
        }
        Ok(())
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// The same head with exactly one framing header, as HTTP/1.1.
fn rewrite(
    status: u16,
    response: &httparse::Response<'_, '_>,
    extent: &Extent,
    is_bodiless: bool,
) -> BytesMut {
    let mut head = BytesMut::with_capacity(1024);
    head.put_slice(format!("HTTP/1.1 {status} \r\n").as_bytes());
    for header in response.headers.iter() {
        if ["content-length", "transfer-encoding", "upgrade"]
            .iter()
            .all(|name| !header.name.eq_ignore_ascii_case(name))
        {
            for part in [header.name.as_bytes(), b": ", header.value, b"\r\n"] {
                head.put_slice(part);
            }
        }
    }
    match extent {
        _ if is_bodiless => {}
        Extent::Sized(length) => head.put_slice(format!("content-length: {length}\r\n").as_bytes()),
        Extent::Chunked(_) | Extent::UntilClose => head.put_slice(b"transfer-encoding: chunked\r\n"),
    }
    head.put_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head in short: its first line and headers, one a line.
    fn see(lines: &str) -> String {
        let bytes = format!("{}\r\n\r\n", lines.replace('\n', "\r\n"));
        match look(bytes.as_bytes()) {
            Ok(Sight::Partial) => "partial".into(),
            Ok(Sight::Interim(_)) => "interim".into(),
            Ok(Sight::Whole(head)) => {
                assert_eq!(head.len, bytes.len());
                let extent = match head.extent {
                    Extent::Sized(length) => format!("{length}"),
                    Extent::Chunked(_) => "chunked".into(),
                    Extent::UntilClose => "until close".into(),
                };
                let again = if head.may_serve_again { "" } else { ", then closed" };
                let shown = head.rewritten.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
                let shown = shown.map(|text| format!(" -> {}", text.trim_end().replace("\r\n", "|")));
                format!("{extent}{again}{}", shown.unwrap_or_default())
            }
            Err(broken) => format!("{}: {broken}", broken.class.as_str()),
        }
    }

    #[test]
    fn an_answers_extent_is_settled_by_its_head() {
        for (lines, expected) in [
            ("HTTP/1.1 200 OK\nContent-Length: 5", "5"),
            ("HTTP/1.1 200 OK\ncontent-length:5", "5"),
            ("HTTP/1.1 200 OK\nContent-Length: 0", "0"),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: Chunked", "chunked"),
            ("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", "5, then closed"),
            ("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: x, Close", "5, then closed"),
            (
                "HTTP/1.1 200 OK\nX: y",
                "until close, then closed -> HTTP/1.1 200 |X: y|transfer-encoding: chunked",
            ),
            (
                "HTTP/1.0 200 OK\nX: y",
                "until close, then closed -> HTTP/1.1 200 |X: y|transfer-encoding: chunked",
            ),
            ("HTTP/1.0 200 OK\nContent-Length: 5", "5, then closed -> HTTP/1.1 200 |content-length: 5"),
            (
                "HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 5",
                "5 -> HTTP/1.1 200 |Connection: keep-alive|content-length: 5",
            ),
            (
                "HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked",
                "chunked, then closed -> HTTP/1.1 200 |transfer-encoding: chunked",
            ),
            ("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5", "5 -> HTTP/1.1 200 |content-length: 5"),
            ("HTTP/1.1 200 OK\nContent-Length: 5, 5", "5 -> HTTP/1.1 200 |content-length: 5"),
            (
                "HTTP/1.1 200 OK\nUpgrade: websocket\nContent-Length: 5",
                "5 -> HTTP/1.1 200 |content-length: 5",
            ),
            ("HTTP/1.1 204 No Content", "0"),
            ("HTTP/1.1 304 Not Modified\nContent-Length: 5", "0 -> HTTP/1.1 304"),
            ("HTTP/1.1 204 No Content\nTransfer-Encoding: chunked", "0 -> HTTP/1.1 204"),
            ("HTTP/1.1 100 Continue", "interim"),
            ("HTTP/1.1 103 Early Hints\nLink: </a>", "interim"),
        ] {
            assert_eq!(see(lines), expected, "{lines}");
        }
    }

    #[test]
    fn a_head_in_doubt_is_refused() {
        let many = format!("HTTP/1.1 200 OK\nContent-Length: 2{}", "\nx: y".repeat(96));
        let long = format!("HTTP/1.1 200 OK\nContent-Length: 2\nx: {}", "y".repeat(HEAD_BYTES_MAX));
        for (lines, expected) in [
            (
                "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6",
                "framing: the answer has two different lengths",
            ),
            ("HTTP/1.1 200 OK\nContent-Length: 5, 6", "framing: the answer has two different lengths"),
            ("HTTP/1.1 200 OK\nContent-Length: -5", "framing: the answer's `content-length` is no number"),
            ("HTTP/1.1 200 OK\nContent-Length: +5", "framing: the answer's `content-length` is no number"),
            ("HTTP/1.1 200 OK\nContent-Length:", "framing: the answer's `content-length` is no number"),
            ("HTTP/1.1 200 OK\nContent-Length: 0x5", "framing: the answer's `content-length` is no number"),
            (
                "HTTP/1.1 200 OK\nContent-Length: 18446744073709551616",
                "framing: the answer's `content-length` is no number",
            ),
            (
                "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked",
                "framing: the answer's transfer encoding is not `chunked` alone",
            ),
            (
                "HTTP/1.1 200 OK\nTransfer-Encoding: identity",
                "framing: the answer's transfer encoding is not `chunked` alone",
            ),
            (
                "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked",
                "framing: the answer's transfer encoding is not `chunked` alone",
            ),
            ("HTTP/1.1 200 OK\nContent-Length : 5", "framing: the answer's head is no HTTP/1.1"),
            ("HTTP/1.1 200 OK\nX: a\n  folded: b", "framing: the answer's head is no HTTP/1.1"),
            ("HTTP/2 200 OK", "framing: the answer's head is no HTTP/1.1"),
            ("SSH-2.0-OpenSSH_9.2", "framing: the answer's head is no HTTP/1.1"),
            (
                "HTTP/1.1 101 Switching Protocols",
                "framing: the answer switches protocols, which nobody asked for",
            ),
            ("HTTP/1.1 999 Odd", "bad_answer: the answer's status is not between 200 and 599"),
            ("HTTP/1.1 600 Odd", "bad_answer: the answer's status is not between 200 and 599"),
            ("HTTP/1.1 099 Odd", "bad_answer: the answer's status is not between 200 and 599"),
            (&many, "framing: the answer's head has more than 96 headers"),
            (&long, "framing: the answer's head is longer than 64 KiB"),
        ] {
            assert_eq!(see(lines), expected, "{lines:.80}");
        }
    }

    #[test]
    fn a_head_is_partial_at_every_cut() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n";
        for cut in 0..head.len() {
            assert!(matches!(look(&head[..cut]), Ok(Sight::Partial)), "{cut}");
        }
    }
}
