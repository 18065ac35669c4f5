//! How far an answer's body reaches, and which of the bytes on the connection are its data.
//!
//! The grammar of chunks is RFC 9112's, or stricter: a reader that is more lenient than the provider's proxy
//! finds the end at another byte, and what lies behind it is the next answer.

use bytes::{Buf, Bytes, BytesMut};

use crate::fault::Broken;

/// Bytes that are neither data nor needed: chunk extensions, and trailers all together.
const IDLE_TALK_MAX: usize = 16 * 1024;

/// Sizes of more digits than these are read step by step.
const PLAIN_DIGITS_MAX: usize = 8;

/// What is left of a body.
#[derive(Debug)]
pub(crate) enum Extent {
    /// This many bytes.
    Sized(u64),
    Chunked(Chunks),
    /// Whatever comes before the connection ends.
    UntilClose,
}

/// What a piece of the connection holds of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// All data of the piece together; empty where it held none.
    pub(crate) data: Bytes,
    /// Whether the body ends with it.
    pub(crate) is_end: bool,
    /// Whether bytes lie behind the end, which are nobody's.
    pub(crate) is_extra: bool,
}

impl Extent {
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunks { at: At::SizeFirst, left: 0, talk: 0 })
    }

    /// Takes the data out of the next piece of the connection, in place.
    pub(crate) fn take(&mut self, mut piece: BytesMut) -> Result<Taken, Broken> {
        match self {
            Self::Sized(left) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len());
                *left -= used as u64;
                let is_extra = used < piece.len();
                piece.truncate(used);
                Ok(Taken { data: piece.freeze(), is_end: *left == 0, is_extra })
            }
            Self::Chunked(chunks) => chunks.take(piece),
            Self::UntilClose => Ok(Taken { data: piece.freeze(), is_end: false, is_extra: false }),
        }
    }

    /// The connection ended: what is left of the body, if that is its end.
    pub(crate) fn end(&self) -> Result<Taken, Broken> {
        match self {
            Self::UntilClose => Ok(Taken { data: Bytes::new(), is_end: true, is_extra: false }),
            Self::Sized(_) | Self::Chunked(_) => Err(Broken::truncated()),
        }
    }
}

/// Where in the chunked coding the body stands.
#[derive(Debug)]
pub(crate) struct Chunks {
    at: At,
    /// The chunk's size while it is being read, then what is left of its data.
    left: u64,
    talk: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    SizeFirst,
    SizeRest,
    SizeSpace,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    EndCr,
    EndLf,
    Trailer,
    TrailerLf,
}

/// The next part of a piece, its length in bytes.
enum Part {
    Data(usize),
    /// Sizes, line ends and trailers.
    Talk(usize),
    /// The last of them.
    End(usize),
}

impl Chunks {
    fn take(&mut self, mut piece: BytesMut) -> Result<Taken, Broken> {
        let (mut at, mut begin, mut len) = (0, 0, 0);
        let is_end = loop {
            match self.part(piece.get(at..).unwrap_or_default())? {
                None => break false,
                Some(Part::Talk(talk)) => at += talk,
                Some(Part::End(talk)) => {
                    at += talk;
                    break true;
                }
                Some(Part::Data(data)) => {
                    if len == 0 {
                        begin = at;
                    } else {
                        piece.copy_within(at..at + data, begin + len);
                    }
                    len += data;
                    at += data;
                }
            }
        };
        let is_extra = at < piece.len();
        piece.advance(begin);
        piece.truncate(len);
        Ok(Taken { data: piece.freeze(), is_end, is_extra })
    }

    /// `None` where nothing is left.
    fn part(&mut self, rest: &[u8]) -> Result<Option<Part>, Broken> {
        if rest.is_empty() {
            return Ok(None);
        }
        if self.at == At::Data {
            let data = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
            self.left -= data as u64;
            if self.left == 0 {
                self.at = At::DataCr;
            }
            return Ok(Some(Part::Data(data)));
        }
        if let Some(talk) = self.plain_talk(rest) {
            return Ok(Some(Part::Talk(talk)));
        }
        for (before, &byte) in rest.iter().enumerate() {
            if (self.at, byte) == (At::EndLf, b'\n') {
                return Ok(Some(Part::End(before + 1)));
            }
            self.at = self.step(byte)?;
            if self.at == At::Data {
                return Ok(Some(Part::Talk(before + 1)));
            }
        }
        Ok(Some(Part::Talk(rest.len())))
    }

    /// Passes over what nearly always stands between the data of two chunks, at once: a line end where one is due,
    /// digits, a line end. The bytes it took; `None` where it is anything else, which goes step by step.
    fn plain_talk(&mut self, rest: &[u8]) -> Option<usize> {
        let line = match self.at {
            At::SizeFirst => rest,
            At::DataCr => rest.strip_prefix(b"\r\n")?,
            _ => return None,
        };
        let mut size = 0;
        let mut digits = line.iter().take(PLAIN_DIGITS_MAX).map_while(|byte| hex(*byte));
        let count = digits.by_ref().fold(0, |count, digit| {
            size = size * 16 + digit;
            count + 1
        });
        let data = line.get(count..)?.strip_prefix(b"\r\n").filter(|_| size > 0)?;
        (self.at, self.left, self.talk) = (At::Data, size, 0);
        Some(rest.len() - data.len())
    }

    fn step(&mut self, byte: u8) -> Result<At, Broken> {
        let next = match (self.at, byte) {
            (At::SizeFirst, _) => {
                self.left = hex(byte).ok_or_else(bad_size)?;
                At::SizeRest
            }
            (At::SizeRest | At::SizeSpace, b' ' | b'\t') => At::SizeSpace,
            (At::SizeRest | At::SizeSpace, b';') => At::Extension,
            (At::SizeRest | At::SizeSpace | At::Extension, b'\r') => At::SizeLf,
            (At::SizeRest, _) => {
                let digit = hex(byte).ok_or_else(bad_size)?;
                self.left = self.left.checked_mul(16).ok_or_else(bad_size)? + digit;
                At::SizeRest
            }
            (At::Extension, b'\t' | b' '..=b'~' | 0x80..) => At::Extension,
            (At::SizeLf, b'\n') if self.left == 0 => At::EndCr,
            (At::SizeLf, b'\n') => At::Data,
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::SizeFirst,
            (At::EndCr, b'\r') => At::EndLf,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::TrailerLf, b'\n') => At::EndCr,
            (At::EndCr | At::Trailer, b'\t' | b' '..=b'~' | 0x80..) => At::Trailer,
            _ => return Err(Broken::framing("a chunk of the answer is malformed")),
        };
        if matches!(next, At::SizeSpace | At::Extension | At::Trailer) {
            self.talk += 1;
            if self.talk > IDLE_TALK_MAX {
                return Err(Broken::framing(
                    "the answer's chunk extensions or trailers are longer than 16 KiB",
                ));
            }
        } else if next == At::Data {
            self.talk = 0;
        }
        Ok(next)
    }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

fn bad_size() -> Broken {
    Broken::framing("a chunk of the answer has no readable size")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a body in pieces of `cut` bytes: its data and where it ended, or why it is refused.
    fn take(mut extent: Extent, body: &[u8], cut: usize) -> Result<(String, Option<usize>), String> {
        let (mut data, mut len) = (String::new(), 0);
        for piece in body.chunks(cut) {
            let taken = extent.take(BytesMut::from(piece)).map_err(|broken| broken.to_string())?;
            data.push_str(std::str::from_utf8(&taken.data).unwrap());
            len += piece.len();
            if taken.is_end {
                return Ok((data, (!taken.is_extra).then_some(len)));
            }
            assert!(!taken.is_extra);
        }
        assert_eq!(extent.end().is_ok(), matches!(extent, Extent::UntilClose));
        Ok((data, None))
    }

    /// `expected`: the data, and the length of the body if it ends; or why it is refused.
    fn check(extent: fn() -> Extent, body: &str, expected: Result<(&str, Option<usize>), &str>) {
        for cut in 1..=body.len() {
            let seen = take(extent(), body.as_bytes(), cut);
            let expected = match expected {
                // a cut that is not at the end leaves bytes behind it in the same piece
                Ok((data, Some(len))) => {
                    let is_extra = len < body.len() && !len.is_multiple_of(cut);
                    Ok((data.to_owned(), (!is_extra).then_some(len)))
                }
                Ok((data, None)) => Ok((data.to_owned(), None)),
                Err(why) => Err(why.to_owned()),
            };
            assert_eq!(seen, expected, "{body:?} {cut}");
        }
    }

    #[test]
    fn chunks_end_where_they_end_however_they_are_cut() {
        const SIZE: &str = "a chunk of the answer has no readable size";
        const FORM: &str = "a chunk of the answer is malformed";
        type Case = (&'static str, Result<(&'static str, Option<usize>), &'static str>);
        let cases: &[Case] = &[
            ("0\r\n\r\n", Ok(("", Some(5)))),
            ("5\r\nhello\r\n0\r\n\r\n", Ok(("hello", Some(15)))),
            ("5\r\nhello\r\n1\r\n!\r\n2\r\n??\r\n0\r\n\r\n", Ok(("hello!??", Some(28)))),
            ("5\r\nhello\r\n0\r\n\r\nHTTP/1.1", Ok(("hello", Some(15)))),
            ("00005\r\nhello\r\n000\r\n\r\n", Ok(("hello", Some(21)))),
            ("A \t;x=\"y\"\r\n0123456789\r\n0;last\r\n\r\n", Ok(("0123456789", Some(33)))),
            ("0\r\nA: b\r\nC: d\r\n\r\nX", Ok(("", Some(17)))),
            ("5\r\nhello\r\n", Ok(("hello", None))),
            ("ff\r\nhello", Ok(("hello", None))),
            ("0\r\n", Ok(("", None))),
            ("0\r\n\r", Ok(("", None))),
            ("ffffffffffffffff\r\nhello", Ok(("hello", None))),
            ("ffffffffffffffff1\r\nhello", Err(SIZE)),
            ("ZZ\r\nhello", Err(SIZE)),
            ("\r\nhello", Err(SIZE)),
            ("-1\r\nhello", Err(SIZE)),
            ("5g\r\nhello", Err(SIZE)),
            ("5 5\r\nhello", Err(FORM)),
            ("5\nhello\n0\n\n", Err(SIZE)),
            ("5\r\nhelloworld", Err(FORM)),
            ("5\r\nhello\rX", Err(FORM)),
            ("5;a\nb\r\nhello", Err(FORM)),
            ("0\r\nA: b\nC: d\r\n\r\n", Err(FORM)),
            ("0\r\n\rX", Err(FORM)),
        ];
        for (body, expected) in cases {
            check(Extent::chunked, body, *expected);
        }
    }

    #[test]
    fn a_sized_body_ends_at_its_size() {
        check(|| Extent::Sized(5), "hello", Ok(("hello", Some(5))));
        check(|| Extent::Sized(5), "helloHTTP", Ok(("hello", Some(5))));
        check(|| Extent::Sized(5), "hell", Ok(("hell", None)));
        check(|| Extent::Sized(u64::MAX), "hell", Ok(("hell", None)));
        check(|| Extent::UntilClose, "hell", Ok(("hell", None)));
    }

    #[test]
    fn all_data_of_a_piece_is_one_run_where_it_was_read() {
        let piece = BytesMut::from(&b"2\r\nab\r\n1;x\r\nc\r\n3\r\ndef\r\n5\r\ngh"[..]);
        let read_at = piece.as_ptr();
        let taken = Extent::chunked().take(piece).unwrap();
        assert_eq!(taken, Taken { data: "abcdefgh".into(), is_end: false, is_extra: false });
        assert_eq!(taken.data.as_ptr(), read_at.wrapping_add(3));
    }

    #[test]
    fn endless_talk_beside_the_data_is_refused() {
        for opening in ["5;", "0\r\nA: "] {
            let body = format!("{opening}{}", "x".repeat(IDLE_TALK_MAX + 1));
            assert!(take(Extent::chunked(), body.as_bytes(), 1000).is_err());
        }
        let polite = format!("5;{}\r\nhello\r\n", "x".repeat(1000)).repeat(100);
        let expected = Ok(("hello".repeat(100), None));
        assert_eq!(take(Extent::chunked(), polite.as_bytes(), 999), expected);
    }
}
