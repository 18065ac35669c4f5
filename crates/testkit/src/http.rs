//! Reading HTTP/1.1 requests off a byte buffer, strictly.
//!
//! Strict where a provider may be: two framings, two lengths or a bad chunk are refused, so that a gateway that forwards them is caught.

use bytes::{Buf, Bytes, BytesMut};

const MAX_HEAD_BYTES: usize = 256 * 1024;
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
const MAX_HEADERS: usize = 128;

/// Headers whose value is a key: Anthropic's, Google's, Azure's.
const KEYS: [&str; 3] = ["x-api-key", "x-goog-api-key", "api-key"];

/// One whole request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

/// What stands before the body.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The value of one of [`KEYS`], or of `authorization` without `Bearer `; the later header counts.
    pub(crate) key: Option<String>,
    /// In their order, names as sent; empty unless asked for.
    pub(crate) headers: Vec<(String, String)>,
    /// The client wants the connection closed after the answer.
    pub(crate) close: bool,
    expects_continue: bool,
    framing: Framing,
    len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Sized(usize),
    Chunked,
}

/// How far the buffer's first request has come.
#[derive(Debug)]
pub(crate) enum Progress {
    /// More bytes are needed.
    HeadMissing,
    /// The head is there, its body is not; the client may be waiting for a `100 Continue`.
    BodyMissing {
        expects_continue: bool,
    },
    Whole(Request),
}

/// Which headers a request remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Headers,
    Nothing,
}

/// Takes the first request off `input` when it is whole.
///
/// # Errors
/// The words to refuse the request with.
pub(crate) fn take_request(input: &mut BytesMut, keep: Keep) -> Result<Progress, &'static str> {
    let Some(head) = parse_head(input, keep)? else { return Ok(Progress::HeadMissing) };
    let rest = input.get(head.len..).unwrap_or_default();
    let missing = Progress::BodyMissing { expects_continue: head.expects_continue };
    let body_len = match head.framing {
        Framing::Sized(len) if rest.len() < len => {
            input.reserve(len - rest.len());
            return Ok(missing);
        }
        Framing::Sized(len) => len,
        Framing::Chunked => match chunked_len(rest)? {
            None => return Ok(missing),
            Some(len) => len,
        },
    };
    input.advance(head.len);
    let raw = input.split_to(body_len).freeze();
    let body = if head.framing == Framing::Chunked { joined_chunks(&raw)? } else { raw };
    Ok(Progress::Whole(Request { head, body }))
}

/// Reads the head, if all of it has arrived.
///
/// # Errors
/// The words to refuse the request with.
pub(crate) fn parse_head(input: &[u8], keep: Keep) -> Result<Option<Head>, &'static str> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let len = match request.parse(input) {
        Err(_) => return Err("the request head is not HTTP/1.1"),
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if input.len() > MAX_HEAD_BYTES => {
            return Err("the request head is too large");
        }
        Ok(httparse::Status::Partial) => return Ok(None),
    };
    if request.version != Some(1) {
        return Err("only HTTP/1.1 is spoken here");
    }
    let mut head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        key: None,
        headers: Vec::new(),
        close: false,
        expects_continue: false,
        framing: Framing::Sized(0),
        len,
    };
    read_headers(&mut head, request.headers, keep)?;
    Ok(Some(head))
}

fn read_headers(head: &mut Head, headers: &[httparse::Header<'_>], keep: Keep) -> Result<(), &'static str> {
    let (mut length, mut chunked) = (None, false);
    for header in headers {
        let name = header.name;
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        if name.eq_ignore_ascii_case("content-length") {
            let bytes = value.parse::<usize>().map_err(|_| "the content length is no number")?;
            if length.is_some_and(|before| before != bytes) {
                return Err("two content lengths that differ");
            }
            length = Some(bytes);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err("the only transfer encoding spoken here is `chunked`");
            }
            chunked = true;
        } else if name.eq_ignore_ascii_case("connection") {
            head.close |= value.split(',').any(|token| token.trim().eq_ignore_ascii_case("close"));
        } else if name.eq_ignore_ascii_case("expect") {
            head.expects_continue = value.eq_ignore_ascii_case("100-continue");
        } else if name.eq_ignore_ascii_case("authorization") {
            head.key = value.strip_prefix("Bearer ").map(str::to_owned);
        } else if KEYS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            head.key = Some(value.to_owned());
        }
        if keep == Keep::Headers {
            head.headers.push((name.to_owned(), String::from_utf8_lossy(header.value).into_owned()));
        }
    }
    head.framing = match (length, chunked) {
        (Some(_), true) => return Err("both a content length and a transfer encoding"),
        (_, true) => Framing::Chunked,
        (Some(len), _) if len > MAX_BODY_BYTES => return Err("the body is too large"),
        (Some(len), _) => Framing::Sized(len),
        (None, false) => Framing::Sized(0),
    };
    Ok(())
}

/// Bytes of a whole chunked body, framing and trailer included; nothing where it has not all arrived.
fn chunked_len(raw: &[u8]) -> Result<Option<usize>, &'static str> {
    let mut at = 0;
    loop {
        let Some((start, size)) = chunk_at(raw, at)? else { return Ok(None) };
        let end = start + size;
        if end > MAX_BODY_BYTES {
            return Err("the body is too large");
        }
        match raw.get(end..end + 2) {
            None => return Ok(None),
            Some(b"\r\n") => at = end + 2,
            Some(_) => return Err("a chunk does not end where it says"),
        }
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

/// Where the chunk at `at` begins, and its size.
fn chunk_at(raw: &[u8], at: usize) -> Result<Option<(usize, usize)>, &'static str> {
    match httparse::parse_chunk_size(raw.get(at..).unwrap_or_default()) {
        Err(_) => Err("a chunk size is no number"),
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete((skip, size))) => {
            let size = usize::try_from(size).ok().filter(|size| *size <= MAX_BODY_BYTES);
            Ok(Some((at + skip, size.ok_or("a chunk is too large")?)))
        }
    }
}

fn joined_chunks(raw: &[u8]) -> Result<Bytes, &'static str> {
    let mut body = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some((start, size)) = chunk_at(raw, at)? {
        if size == 0 {
            break;
        }
        body.extend_from_slice(raw.get(start..start + size).unwrap_or_default());
        at = start + size + 2;
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of `wire` when it comes whole, and the same when it comes byte by byte.
    fn check(wire: &str, expected: Result<(&str, &str), &str>) {
        let read = |step: usize| {
            let mut input = BytesMut::new();
            for part in wire.as_bytes().chunks(step) {
                input.extend_from_slice(part);
                match take_request(&mut input, Keep::Nothing)? {
                    Progress::Whole(request) => {
                        let body = String::from_utf8(request.body.to_vec()).unwrap();
                        return Ok((request.head.path, body));
                    }
                    Progress::HeadMissing | Progress::BodyMissing { .. } => {}
                }
            }
            Err("never whole")
        };
        let expected = expected.map(|(path, body)| (path.to_owned(), body.to_owned()));
        assert_eq!(read(wire.len()), expected, "whole: {wire:?}");
        assert_eq!(read(1), expected, "byte by byte: {wire:?}");
    }

    #[test]
    fn requests_are_read_in_either_framing_and_refused_in_an_ambiguous_one() {
        check("GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n", Ok(("/v1/models", "")));
        check("POST /a HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello", Ok(("/a", "hello")));
        check(
            "POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            Ok(("/a", "hello")),
        );
        let both = "POST /a HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n";
        check(both, Err("both a content length and a transfer encoding"));
        let two = "POST /a HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n";
        check(two, Err("two content lengths that differ"));
        let bad = "POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n";
        check(bad, Err("a chunk does not end where it says"));
        check("GET / HTTP/1.0\r\n\r\n", Err("only HTTP/1.1 is spoken here"));
        check("POST /a HTTP/1.1\r\ncontent-length: 5\r\n\r\nhell", Err("never whole"));
    }

    #[test]
    fn pipelined_requests_come_one_after_the_other() {
        let mut input =
            BytesMut::from("POST /1 HTTP/1.1\r\ncontent-length: 1\r\n\r\naGET /2 HTTP/1.1\r\n\r\n");
        for expected in ["/1", "/2"] {
            let Ok(Progress::Whole(request)) = take_request(&mut input, Keep::Headers) else {
                panic!("not whole")
            };
            assert_eq!(request.head.path, expected);
        }
        assert!(input.is_empty());
    }
}
