//! How far an answer's body reaches, followed byte by byte.
//!
//! The grammar of chunks is awc's own, or stricter: both must find the end at the same byte, for what lies
//! behind it is the next answer.

use crate::fault::Broken;

/// Bytes that are neither data nor needed: chunk extensions, and trailers all together.
const IDLE_TALK_MAX: usize = 16 * 1024;

/// What is left of a body.
#[derive(Debug)]
pub(super) enum Extent {
    /// This many bytes.
    Sized(u64),
    Chunked(Chunks),
    /// Whatever comes before the connection ends.
    UntilClose,
}

/// How much of a piece belongs to the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Walked {
    /// From the piece's start, in bytes.
    pub(super) used: usize,
    /// Whether the body ends there.
    pub(super) is_end: bool,
}

impl Extent {
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunks { at: At::SizeFirst, left: 0, talk: 0 })
    }

    /// Follows the next piece of the body.
    pub(super) fn walk(&mut self, piece: &[u8]) -> Result<Walked, Broken> {
        match self {
            Self::Sized(left) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len());
                *left -= used as u64;
                Ok(Walked { used, is_end: *left == 0 })
            }
            Self::Chunked(chunks) => chunks.walk(piece),
            Self::UntilClose => Ok(Walked { used: piece.len(), is_end: false }),
        }
    }
}

/// Where in the chunked coding the body stands.
#[derive(Debug)]
pub(super) struct Chunks {
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

impl Chunks {
    fn walk(&mut self, piece: &[u8]) -> Result<Walked, Broken> {
        let mut used = 0;
        while let Some(rest) = piece.get(used..).filter(|rest| !rest.is_empty()) {
            if self.at == At::Data {
                let step = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                self.left -= step as u64;
                used += step;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            let Some(&byte) = rest.first() else { break };
            used += 1;
            if (self.at, byte) == (At::EndLf, b'\n') {
                return Ok(Walked { used, is_end: true });
            }
            self.at = self.step(byte)?;
        }
        Ok(Walked { used, is_end: false })
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

    /// Walks a body in pieces of `cut` bytes: where it ends, or where and why it is refused.
    fn walk(mut extent: Extent, body: &[u8], cut: usize) -> Result<Option<usize>, String> {
        let mut before = 0;
        for piece in body.chunks(cut) {
            let walked = extent.walk(piece).map_err(|broken| broken.to_string())?;
            if walked.is_end {
                return Ok(Some(before + walked.used));
            }
            assert_eq!(walked.used, piece.len());
            before += piece.len();
        }
        Ok(None)
    }

    fn check(extent: fn() -> Extent, body: &[u8], expected: Result<Option<usize>, &str>) {
        for cut in 1..=body.len() {
            let seen = walk(extent(), body, cut);
            assert_eq!(
                seen.as_ref().map_err(String::as_str),
                expected.as_ref().map_err(|text| *text),
                "{body:?} {cut}"
            );
        }
    }

    #[test]
    fn chunks_end_where_they_end_however_they_are_cut() {
        const SIZE: &str = "a chunk of the answer has no readable size";
        const FORM: &str = "a chunk of the answer is malformed";
        type Case = (&'static [u8], Result<Option<usize>, &'static str>);
        let cases: &[Case] = &[
            (b"0\r\n\r\n", Ok(Some(5))),
            (b"5\r\nhello\r\n0\r\n\r\n", Ok(Some(15))),
            (b"5\r\nhello\r\n0\r\n\r\nHTTP/1.1", Ok(Some(15))),
            (b"00005\r\nhello\r\n000\r\n\r\n", Ok(Some(21))),
            (b"A \t;x=\"y\"\r\n0123456789\r\n0;last\r\n\r\n", Ok(Some(33))),
            (b"0\r\nA: b\r\nC: d\r\n\r\nX", Ok(Some(17))),
            (b"5\r\nhello\r\n", Ok(None)),
            (b"ff\r\nhello", Ok(None)),
            (b"0\r\n", Ok(None)),
            (b"0\r\n\r", Ok(None)),
            (b"ffffffffffffffff\r\nhello", Ok(None)),
            (b"ffffffffffffffff1\r\nhello", Err(SIZE)),
            (b"ZZ\r\nhello", Err(SIZE)),
            (b"\r\nhello", Err(SIZE)),
            (b"-1\r\nhello", Err(SIZE)),
            (b"5g\r\nhello", Err(SIZE)),
            (b"5 5\r\nhello", Err(FORM)),
            (b"5\nhello\n0\n\n", Err(SIZE)),
            (b"5\r\nhelloworld", Err(FORM)),
            (b"5\r\nhello\rX", Err(FORM)),
            (b"5;a\nb\r\nhello", Err(FORM)),
            (b"0\r\nA: b\nC: d\r\n\r\n", Err(FORM)),
            (b"0\r\n\rX", Err(FORM)),
        ];
        for (body, expected) in cases {
            check(Extent::chunked, body, *expected);
        }
    }

    #[test]
    fn a_sized_body_ends_at_its_size() {
        check(|| Extent::Sized(5), b"hello", Ok(Some(5)));
        check(|| Extent::Sized(5), b"helloHTTP", Ok(Some(5)));
        check(|| Extent::Sized(5), b"hell", Ok(None));
        check(|| Extent::Sized(u64::MAX), b"hell", Ok(None));
        check(|| Extent::UntilClose, b"hell", Ok(None));
    }

    #[test]
    fn endless_talk_beside_the_data_is_refused() {
        for opening in ["5;", "0\r\nA: "] {
            let body = format!("{opening}{}", "x".repeat(IDLE_TALK_MAX + 1));
            assert!(walk(Extent::chunked(), body.as_bytes(), 1000).is_err());
        }
        let polite = format!("5;{}\r\nhello\r\n", "x".repeat(1000)).repeat(100);
        assert_eq!(walk(Extent::chunked(), polite.as_bytes(), 999), Ok(None));
    }
}
