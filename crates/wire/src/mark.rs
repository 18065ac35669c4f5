//! Whose seal is on what a client brings back: a mark in front of an `encrypted_content` of Responses.
//!
//! Only who sealed such a content can open it. To a client it is opaque, so it can say itself who did; its vendor gets
//! back what it gave, byte for byte.

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

use crate::{
    place,
    splice::{self, Edit},
};

const MEMBER: &str = "encrypted_content";
const BEFORE: &str = "nexus.by.";
const DIGITS: usize = 16;

/// Who sealed a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub u64);

impl Mark {
    fn text(self) -> String {
        format!("{BEFORE}{:0DIGITS$x}.", self.0)
    }

    /// The mark that a JSON string begins with, and how many bytes it takes behind the quote.
    fn begins(value: &str) -> Option<(Self, usize)> {
        let (digits, _) = value.strip_prefix('"')?.strip_prefix(BEFORE)?.split_once('.')?;
        let is_mark = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let mark = u64::from_str_radix(digits, 16).ok().filter(|_| is_mark)?;
        Some((Self(mark), BEFORE.len() + DIGITS + 1))
    }
}

/// What the items of a request bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Borne {
    pub mark: Mark,
    /// The first item that bears it.
    pub at: usize,
    /// The first item that bears another.
    pub other: Option<usize>,
}

/// A whole answer or whole events with the mark in front of every sealed content; `None`: there is none.
pub fn put(said: &[u8], mark: Mark) -> Option<Bytes> {
    let quoted = format!("\"{MEMBER}\"");
    let mut places =
        memmem::find_iter(said, &quoted).filter_map(|at| content(said, at, quoted.len())).peekable();
    places.peek()?;
    let text = mark.text();
    let mut out = BytesMut::with_capacity(said.len() + 4 * text.len());
    let mut done = 0;
    for place in places {
        out.put_slice(said.get(done..place).unwrap_or_default());
        out.put_slice(text.as_bytes());
        done = place;
    }
    out.put_slice(said.get(done..).unwrap_or_default());
    Some(out.freeze())
}

/// Where the content begins of a member whose name stands at `at`, if it is one and is not empty. Within a string every
/// quote has a backslash before it, so a name that is only spoken of is none.
fn content(said: &[u8], at: usize, name: usize) -> Option<usize> {
    let is_spoken_of = at.checked_sub(1).and_then(|before| said.get(before)) == Some(&b'\\');
    let skip = |from: usize, expected: u8| {
        let rest = said.get(from..)?;
        let blanks = rest.len() - rest.trim_ascii_start().len();
        (rest.get(blanks) == Some(&expected)).then_some(from + blanks + 1)
    };
    let begin = skip(skip(at + name, b':')?, b'"')?;
    (!is_spoken_of && said.get(begin) != Some(&b'"')).then_some(begin)
}

/// A request without the marks of its items, and which they were; `None`: it bears none.
pub fn take(body: &str) -> Option<(Bytes, Borne)> {
    memmem::find(body.as_bytes(), BEFORE.as_bytes())?;
    let input = place::members(body).into_iter().find(|member| member.name == "input")?;
    let mut edits = Vec::new();
    let mut borne: Option<Borne> = None;
    for (at, item) in place::elements(input.value).into_iter().enumerate() {
        for member in place::members(item).into_iter().filter(|member| member.name == MEMBER) {
            let Some((mark, length)) = Mark::begins(member.value) else { continue };
            let begin = member.value_place(body).start + 1;
            edits.push(Edit { place: begin..begin + length, text: "" });
            let known = borne.get_or_insert(Borne { mark, at, other: None });
            if known.mark != mark {
                known.other.get_or_insert(at);
            }
        }
    }
    Some((splice::splice(body.as_bytes(), &edits), borne?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark(0x0123_4567_89ab_cdef);

    #[test]
    fn contents_are_marked_where_they_stand_and_not_where_they_are_spoken_of() {
        for (said, expected) in [
            (
                r#"{"encrypted_content":"abc"}"#,
                Some(r#"{"encrypted_content":"nexus.by.0123456789abcdef.abc"}"#),
            ),
            (
                r#"data: {"a":[{"encrypted_content" : "x"},{"encrypted_content":"y"}]}"#,
                Some(
                    r#"data: {"a":[{"encrypted_content" : "nexus.by.0123456789abcdef.x"},{"encrypted_content":"nexus.by.0123456789abcdef.y"}]}"#,
                ),
            ),
            (r#"{"encrypted_content":""}"#, None),
            (r#"{"encrypted_content":null}"#, None),
            (r#"{"text":"\"encrypted_content\":\"abc\""}"#, None),
            (r#"{"text":"encrypted_content","\"encrypted_content":"abc"}"#, None),
            (r#"{"include":["encrypted_content"]}"#, None),
            (r#""encrypted_content""#, None),
        ] {
            let put = put(said.as_bytes(), MARK);
            assert_eq!(put.as_deref(), expected.map(str::as_bytes), "{said}");
        }
    }

    #[test]
    fn a_vendor_gets_back_what_it_gave() {
        let given = r#"{ "input" : [ {"content":"nexus.by.0123456789abcdef."}, {"type":"reasoning","encrypted_content":"g+A/="} ] }"#;
        let marked = put(given.as_bytes(), MARK).unwrap();
        let (bare, borne) = take(std::str::from_utf8(&marked).unwrap()).unwrap();
        assert_eq!(bare, given);
        assert_eq!(borne, Borne { mark: MARK, at: 1, other: None });
        assert_eq!(take(given), None, "a prompt bears no mark");
    }

    #[test]
    fn marks_of_several_are_told_apart_and_what_is_none_stays() {
        let body = r#"{"input":[{"encrypted_content":"nexus.by.0000000000000001.a"},{"encrypted_content":"nexus.by.0000000000000001.b"},{"encrypted_content":"nexus.by.0000000000000002.c"}]}"#;
        let (bare, borne) = take(body).unwrap();
        assert_eq!(
            bare,
            r#"{"input":[{"encrypted_content":"a"},{"encrypted_content":"b"},{"encrypted_content":"c"}]}"#
        );
        assert_eq!(borne, Borne { mark: Mark(1), at: 0, other: Some(2) });
        for other in
            ["nexus.by.1.a", "nexus.by.+000000000000001.a", "nexus.by.000000000000000g.a", "xnexus.by."]
        {
            assert_eq!(take(&format!(r#"{{"input":[{{"encrypted_content":"{other}"}}]}}"#)), None, "{other}");
        }
        assert_eq!(take("nexus.by."), None);
    }
}
