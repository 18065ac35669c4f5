//! Reading JSON in place: names and values as borrowed slices, and where they stand.
//!
//! A [`Cursor`] walks the text once, validates all of it and builds nothing. It takes exactly what
//! `serde_json` takes, but for nesting deeper than [`DEPTH_MAX`]; a member's place is the distance of its
//! slice from the text's begin, so both must come from the same allocation.

mod scan;

use std::{borrow::Cow, ops::Range};

/// Brackets nested deeper than this are refused.
pub(crate) const DEPTH_MAX: usize = 128;

/// The text is no JSON, or nested too deeply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Where `part` stands in `whole`. `part` must be a slice of `whole`.
pub(crate) fn place(whole: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

/// `text` as a JSON string, with its quotes.
pub(crate) fn quoted(text: &str) -> String {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        return ["\"", text, "\""].concat();
    }
    serde_json::Value::from(text).to_string()
}

/// A JSON string as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    /// Between the quotes.
    pub(crate) inside: &'a str,
    pub(crate) has_escapes: bool,
}

impl<'a> Text<'a> {
    /// What it says. Empty where an escape stands for no character.
    pub(crate) fn unescaped(self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.inside);
        }
        let quoted = ["\"", self.inside, "\""].concat();
        serde_json::from_str::<String>(&quoted).map_or(Cow::Borrowed(""), Cow::Owned)
    }

    /// The name as it stands in the text; `None` if it is written with escapes.
    pub(crate) fn plain(self) -> Option<&'a str> {
        (!self.has_escapes).then_some(self.inside)
    }
}

/// What kind of value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    Text,
    /// A number, `true`, `false`, `null`, or no value at all.
    Other,
}

/// A place in a text that is being read.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Looks at the value that comes next.
    pub(crate) fn kind(&mut self) -> Kind {
        match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            _ => Kind::Other,
        }
    }

    /// Reads the next value and returns it as it stands.
    pub(crate) fn value(&mut self) -> Result<&'a str, Malformed> {
        self.peek();
        let start = self.at;
        self.at = scan::value(self.text.as_bytes(), start)?;
        self.text.get(start..self.at).ok_or(Malformed)
    }

    /// What `read` reads as one value, as it stands.
    pub(crate) fn spanned(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<(), Malformed>,
    ) -> Result<&'a str, Malformed> {
        self.peek();
        let start = self.at;
        read(self)?;
        self.text.get(start..self.at).ok_or(Malformed)
    }

    /// Reads the next value if it is a string; any other kind is passed over.
    pub(crate) fn string(&mut self) -> Result<Option<Text<'a>>, Malformed> {
        if self.kind() != Kind::Text {
            return self.value().map(|_| None);
        }
        self.quoted().map(Some)
    }

    /// Reads the next value if it is an object: `member` is given each name and must read its value.
    /// Any other kind is passed over. Says whether it was one.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Text<'a>) -> Result<(), Malformed>,
    ) -> Result<bool, Malformed> {
        if self.kind() != Kind::Object {
            return self.value().map(|_| false);
        }
        self.at += 1;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(true);
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(Malformed);
            }
            let name = self.quoted()?;
            self.expect(b':')?;
            member(self, name)?;
            if self.is_closed_by(b'}')? {
                return Ok(true);
            }
        }
    }

    /// Reads the next value if it is an array: `element` must read one element. Any other kind is passed
    /// over. Says how many there were, if it was one.
    pub(crate) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self, usize) -> Result<(), Malformed>,
    ) -> Result<Option<usize>, Malformed> {
        if self.kind() != Kind::Array {
            return self.value().map(|_| None);
        }
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Some(0));
        }
        for ordinal in 0.. {
            element(self, ordinal)?;
            if self.is_closed_by(b']')? {
                return Ok(Some(ordinal + 1));
            }
        }
        Err(Malformed)
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(mut self) -> Result<(), Malformed> {
        self.peek().map_or(Ok(()), |_| Err(Malformed))
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        self.at = scan::blank(self.text.as_bytes(), self.at);
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek() != Some(byte) {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// After a member or an element: a comma, or the end.
    fn is_closed_by(&mut self, close: u8) -> Result<bool, Malformed> {
        let is_end = match self.peek() {
            Some(b',') => false,
            Some(byte) if byte == close => true,
            _ => return Err(Malformed),
        };
        self.at += 1;
        Ok(is_end)
    }

    /// A string; the cursor stands on its opening quote.
    fn quoted(&mut self) -> Result<Text<'a>, Malformed> {
        let start = self.at + 1;
        let string = scan::string(self.text.as_bytes(), start)?;
        self.at = string.end;
        let inside = self.text.get(start..string.end.saturating_sub(1)).ok_or(Malformed)?;
        Ok(Text { inside, has_escapes: string.has_escapes })
    }
}

/// Reads `text` as one JSON value.
pub(crate) fn read<'a>(
    text: &'a str,
    value: impl FnOnce(&mut Cursor<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(text);
    value(&mut cursor)?;
    cursor.end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn is_json(text: &str) -> bool {
        read(text, |cursor| cursor.value().map(drop)).is_ok()
    }

    /// The same, descending through objects and arrays by the callbacks.
    fn descend(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
        match cursor.kind() {
            Kind::Object => cursor.object(|cursor, _| descend(cursor)).map(drop),
            Kind::Array => cursor.array(|cursor, _| descend(cursor)).map(drop),
            Kind::Text => cursor.string().map(drop),
            Kind::Other => cursor.value().map(drop),
        }
    }

    fn agree(text: &str) {
        let expected = serde_json::from_str::<IgnoredAny>(text).is_ok();
        assert_eq!(is_json(text), expected, "{text:?}");
        assert_eq!(read(text, descend).is_ok(), expected, "descending, {text:?}");
    }

    #[rustfmt::skip]
    const TEXTS: &[&str] = &[
        "", " ", "{}", "[]", "{", "}", "[1,]", "[,1]", "{\"a\":1,}", "{\"a\"}", "{\"a\":}", "{a:1}",
        "{1:1}", "[1 2]", "{\"a\":1 \"b\":2}", "[1],", "1 1", "nul", "null", "nulls", "true", "TRUE",
        "truefalse", "-", "-1", "+1", "01", "1.", ".1", "1.5", "1e", "1e5", "1E+5", "1e-", "-0", "-0.0e-1",
        "0x1", "1_0", "\"", "\"a\"", "\"\\\"", "\"\\\\\"", "\"\\x\"", "\"\\u00\"", "\"\\u00e9\"",
        "\"\\ud800\"", "\"\\uZZZZ\"", "\"a\nb\"", "\"a\u{7f}b\"", "\"\u{0}\"", "\"12345678\t\"",
        "\"1234567\\n89\"", "\"123456789\u{1f}\"", "\u{feff}{}",
        "\t\r\n {\t\"a\" :\r[ 1 , {\"b\":null}]\n}\u{b}", "\u{a0}1", "[\"\u{1f980}\",\"千问\"]",
        "{\"a\":{\"b\":[{},[],\"\"]},\"c\":-12.5e3}", "[[[[]]]]", "[[}]", "{\"a\":[}]", "[\"a\":1]",
    ];

    #[test]
    fn what_is_json_here_is_json_to_serde_and_nothing_else() {
        for text in TEXTS {
            agree(text);
            for (at, _) in text.char_indices() {
                agree(&text[..at]);
            }
        }
    }

    #[test]
    fn nesting_is_followed_to_its_bound_and_no_further() {
        for (depth, is_good) in [(1, true), (DEPTH_MAX, true), (DEPTH_MAX + 1, false), (100_000, false)] {
            let arrays = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let objects = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
            assert_eq!((is_json(&arrays), is_json(&objects)), (is_good, is_good), "{depth}");
        }
    }

    #[test]
    fn values_and_names_come_as_they_stand() {
        let text = r#" { "a\u0062" : [1, "x"] , "n":-1.5e3,"s" :"a\"b"} "#;
        let mut seen = Vec::new();
        read(text, |cursor| {
            cursor
                .object(|cursor, name| {
                    let value = cursor.value()?;
                    assert_eq!(&text[place(text, value)], value);
                    seen.push((name.unescaped().into_owned(), name.plain(), value));
                    Ok(())
                })
                .map(|is_object| assert!(is_object))
        })
        .unwrap();
        let expected = [
            ("ab".to_owned(), None, r#"[1, "x"]"#),
            ("n".to_owned(), Some("n"), "-1.5e3"),
            ("s".to_owned(), Some("s"), r#""a\"b""#),
        ];
        assert_eq!(seen, expected);
    }

    proptest! {
        #[test]
        fn any_text_of_json_letters_is_judged_as_serde_judges_it(
            text in r#"[\[\]{},:"\\0-9a-eu.\-+ \n\ttrfnl\x00\x1f]{0,40}"#,
        ) {
            agree(&text);
        }

        #[test]
        fn a_string_is_quoted_as_serde_quotes_it(text in ".*") {
            prop_assert_eq!(quoted(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
