//! The head of an answer, and what it says of its body's extent.
//!
//! A head that two readers could take for two extents is refused, or believed once and its connection closed:
//! the next answer begins where this one ends.

use std::mem::MaybeUninit;

use httparse::Header;
use nexus_core::fault::Class;

use super::extent::Extent;
use crate::fault::Broken;

/// All heads of one answer together, the interim ones counted.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// More than any provider sends.
const HEADERS_MAX: usize = 96;

/// What the bytes at the start of an answer are.
#[derive(Debug)]
pub(super) enum Sight<T> {
    /// No whole head yet.
    Partial,
    /// A `1xx` head of this many bytes: the answer is still to come.
    Interim(usize),
    /// The final head, and what was read of it.
    Whole(Head, T),
}

/// The head of a final answer.
#[derive(Debug)]
pub(super) struct Head {
    /// In bytes, its blank line included.
    pub(super) len: usize,
    pub(super) extent: Extent,
    /// Whether the connection may serve again after this answer.
    pub(super) may_serve_again: bool,
}

/// Looks at the start of an answer, and has its final head `read` by status and headers.
pub(super) fn look<T>(bytes: &[u8], read: impl FnOnce(u16, &[Header<'_>]) -> T) -> Result<Sight<T>, Broken> {
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
        Some(status @ 200..600) => {
            let head = settle(len, status, &response)?;
            Ok(Sight::Whole(head, read(status, response.headers)))
        }
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
    let may_serve_again = !said.closes
        && !disagrees
        && !matches!(extent, Extent::UntilClose)
        && (!is_old || (said.keeps_alive && !said.is_chunked));
    Ok(Head { len, extent, may_serve_again })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A head in short: its first line and headers, one a line.
    fn see(lines: &str) -> String {
        let bytes = format!("{}\r\n\r\n", lines.replace('\n', "\r\n"));
        match look(bytes.as_bytes(), |_, _| ()) {
            Ok(Sight::Partial) => "partial".into(),
            Ok(Sight::Interim(_)) => "interim".into(),
            Ok(Sight::Whole(head, ())) => {
                assert_eq!(head.len, bytes.len());
                let extent = match head.extent {
                    Extent::Sized(length) => format!("{length}"),
                    Extent::Chunked(_) => "chunked".into(),
                    Extent::UntilClose => "until close".into(),
                };
                let again = if head.may_serve_again { "" } else { ", then closed" };
                format!("{extent}{again}")
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
            ("HTTP/1.1 200 OK\nX: y", "until close, then closed"),
            ("HTTP/1.0 200 OK\nX: y", "until close, then closed"),
            ("HTTP/1.0 200 OK\nContent-Length: 5", "5, then closed"),
            ("HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 5", "5"),
            ("HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked", "chunked, then closed"),
            ("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5", "5"),
            ("HTTP/1.1 200 OK\nContent-Length: 5, 5", "5"),
            ("HTTP/1.1 200 OK\nUpgrade: websocket\nContent-Length: 5", "5"),
            ("HTTP/1.1 204 No Content", "0"),
            ("HTTP/1.1 304 Not Modified\nContent-Length: 5", "0"),
            ("HTTP/1.1 204 No Content\nTransfer-Encoding: chunked", "0"),
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
            assert!(matches!(look(&head[..cut], |_, _| ()), Ok(Sight::Partial)), "{cut}");
        }
    }
}
