//! The mock's tokens: a run of ASCII letters and digits, with one space before it perhaps, at most 8 bytes; or any other single character.
//!
//! Answer, usage, stream and oracle all count by this rule; it has nothing of a real tokenizer, and need not.

/// The tokens of a text, in order; joined they are the text.
pub(crate) fn tokens(text: &str) -> Tokens<'_> {
    Tokens { rest: text }
}

#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    rest: &'a str,
}

const MAX_TOKEN_BYTES: usize = 8;

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let first = self.rest.chars().next()?;
        let mut end = first.len_utf8();
        if first == ' ' || first.is_ascii_alphanumeric() {
            let word = self.rest.bytes().take(MAX_TOKEN_BYTES).skip(1);
            end += word.take_while(u8::is_ascii_alphanumeric).count();
        }
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_words_and_single_characters() {
        let cases: [(&str, &[&str]); 5] = [
            ("", &[]),
            ("You said: hi", &["You", " said", ":", " hi"]),
            ("你好 ok", &["你", "好", " ok"]),
            ("abcdefghijk", &["abcdefgh", "ijk"]),
            ("  a\n\u{1f600}", &[" ", " a", "\n", "\u{1f600}"]),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(text).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }
}
