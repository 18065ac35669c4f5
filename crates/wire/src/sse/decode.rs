//! Splitting an event stream into frames, wherever the body was cut.
//!
//! Line ends may be LF, CR or CRLF, mixed. What a frame looks like never depends on the cuts: its
//! `lines` end before the last line's end, so the half of a CRLF that comes later is in no frame.
//! Every byte is searched once; a frame costs no allocation unless its data has several lines.

use std::ops::Range;

/// The largest frame, in bytes. A generated image in base64 is a few million; this is also the most
/// that one stream can make the gateway keep.
pub const FRAME_MAX_BYTES: usize = 16 * 1024 * 1024;

/// A buffer larger than this is given back once it is empty.
const BUFFER_KEPT_BYTES: usize = 64 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// An event that has data. Comments before it, and frames without data, are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The frame as it came, without its last line end and the empty line after it.
    pub lines: &'a [u8],
    /// The data; several `data` lines are joined with a line feed.
    pub data: &'a [u8],
    /// Where the data stands in `lines`, if it is one line.
    pub data_place: Option<Range<usize>>,
    /// The value of the last `event` field; empty where there is none.
    pub event: &'a [u8],
}

/// A frame grew beyond the limit. Final: the stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLarge {
    pub limit_bytes: usize,
}

/// The places of the frame that is being read, from the frame's first byte on.
#[derive(Debug, Default)]
struct Fields {
    has_field: bool,
    /// Where the last line ends, without its line end.
    end: usize,
    data_lines: usize,
    data: Range<usize>,
    event: Range<usize>,
}

/// Splits one stream.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    limit_bytes: usize,
    /// Where the current frame begins in `buffer`.
    start: usize,
    /// Where the current line begins.
    line: usize,
    /// Up to where the current line was searched for its end.
    searched: usize,
    /// A CR was last: an LF right after it belongs to the same line end.
    skips_lf: bool,
    bom_is_possible: bool,
    fields: Fields,
    joined: Vec<u8>,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new(FRAME_MAX_BYTES)
    }
}

impl FrameDecoder {
    /// For frames of at most `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            limit_bytes,
            start: 0,
            line: 0,
            searched: 0,
            skips_lf: false,
            bom_is_possible: true,
            fields: Fields::default(),
            joined: Vec::new(),
        }
    }

    /// Takes a piece of the body. Call [`FrameDecoder::next_frame`] until it has no more.
    pub fn push(&mut self, piece: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            if self.buffer.capacity() > BUFFER_KEPT_BYTES {
                self.buffer = Vec::new();
            }
        } else if self.start > 0 {
            self.buffer.drain(..self.start);
        }
        self.line -= self.start;
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(piece);
    }

    /// Whether everything that was pushed has been read and the next byte begins a frame.
    pub fn is_between_frames(&self) -> bool {
        self.start == self.buffer.len() && !self.skips_lf && !self.bom_is_possible && !self.fields.has_field
    }

    /// The next whole frame of what was pushed.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameTooLarge> {
        if self.bom_is_possible && !self.pass_bom() {
            return Ok(None);
        }
        while self.next_line() {
            if let Some(fields) = self.end_of_line() {
                return Ok(Some(self.frame(fields)));
            }
        }
        if self.buffer.len() - self.start > self.limit_bytes {
            return Err(FrameTooLarge { limit_bytes: self.limit_bytes });
        }
        Ok(None)
    }

    /// The frame that was begun when the body ended, read as if an empty line had followed. By the
    /// letter it is to be dropped; many providers leave the last empty line out.
    pub fn last_frame(&mut self) -> Option<Frame<'_>> {
        if self.line < self.buffer.len() {
            self.searched = self.buffer.len();
            self.read_line(self.line..self.searched);
        }
        self.line = self.buffer.len();
        let fields = self.take_frame()?;
        Some(self.frame(fields))
    }

    /// False while it cannot be told yet whether the stream begins with a byte order mark.
    fn pass_bom(&mut self) -> bool {
        if self.buffer.starts_with(BOM) {
            (self.start, self.line, self.searched) = (BOM.len(), BOM.len(), BOM.len());
        } else if BOM.starts_with(&self.buffer) {
            return false;
        }
        self.bom_is_possible = false;
        true
    }

    /// Moves `searched` behind the current line's end; false if it has not come yet.
    fn next_line(&mut self) -> bool {
        if self.skips_lf && self.line < self.buffer.len() {
            self.skips_lf = false;
            if self.buffer.get(self.line) == Some(&b'\n') {
                self.line += 1;
                self.searched = self.line;
                if !self.fields.has_field {
                    self.start = self.line;
                }
            }
        }
        let rest = self.buffer.get(self.searched..).unwrap_or_default();
        match memchr::memchr2(b'\n', b'\r', rest) {
            Some(at) => {
                self.searched += at + 1;
                true
            }
            None => {
                self.searched = self.buffer.len();
                false
            }
        }
    }

    /// Reads the line that ends before `searched`; an empty one may end a frame.
    fn end_of_line(&mut self) -> Option<Fields> {
        let line = self.line..self.searched - 1;
        self.skips_lf = self.buffer.get(line.end) == Some(&b'\r');
        self.line = self.searched;
        if line.is_empty() {
            return self.take_frame();
        }
        self.read_line(line);
        if !self.fields.has_field {
            self.start = self.line;
        }
        None
    }

    /// Reads one line's field. Comments before the first field are no part of the frame.
    fn read_line(&mut self, line: Range<usize>) {
        let text = self.buffer.get(line.clone()).unwrap_or_default();
        let colon = memchr::memchr(b':', text);
        if colon == Some(0) && !self.fields.has_field {
            return;
        }
        let (name, value) = text.split_at(colon.unwrap_or(text.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let end = line.end - self.start;
        let place = end - value.len()..end;
        self.fields.has_field = true;
        self.fields.end = end;
        match name {
            b"data" => {
                self.fields.data_lines += 1;
                if self.fields.data_lines == 1 {
                    self.fields.data = place;
                    return;
                }
                if self.fields.data_lines == 2 {
                    let first = self.start + self.fields.data.start..self.start + self.fields.data.end;
                    self.joined.clear();
                    self.joined.extend_from_slice(self.buffer.get(first).unwrap_or_default());
                }
                self.joined.push(b'\n');
                self.joined.extend_from_slice(value);
            }
            b"event" => self.fields.event = place,
            _ => {}
        }
    }

    /// Ends the frame before `line`; without data it is nothing.
    fn take_frame(&mut self) -> Option<Fields> {
        let fields = std::mem::take(&mut self.fields);
        if fields.data_lines == 0 {
            self.start = self.line;
            return None;
        }
        Some(fields)
    }

    /// Hands out the frame that begins at `start`, and begins the next one.
    fn frame(&mut self, fields: Fields) -> Frame<'_> {
        let start = std::mem::replace(&mut self.start, self.line);
        let lines = self.buffer.get(start..start + fields.end).unwrap_or_default();
        let is_one_line = fields.data_lines == 1;
        Frame {
            lines,
            data: if is_one_line { lines.get(fields.data.clone()).unwrap_or_default() } else { &self.joined },
            data_place: is_one_line.then_some(fields.data),
            event: lines.get(fields.event).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream fed in these pieces has for data, and for lines.
    fn frames(pieces: &[&[u8]], limit_bytes: usize) -> Result<Vec<(String, String)>, FrameTooLarge> {
        let mut decoder = FrameDecoder::new(limit_bytes);
        let mut seen = Vec::new();
        let owned = |frame: Frame<'_>| {
            if let Some(place) = &frame.data_place {
                assert_eq!(&frame.lines[place.clone()], frame.data);
            }
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            (text(frame.data), text(frame.lines))
        };
        for piece in pieces {
            decoder.push(piece);
            while let Some(frame) = decoder.next_frame()? {
                seen.push(owned(frame));
            }
        }
        seen.extend(decoder.last_frame().map(owned));
        Ok(seen)
    }

    #[test]
    fn frames_are_the_same_wherever_the_body_is_cut() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("data: a\n\ndata: b\n\n", &[("a", "data: a"), ("b", "data: b")]),
            (
                "data: a\r\n\r\ndata: b\r\rdata: c\n\n",
                &[("a", "data: a"), ("b", "data: b"), ("c", "data: c")],
            ),
            ("event: e\r\nid: 1\r\ndata: a\r\n\r\n", &[("a", "event: e\r\nid: 1\r\ndata: a")]),
            ("data: a\r\n\ndata: b\n\r\n", &[("a", "data: a"), ("b", "data: b")]),
            ("\u{feff}data: a\n\n", &[("a", "data: a")]),
            ("data: \u{feff}a\n\n", &[("\u{feff}a", "data: \u{feff}a")]),
            (": one\n: two\n\n:three\ndata: a\n: four\n\n", &[("a", "data: a\n: four")]),
            ("data:a\ndata:  b\ndata\n\n", &[("a\n b\n", "data:a\ndata:  b\ndata")]),
            ("data\n\n", &[("", "data")]),
            ("data:\ndata:\n\n", &[("\n", "data:\ndata:")]),
            ("event: ping\n\nretry: 1\n\ndata: a\n\n", &[("a", "data: a")]),
            ("dataset: no\nDATA: no\n\n", &[]),
            ("data: [DONE]", &[("[DONE]", "data: [DONE]")]),
            ("data: [DONE]\r", &[("[DONE]", "data: [DONE]")]),
            ("\n\n\r\n: only a comment", &[]),
            ("", &[]),
        ];
        for (body, expected) in cases {
            let expected: Vec<_> =
                expected.iter().map(|(data, lines)| (data.to_string(), lines.to_string())).collect();
            let whole = body.as_bytes();
            assert_eq!(frames(&[whole], 1000).as_ref(), Ok(&expected), "{body:?} whole");
            let bytes: Vec<&[u8]> = whole.chunks(1).collect();
            assert_eq!(frames(&bytes, 1000).as_ref(), Ok(&expected), "{body:?} byte by byte");
            for at in 0..=whole.len() {
                let (one, two) = whole.split_at(at);
                assert_eq!(frames(&[one, two], 1000).as_ref(), Ok(&expected), "{body:?} cut at {at}");
            }
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_is_an_error_and_comments_never_are() {
        let comments = ": ping\n".repeat(1000);
        assert_eq!(frames(&[comments.as_bytes()], 16), Ok(vec![]));
        assert_eq!(frames(&[b"data: 0123456789"], 16).map(|seen| seen.len()), Ok(1));
        for body in ["data: 0123456789a", "data: a\ndata: b\ndata: c", ": a comment without an end"] {
            assert_eq!(frames(&[body.as_bytes()], 16), Err(FrameTooLarge { limit_bytes: 16 }), "{body}");
        }
    }

    #[test]
    fn a_line_of_a_million_bytes_passes_in_small_pieces_and_its_buffer_is_given_back() {
        let body = format!("data: {}\n\n", "x".repeat(1_000_000));
        let pieces: Vec<&[u8]> = body.as_bytes().chunks(7).collect();
        let seen = frames(&pieces, FRAME_MAX_BYTES).unwrap();
        assert_eq!(seen.iter().map(|(data, _)| data.len()).collect::<Vec<_>>(), [1_000_000]);
        let mut decoder = FrameDecoder::default();
        decoder.push(body.as_bytes());
        assert!(decoder.next_frame().unwrap().is_some() && decoder.next_frame().unwrap().is_none());
        decoder.push(b"data: a");
        assert!(decoder.buffer.capacity() <= BUFFER_KEPT_BYTES);
    }

    #[test]
    fn the_last_event_field_is_the_event() {
        let mut decoder = FrameDecoder::default();
        decoder.push(b"event: a\nevent: error\ndata: {}\n\n");
        let frame = decoder.next_frame().unwrap().unwrap();
        assert_eq!((frame.event, frame.data), (&b"error"[..], &b"{}"[..]));
    }
}
