//! Reads one HTTP answer as it arrives and says when it is whole, counting stream events in passing.
//!
//! Consumes what it has read, so a stream of any length needs one buffer. Chunk borders, reads and lines may fall anywhere.

use bytes::{Buf, BytesMut};

const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 64;
const DONE: &[u8] = b"data: [DONE]";
const FINISH: &[u8] = b"finish_reason";

/// How far the answer has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    More,
    End(Answer),
    Broken,
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Status 200 and all that was promised.
    pub(crate) good: bool,
    pub(crate) events: u64,
    /// The connection takes no further request.
    pub(crate) closes: bool,
}

#[derive(Debug)]
pub(crate) struct AnswerReader {
    part: Part,
    stream: bool,
    ok: bool,
    closes: bool,
    events: u64,
    /// The body has shown the words of a complete answer.
    complete: bool,
    /// The beginning of the line the last bytes ended in, as far as it matters; longer than any mark when it does not.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    Sized(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    LastEnd,
}

impl AnswerReader {
    pub(crate) fn new(stream: bool) -> Self {
        Self {
            part: Part::Head,
            stream,
            ok: false,
            closes: false,
            events: 0,
            complete: false,
            line: Vec::with_capacity(DONE.len() + 1),
        }
    }

    /// Reads on in `input`; what is left over belongs to the next answer.
    pub(crate) fn read(&mut self, input: &mut BytesMut) -> Read {
        loop {
            let before = (self.part, input.len());
            if self.step(input).is_none() {
                return Read::Broken;
            }
            if matches!(self.part, Part::Sized(0)) {
                return self.end();
            }
            if (self.part, input.len()) == before {
                return Read::More;
            }
        }
    }

    fn end(&self) -> Read {
        Read::End(Answer { good: self.ok && self.complete, events: self.events, closes: self.closes })
    }

    /// One step; none where the bytes are not HTTP.
    fn step(&mut self, input: &mut BytesMut) -> Option<()> {
        match self.part {
            Part::Head => self.head(input)?,
            Part::Sized(left) | Part::Chunk(left) => {
                let taken = left.min(input.len());
                let text = input.split_to(taken);
                self.body(&text);
                self.part = match self.part {
                    Part::Sized(_) => Part::Sized(left - taken),
                    _ if left == taken => Part::ChunkEnd,
                    _ => Part::Chunk(left - taken),
                };
            }
            Part::ChunkSize => match httparse::parse_chunk_size(input).ok()? {
                httparse::Status::Partial => {}
                httparse::Status::Complete((skip, size)) => {
                    input.advance(skip);
                    self.part = match usize::try_from(size).ok()? {
                        0 => Part::LastEnd,
                        size => Part::Chunk(size),
                    };
                }
            },
            Part::ChunkEnd | Part::LastEnd if input.len() >= 2 => {
                if input.split_to(2) != b"\r\n"[..] {
                    return None;
                }
                self.part = if self.part == Part::LastEnd { Part::Sized(0) } else { Part::ChunkSize };
            }
            Part::ChunkEnd | Part::LastEnd => {}
        }
        Some(())
    }

    fn head(&mut self, input: &mut BytesMut) -> Option<()> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(len) = response.parse(input).ok()? else {
            return (input.len() <= MAX_HEAD_BYTES).then_some(());
        };
        self.ok = response.code == Some(200);
        for header in response.headers.iter() {
            let value = std::str::from_utf8(header.value).unwrap_or_default();
            if header.name.eq_ignore_ascii_case("content-length") {
                self.part = Part::Sized(value.trim().parse().ok()?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                self.part = Part::ChunkSize;
            } else if header.name.eq_ignore_ascii_case("connection") {
                self.closes = value.eq_ignore_ascii_case("close");
            }
        }
        input.advance(len);
        // an answer that only ends with its connection is never asked of a gateway that keeps alive
        (self.part != Part::Head).then_some(())
    }

    fn body(&mut self, text: &[u8]) {
        if !self.stream {
            self.complete |= memchr::memmem::find(text, FINISH).is_some();
            return;
        }
        let mut from = 0;
        for at in memchr::memchr_iter(b'\n', text) {
            self.line_goes_on(text.get(from..at).unwrap_or_default());
            self.line_ends();
            from = at + 1;
        }
        self.line_goes_on(text.get(from..).unwrap_or_default());
    }

    fn line_goes_on(&mut self, text: &[u8]) {
        let room = (DONE.len() + 1).saturating_sub(self.line.len());
        self.line.extend(text.iter().take(room));
    }

    fn line_ends(&mut self) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        self.events += u64::from(line.starts_with(b"data:"));
        self.complete |= line == DONE;
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
        b\r\ndata: {}\n\nd\r\n10\r\nata: {}\n\ndata: [\r\n7\r\nDONE]\n\n\r\n0\r\n\r\n";

    /// Reads `wire` whole, then byte by byte: the same must come of it.
    fn check(stream: bool, wire: &str, expected: Read) {
        for step in [wire.len(), 1] {
            let mut reader = AnswerReader::new(stream);
            let mut input = BytesMut::new();
            let mut read = Read::More;
            for part in wire.as_bytes().chunks(step) {
                assert_eq!(read, Read::More, "ended early: {wire:?}");
                input.extend_from_slice(part);
                read = reader.read(&mut input);
                if read == Read::Broken {
                    break;
                }
            }
            assert_eq!(read, expected, "{step} bytes at a time: {wire:?}");
        }
    }

    #[test]
    fn an_answer_is_good_only_when_it_is_whole_and_says_so() {
        let end = |good, events| Read::End(Answer { good, events, closes: false });
        let sized = |status, body: &str| {
            format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        check(true, STREAM, end(true, 3));
        check(true, &STREAM.replace("DONE]", "DONE "), end(false, 3));
        check(true, STREAM.trim_end_matches("0\r\n\r\n"), Read::More);
        check(true, &STREAM.replace("\r\n10\r\n", "\r\nzz\r\n"), Read::Broken);
        check(true, &STREAM.replace("\n\nd\r\n", "\n\nd!\n"), Read::Broken);
        check(false, &sized(429, r#"{"error":{}}"#), end(false, 0));
        check(false, &sized(200, r#"{"error":{}}"#), end(false, 0));
        check(false, "HTTP/1.1 200 OK\r\n\r\n", Read::Broken);
        check(false, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n\"finish_reason\"", Read::More);
        let wire = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        check(true, wire, Read::End(Answer { good: false, events: 0, closes: true }));
    }

    #[test]
    fn a_whole_answer_that_names_its_end_is_good() {
        let body = r#"{"finish_reason":"stop"}"#;
        let wire = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut input = BytesMut::from(wire.as_str());
        let read = AnswerReader::new(false).read(&mut input);
        assert_eq!(read, Read::End(Answer { good: true, events: 0, closes: false }));
    }
}
