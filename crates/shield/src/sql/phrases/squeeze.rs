//! Writes a text the one way phrases are written, so that blanks, comments and case hide nothing.
//! One pass: a comment that never ends is looked for once, not once an opening.

/// A letter, a digit, an underscore, or part of a letter beyond ASCII.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The text in lower case, any quote as `'`, any run of digits as `0`, comments and runs of blanks as one blank,
/// and that only between two words.
pub(super) fn squeezed(text: &[u8]) -> Vec<u8> {
    let last_close = memchr::memmem::rfind(text, b"*/").unwrap_or(0);
    let last_line = memchr::memrchr(b'\n', text).unwrap_or(0);
    let mut out = Writer { out: Vec::with_capacity(text.len()), has_gap: false };
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let gap = gap(rest, at.saturating_add(2) <= last_close, at < last_line);
        match (gap, rest.first()) {
            (0, Some(byte)) => out.push(*byte),
            _ => out.has_gap = true,
        }
        at = at.saturating_add(gap.max(1));
    }
    out.out
}

/// How many bytes at the start of the text stand for a blank.
fn gap(rest: &[u8], may_close: bool, may_break: bool) -> usize {
    match rest {
        // MySQL runs what is in such a comment; the digits are its version.
        [b'/', b'*', b'!', version @ ..] => {
            version.iter().take_while(|byte| byte.is_ascii_digit()).count().saturating_add(3)
        }
        [b'/', b'*', comment @ ..] if may_close => {
            memchr::memmem::find(comment, b"*/").map_or(2, |at| at.saturating_add(4))
        }
        [b'/', b'*', ..] | [b'*', b'/', ..] => 2,
        [b'-', b'-', ..] | [b'#', ..] if may_break => memchr::memchr(b'\n', rest).unwrap_or(1),
        [byte, ..] if byte.is_ascii_whitespace() || byte.is_ascii_control() => 1,
        _ => 0,
    }
}

struct Writer {
    out: Vec<u8>,
    has_gap: bool,
}

impl Writer {
    fn push(&mut self, byte: u8) {
        let byte = match byte {
            b'"' | b'`' => b'\'',
            b'0'..=b'9' => b'0',
            _ => byte.to_ascii_lowercase(),
        };
        let last = self.out.last().copied();
        let has_gap = std::mem::take(&mut self.has_gap);
        if has_gap && is_word(byte) && last.is_some_and(is_word) {
            self.out.push(b' ');
        } else if byte == b'0' && last == Some(b'0') {
            return;
        }
        self.out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_case_and_numbers_are_written_one_way() {
        let cases: &[(&str, &str)] = &[
            ("", ""),
            ("A  B\t\nC", "a b c"),
            ("' OR  \"x\" = `y`", "'or'x'='y'"),
            ("17 or 4=4", "0 or 0=0"),
            ("1 2", "0 0"),
            ("UNION/**/SELECT/*x*/1", "union select 0"),
            ("/*!50000union*/ /*!select*/1", "union select 0"),
            ("union/*never ends", "union never ends"),
            ("union--x\nselect#y\n1", "union select 0"),
            ("a--b", "a--b"),
            ("a - b", "a-b"),
            ("a\0b", "a b"),
            ("中 文", "中 文"),
            ("*/*;q=0.8", "*;q=0.0"),
        ];
        for (text, expected) in cases {
            assert_eq!(String::from_utf8(squeezed(text.as_bytes())).unwrap(), *expected, "{text}");
        }
    }

    #[test]
    fn nothing_grows_and_nothing_is_endless() {
        for piece in ["/*", "*/", "/*!", "/*!1", "--", "#", "-- \n", "/**/", "' ", "a ", "1 ", "\u{0}"] {
            let text = piece.repeat(20_000);
            assert!(squeezed(text.as_bytes()).len() <= text.len(), "{piece:?}");
        }
    }
}
