//! Splitting a body of one JSON text a line, wherever it was cut.
//!
//! A line is kept until it is whole, but never more than [`LINE_MAX_BYTES`] of it.

use nexus_core::fault::Fault;
use nexus_wire::sse::decode::FRAME_MAX_BYTES;

use crate::dialect::bad_answer;

/// The longest line, in bytes: as long as an event may be.
pub(crate) const LINE_MAX_BYTES: usize = FRAME_MAX_BYTES;

#[derive(Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    /// Where the line that is being read begins.
    start: usize,
    /// Up to where it was searched for its end.
    searched: usize,
}

impl Lines {
    /// Takes a piece of the body. Call [`Lines::next_line`] until it has no more.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole line that is not empty.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, Fault> {
        while let Some(at) = memchr::memchr(b'\n', self.buffer.get(self.searched..).unwrap_or_default()) {
            let line = self.start..self.searched + at;
            self.start = line.end + 1;
            self.searched = self.start;
            if self.buffer.get(line.clone()).is_some_and(|line| !line.trim_ascii().is_empty()) {
                return Ok(self.buffer.get(line));
            }
        }
        self.searched = self.buffer.len();
        if self.buffer.len() - self.start > LINE_MAX_BYTES {
            return Err(bad_answer(&format!("the provider sent a line of more than {LINE_MAX_BYTES} bytes")));
        }
        Ok(None)
    }

    /// What was begun when the body ended.
    pub(crate) fn last_line(&mut self) -> Option<&[u8]> {
        let line = self.buffer.get(self.start..).unwrap_or_default();
        self.start = self.buffer.len();
        self.searched = self.start;
        (!line.trim_ascii().is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&str]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in pieces {
            lines.push(piece.as_bytes());
            while let Some(line) = lines.next_line().unwrap() {
                seen.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        seen.extend(lines.last_line().map(|line| String::from_utf8(line.to_vec()).unwrap()));
        assert_eq!(lines.last_line(), None);
        seen
    }

    #[test]
    fn lines_are_the_same_wherever_the_body_was_cut() {
        let body = "{\"a\":1}\n\n {\"b\":2}\r\n\r\n\n{\"c\":3}\n{\"d\"";
        let whole = split(&[body]);
        assert_eq!(whole, ["{\"a\":1}", " {\"b\":2}\r", "{\"c\":3}", "{\"d\""]);
        for first in 0..=body.len() {
            for second in first..=body.len() {
                assert_eq!(split(&[&body[..first], &body[first..second], &body[second..]]), whole);
            }
        }
        assert!(split(&["", "\n\r\n", " "]).is_empty());
    }

    #[test]
    fn a_line_without_end_is_a_fault_and_no_memory() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; 1 << 20];
        let mut pushed = 0;
        while lines.next_line().is_ok() {
            lines.push(&piece);
            pushed += piece.len();
        }
        assert_eq!(pushed, LINE_MAX_BYTES + piece.len());
    }
}
