//! What a text may stand for once others have read it: with its blanks, decoded, in plain letters.
//! No form is longer than the text it was made from.

use std::borrow::Cow;

use crate::finding::Position;

/// The text as its position spells it: in a query `+` is a blank.
pub(super) fn plain(position: Position, text: &[u8]) -> Cow<'_, [u8]> {
    if position != Position::Query || !text.contains(&b'+') {
        return Cow::Borrowed(text);
    }
    text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect()
}

/// Decodes each `%` that two hexadecimal digits follow; `None` where there is none.
pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut rest = text;
    let mut out = Vec::new();
    let mut has_changed = false;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (before, from) = rest.split_at_checked(at)?;
        out.extend_from_slice(before);
        rest = match octet(from) {
            Some((byte, after)) => {
                has_changed = true;
                out.push(byte);
                after
            }
            None => {
                out.push(b'%');
                from.get(1..)?
            }
        };
    }
    out.extend_from_slice(rest);
    has_changed.then_some(out)
}

/// The byte that `%xx` stands for, and what follows it.
fn octet(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&[_, high, low], rest) = text.split_first_chunk::<3>()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? << 4 | digit(low)?, rest))
}

/// Puts the plain character in place of what databases take for it: U+FF07 for `'`, U+00A0 for a blank, with
/// all their kind. A byte 0xA0 outside UTF-8 is the blank of Latin-1.
pub(super) fn folded(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            let char = plain_char(char);
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
        out.extend(chunk.invalid().iter().map(|byte| if *byte == 0xa0 { b' ' } else { *byte }));
    }
    Cow::Owned(out)
}

fn plain_char(char: char) -> char {
    /// From U+FF01 to `!`.
    const FULL_WIDTH: u32 = 0xfee0;
    match char {
        '\u{ff01}'..='\u{ff5e}' => {
            u32::from(char).checked_sub(FULL_WIDTH).and_then(char::from_u32).unwrap_or(char)
        }
        _ if !char.is_ascii() && char.is_whitespace() => ' ',
        _ => char,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_decoded_where_it_encodes_and_kept_where_not() {
        let cases: &[(&str, Option<&str>)] = &[
            ("", None),
            ("abc", None),
            ("100%", None),
            ("%zz%4", None),
            ("%27", Some("'")),
            ("%2527", Some("%27")),
            ("a%20%b%20", Some("a %b ")),
            ("%%27%", Some("%'%")),
            ("%E4%B8%AD", Some("中")),
            ("%e4%b8%ad%2F", Some("中/")),
        ];
        for (text, expected) in cases {
            let found = decoded(text.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn plus_is_a_blank_in_a_query_only() {
        assert_eq!(&*plain(Position::Query, b"a+b"), b"a b");
        assert_eq!(&*plain(Position::Path, b"a+b"), b"a+b");
    }

    #[test]
    fn wide_letters_and_strange_blanks_become_plain() {
        let cases: &[(&[u8], &[u8])] = &[
            ("＇ＯＲ１＝１".as_bytes(), b"'OR1=1"),
            ("1\u{a0}or\u{3000}2".as_bytes(), b"1 or 2"),
            (b"1\xa0or\xff2", b"1 or\xff2"),
            ("研发部".as_bytes(), "研发部".as_bytes()),
        ];
        for (text, expected) in cases {
            assert_eq!(&*folded(text), *expected);
        }
    }
}
