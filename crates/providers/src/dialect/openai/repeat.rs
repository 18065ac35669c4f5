//! Recognises chunks that say what the chunk before said, with other text: nearly all of a long stream.
//!
//! A chunk counts as a repetition only if every byte outside its text equals a byte of a chunk that was
//! read in full, so nothing can hide in one: no usage, no error, no end.

use bytes::{BufMut, BytesMut};
use memchr::memmem;
use nexus_wire::sse::decode::Frame;

const CONTENT: &[u8] = b"\"content\":\"";
/// What ends a frame, and what the client's frames end in.
const END: &[u8] = b"\n\n";
/// Random letters that OpenAI puts beside the text.
const OBFUSCATION: &[u8] = b"\"obfuscation\":\"";

/// The last ordinary chunk: as the vendor wrote it, and as the client saw it.
#[derive(Default)]
pub(super) struct Pattern {
    is_known: bool,
    read: Parts,
    written: Parts,
    /// Whether nothing behind the text is said differently to the client.
    keeps_tail: bool,
}

/// What stands around the two texts of a chunk, its line ends left away.
#[derive(Default)]
struct Parts {
    before: Vec<u8>,
    /// Between the text and the obfuscation; everything behind the text where there is none.
    between: Vec<u8>,
    after: Option<Vec<u8>>,
}

/// What a repetition says otherwise.
struct Repeated<'a> {
    text: &'a str,
    obfuscation: &'a [u8],
    /// The chunk from its text on.
    tail: &'a [u8],
}

/// A chunk, taken apart.
struct Split<'a> {
    before: &'a [u8],
    text: &'a [u8],
    between: &'a [u8],
    obfuscation: Option<(&'a [u8], &'a [u8])>,
}

impl Pattern {
    /// If the frame repeats the pattern, appends what the client is to see and returns the text.
    pub(super) fn relay<'a>(&self, frame: &Frame<'a>, out: &mut BytesMut) -> Option<&'a str> {
        let (repeated, rest) = self.repeated(frame.lines)?;
        rest.is_empty().then(|| self.write(&repeated, out))
    }

    /// Relays the frames at the beginning of `piece` that repeat the pattern, each given to `text`, and
    /// returns the rest. The piece must begin where a frame begins. Only frames whose lines end in LF are
    /// taken; it costs no look for the ends of lines and no copy but the one the client gets.
    pub(super) fn relay_all<'a>(
        &self,
        mut piece: &'a [u8],
        out: &mut BytesMut,
        mut text: impl FnMut(&'a str),
    ) -> &'a [u8] {
        while let Some((repeated, rest)) = self.repeated(piece)
            && let Some(rest) = rest.strip_prefix(END)
        {
            text(self.write(&repeated, out));
            piece = rest;
        }
        piece
    }

    /// What differs in the chunk these bytes begin with, and what follows it.
    fn repeated<'a>(&self, bytes: &'a [u8]) -> Option<(Repeated<'a>, &'a [u8])> {
        if !self.is_known {
            return None;
        }
        let from_text = bytes.strip_prefix(self.read.before.as_slice())?;
        let (text, rest) = string(from_text)?;
        let text = std::str::from_utf8(text).ok()?;
        let mut rest = rest.strip_prefix(self.read.between.as_slice())?;
        let mut obfuscation: &[u8] = &[];
        if let Some(after) = &self.read.after {
            (obfuscation, rest) = string(rest)?;
            rest = rest.strip_prefix(after.as_slice())?;
        }
        let tail = from_text.get(..from_text.len() - rest.len())?;
        Some((Repeated { text, obfuscation, tail }, rest))
    }

    fn write<'a>(&self, repeated: &Repeated<'a>, out: &mut BytesMut) -> &'a str {
        out.put_slice(&self.written.before);
        if self.keeps_tail {
            out.put_slice(repeated.tail);
        } else {
            out.put_slice(repeated.text.as_bytes());
            out.put_slice(&self.written.between);
            out.put_slice(repeated.obfuscation);
            out.put_slice(self.written.after.as_deref().unwrap_or_default());
        }
        out.put_slice(END);
        repeated.text
    }

    /// Remembers a chunk that was read in full and says nothing but `text`, and what was written for it.
    pub(super) fn learn(&mut self, frame: &Frame<'_>, written: &[u8], text: &str) {
        self.is_known = false;
        let Some(written) = written.strip_suffix(END) else { return };
        let (Some(read), Some(written)) = (split(frame.lines), split(written)) else { return };
        if frame.data_place.is_some() && read.text == text.as_bytes() && written.text == text.as_bytes() {
            self.read.keep(&read);
            self.written.keep(&written);
            self.keeps_tail = read.between == written.between && read.obfuscation == written.obfuscation;
            self.is_known = true;
        }
    }
}

impl Parts {
    fn keep(&mut self, split: &Split<'_>) {
        self.before.clear();
        self.before.extend_from_slice(split.before);
        self.between.clear();
        self.between.extend_from_slice(split.between);
        self.after = split.obfuscation.map(|(_, after)| after.to_vec());
    }
}

/// Takes a chunk apart that has exactly one text, and at most one obfuscation, behind it.
fn split(chunk: &[u8]) -> Option<Split<'_>> {
    let (before, rest) = after(chunk, CONTENT)?;
    let (text, rest) = string(rest)?;
    if memmem::find(rest, CONTENT).is_some() {
        return None;
    }
    let Some((between, rest)) = after(rest, OBFUSCATION) else {
        return Some(Split { before, text, between: rest, obfuscation: None });
    };
    let (obfuscation, after) = string(rest)?;
    Some(Split { before, text, between, obfuscation: Some((obfuscation, after)) })
}

/// Everything up to the end of `mark`, and what follows.
fn after<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    bytes.split_at_checked(memmem::find(bytes, mark)? + mark.len())
}

/// A JSON string's inside and what follows, its closing quote included; only a string without escapes. Byte by
/// byte, because what is looked for is nearly always a few bytes away.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
    let (inside, rest) = bytes.split_at_checked(end)?;
    (rest.first() == Some(&b'"')).then_some((inside, rest))
}

#[cfg(test)]
mod tests {
    use nexus_core::{
        call::{Call, Operation},
        id::{RequestId, Uuid},
    };

    use super::*;
    use crate::registry;

    /// What a client sees of these events, with the text that was counted behind it.
    fn relayed(events: &[String]) -> Result<String, String> {
        let call = Call {
            operation: Operation::ChatCompletions,
            alias: "alias".into(),
            is_stream: true,
            wants_usage: false,
            request: RequestId(Uuid::nil()),
            asked_at_s: 0,
        };
        let mut stream = registry::dialect("openai").unwrap().stream(&call);
        let mut out = BytesMut::new();
        for event in events {
            let piece = format!("data: {event}\n\n");
            stream.feed(piece.as_bytes(), &mut out).map_err(|fault| fault.message)?;
        }
        Ok(format!("{}{}", String::from_utf8(out.to_vec()).unwrap(), stream.text()))
    }

    fn event(text: &str, obfuscation: &str, finish: &str, behind: &str) -> String {
        format!(
            r#"{{"id":"c","object":"chat.completion.chunk","created":1,"model":"real","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":{finish}}}],"obfuscation":"{obfuscation}"{behind}}}"#
        )
    }

    #[test]
    fn chunks_that_repeat_one_another_differ_for_the_client_only_in_their_text() {
        let events = ["a", "b", "c", "d"].map(|text| event(text, &text.repeat(3), "null", ""));
        let expected: String = events
            .iter()
            .map(|event| format!("data: {}\n\n", event.replace("\"real\"", "\"alias\"")))
            .collect();
        assert_eq!(relayed(&events).unwrap(), expected + "abcd");
    }

    #[test]
    fn a_stream_is_relayed_alike_however_it_is_cut_and_whatever_its_lines_end_in() {
        let call = Call {
            operation: Operation::ChatCompletions,
            alias: "alias".into(),
            is_stream: true,
            wants_usage: false,
            request: RequestId(Uuid::nil()),
            asked_at_s: 0,
        };
        let texts = ["a", "b", "c", "", "d", "\u{1f980}", "e", r"\n", "f", "g"];
        let stream: String = texts
            .iter()
            .map(|text| format!("data: {}\n\n", event(text, "x", "null", "")))
            .chain([": comment\n\n".to_owned(), format!("data: {}\n\n", event("h", "x", "\"stop\"", ""))])
            .collect();
        let relayed = |stream: &str, cut: usize| {
            let mut decoder = registry::dialect("openai").unwrap().stream(&call);
            let mut out = BytesMut::new();
            for piece in stream.as_bytes().chunks(cut) {
                decoder.feed(piece, &mut out).unwrap();
            }
            (String::from_utf8(out.to_vec()).unwrap(), decoder.text().to_owned())
        };
        let whole = relayed(&stream, stream.len());
        assert_eq!(whole.1, "abcd\u{1f980}e\nfgh");
        for cut in 1..stream.len() {
            assert_eq!(relayed(&stream, cut), whole, "cut into {cut}");
        }
        // lines that end otherwise are kept as they are inside a frame, and end it all the same
        assert_eq!(relayed(&stream.replace('\n', "\r\n").replace("\\r\\n", "\\n"), 7).1, whole.1);
    }

    #[test]
    fn nothing_can_hide_in_a_chunk_that_looks_like_a_repetition() {
        let ordinary = ["a", "b"].map(|text| event(text, "x", "null", ""));
        let then = |last: String| relayed(&[ordinary.as_slice(), &[last]].concat());
        assert!(then(event("c", "x", "\"stop\"", "")).unwrap().contains("\"stop\""));
        assert!(then(event("c", "x", "null", r#","error":{"message":"overloaded"}"#)).is_err());
        assert!(
            then(event("c", "x", "null", r#","usage":{"prompt_tokens":1}"#))
                .unwrap()
                .contains("\"usage\":null")
        );
        assert!(then(event("c\",\"refusal\":\"no", "x", "null", "")).unwrap().contains("\"refusal\":\"no\""));
        assert!(then(event("c\u{7}", "x", "null", "")).is_err(), "a control character is no JSON");
        assert!(then(event("c", "x", "null", " , ")).is_err());
        let escaped = then(event(r"c\u0064", "x", "null", "")).unwrap();
        assert!(escaped.contains(r"c\u0064"), "{escaped}");
    }
}
