//! Splitting an `application/vnd.amazon.eventstream` body into frames, wherever it was cut.
//!
//! A frame is its total length, the length of its headers, a checksum of these eight bytes, the headers, the
//! payload and a checksum of everything before. Lengths are believed only when their own checksum is right,
//! the rest only when the frame's is.

/// The largest payload, in bytes: the vendor's limit. This is also the most that one stream can make the
/// gateway keep.
pub(crate) const PAYLOAD_MAX_BYTES: usize = 16 * 1024 * 1024;

/// The most that all headers of a frame take, in bytes: the vendor's limit.
pub(crate) const HEADERS_MAX_BYTES: usize = 128 * 1024;

/// The two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;

/// The prelude and the frame's own checksum.
const FRAME_BYTES_AROUND: usize = PRELUDE_BYTES + 4;

/// A buffer larger than this is given back once it is empty.
const BUFFER_KEPT_BYTES: usize = 64 * 1024;

/// Why a stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The checksum of the lengths is wrong.
    Lengths,
    /// Lengths that contradict each other, or are beyond the limits.
    Size,
    /// The checksum of the frame is wrong.
    Checksum,
    /// The headers do not end where they must, or one is of no known type.
    Headers,
}

impl Broken {
    /// What is wrong, for people.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Lengths => "a frame whose lengths have a wrong checksum",
            Self::Size => "a frame of an impossible size",
            Self::Checksum => "a frame with a wrong checksum",
            Self::Headers => "a frame with broken headers",
        }
    }
}

/// A frame whose checksums are right and whose headers can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    headers: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first header of this name, if it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.headers;
        while let Ok(Some(header)) = Header::take(&mut rest) {
            if header.name == name.as_bytes() {
                return header.text.and_then(|text| std::str::from_utf8(text).ok());
            }
        }
        None
    }
}

/// A header; of a value that is no string only its place is known.
struct Header<'a> {
    name: &'a [u8],
    text: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// The next of the headers, and `None` behind the last.
    fn take(rest: &mut &'a [u8]) -> Result<Option<Self>, Broken> {
        let Some(name_len) = take(rest, 1).and_then(|len| len.first().copied()) else { return Ok(None) };
        let mut value = |len: usize| take(rest, len).ok_or(Broken::Headers);
        let name = value(name_len.into())?;
        if name.is_empty() {
            return Err(Broken::Headers);
        }
        let text = match value(1)? {
            [0 | 1] => None,             // true, false
            [2] => Some((1, false)),     // a byte
            [3] => Some((2, false)),     // two
            [4] => Some((4, false)),     // four
            [5 | 8] => Some((8, false)), // eight, and a time
            [9] => Some((16, false)),    // a UUID
            [kind @ (6 | 7)] => {
                let len = value(2)?.try_into().map(u16::from_be_bytes).map_err(|_| Broken::Headers)?;
                Some((len.into(), *kind == 7))
            }
            _ => return Err(Broken::Headers),
        };
        let text = match text {
            Some((len, is_text)) => Some(value(len)?).filter(|_| is_text),
            None => None,
        };
        Ok(Some(Self { name, text }))
    }
}

/// The first bytes, taken away; `None` if there are not so many.
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

/// Splits one stream.
#[derive(Debug, Default)]
pub(crate) struct FrameDecoder {
    buffer: Vec<u8>,
    /// Where the next frame begins in `buffer`.
    start: usize,
}

impl FrameDecoder {
    /// Takes the next piece of the stream. Read all frames before the next.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.start.min(self.buffer.len()));
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_KEPT_BYTES {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole frame, where there is one. An error is final.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Broken> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let Some(prelude) = rest.first_chunk::<PRELUDE_BYTES>() else { return Ok(None) };
        let lengths = Lengths::read(prelude)?;
        let Some(frame) = rest.get(..lengths.total) else { return Ok(None) };
        let (said, checksum) = frame.split_last_chunk::<4>().ok_or(Broken::Size)?;
        if crc32fast::hash(said) != u32::from_be_bytes(*checksum) {
            return Err(Broken::Checksum);
        }
        let said = said.get(PRELUDE_BYTES..).unwrap_or_default();
        let (headers, payload) = said.split_at_checked(lengths.headers).ok_or(Broken::Size)?;
        let mut unread = headers;
        while Header::take(&mut unread)?.is_some() {}
        self.start += lengths.total;
        Ok(Some(Frame { headers, payload }))
    }
}

struct Lengths {
    total: usize,
    headers: usize,
}

impl Lengths {
    fn read(prelude: &[u8; PRELUDE_BYTES]) -> Result<Self, Broken> {
        let [a, b, c, d, e, f, g, h, checksum @ ..] = *prelude;
        if crc32fast::hash(&[a, b, c, d, e, f, g, h]) != u32::from_be_bytes(checksum) {
            return Err(Broken::Lengths);
        }
        let length = |bytes| usize::try_from(u32::from_be_bytes(bytes)).map_err(|_| Broken::Size);
        let (total, headers) = (length([a, b, c, d])?, length([e, f, g, h])?);
        let payload = total.checked_sub(FRAME_BYTES_AROUND).and_then(|rest| rest.checked_sub(headers));
        match payload {
            Some(payload) if payload <= PAYLOAD_MAX_BYTES && headers <= HEADERS_MAX_BYTES => {
                Ok(Self { total, headers })
            }
            _ => Err(Broken::Size),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
