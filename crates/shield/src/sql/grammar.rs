//! The first signal: libinjection reads a text as the rest of a statement and knows the shapes of attacks.
//!
//! It takes names for statements where words are all there is (`Sleep (beta)`, `Credit Union Select`), so it is
//! asked only where something breaks out of a value, and a few of its shapes do not count. Within one word its
//! time grows with the square of the length; it is therefore given windows, never a whole text.

use std::borrow::Cow;

use libinjectionrs::{SqliFlags, SqliState};

use super::phrases::before_last_comment;

/// Bytes libinjection sees at once.
const WINDOW_BYTES: usize = 1024;

/// Bytes two neighbouring windows share: an attack on the border is whole in one of them.
const SHARED_BYTES: usize = 128;

/// The shape of an attack, as a letter a token.
pub(super) fn find(text: &[u8]) -> Option<Cow<'static, str>> {
    if !breaks_out(text) {
        return None;
    }
    windows(text).find_map(|window| {
        let mut state = SqliState::new(window, SqliFlags::FLAG_NONE);
        if !state.detect() {
            return None;
        }
        let fingerprint = state.fingerprint_string();
        counts(&fingerprint, window).then(|| format!("fingerprint {fingerprint}").into())
    })
}

/// Whether a text has what ends a value or compares one: without, words are words.
fn breaks_out(text: &[u8]) -> bool {
    text.iter().any(|byte| b"'\"`;=<>|#*".contains(byte))
        || [&b"--"[..], b"@@", b"$$", b"&&"].iter().any(|pair| memchr::memmem::find(text, pair).is_some())
}

/// Whether a shape is one of attacks only; names and searches have some of them too.
fn counts(fingerprint: &str, text: &[u8]) -> bool {
    match fingerprint {
        // `the limit's end`, `Anna 'limit'`
        "nBs" | "sBs" => false,
        // A search, `q="exact" and year`: nothing is closed that was not opened in the text.
        "nos&1" | "nos&f" | "nos&n" | "nos&s" => false,
        // `black "and" white`
        "sos" | "s&s" => !quotes_a_word(text),
        // `2026 -- old`: an attack writes nothing after the comment it opens.
        "1c" => before_last_comment(text).is_some(),
        _ => true,
    }
}

/// Whether the only quotes in a text are those around one word that stands free.
fn quotes_a_word(text: &[u8]) -> bool {
    let is_quote = |byte: &u8| matches!(byte, b'\'' | b'"');
    let mut parts = text.split(is_quote);
    let (Some(before), Some(word), Some(after), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_blank = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
    word.iter().all(u8::is_ascii_alphabetic) && is_blank(before.last()) && is_blank(after.first())
}

fn windows(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..text.len()).step_by(WINDOW_BYTES - SHARED_BYTES).filter_map(move |start| {
        let rest = text.get(start..)?;
        let is_seen = start > 0 && rest.len() <= SHARED_BYTES;
        (!is_seen).then(|| rest.get(..WINDOW_BYTES).unwrap_or(rest))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_leave_nothing_out_and_stay_small() {
        for len in [0, 1, 127, 128, 1023, 1024, 1025, 1920, 1921, 5000, 65536] {
            let text = vec![b'a'; len];
            let seen: Vec<_> = windows(&text).map(<[u8]>::len).collect();
            assert!(seen.iter().all(|seen| *seen <= WINDOW_BYTES && *seen > 0), "{len}: {seen:?}");
            let shared = SHARED_BYTES * seen.len().saturating_sub(1);
            assert_eq!(seen.iter().sum::<usize>(), len + shared, "{len}: {seen:?}");
        }
    }

    #[test]
    fn words_and_quotations_are_no_statement() {
        for text in [
            "black \"and\" white",
            "Team 'like'",
            "team = 'red' or 'blue'",
            "q=\"exact\" or other",
            "the limit's end",
            "2026 -- old",
            "Sleep (beta)",
            "Credit Union Select",
            "1 or 2",
            "Year (2026)",
            "Drop & Drag (all)",
        ] {
            assert_eq!(find(text.as_bytes()), None, "{text}");
        }
        for (text, shape) in [("' or 1=1", "s&1"), ("' like '", "sos"), ("x'or'y", "s&s"), ("2026 --", "1c")]
        {
            assert_eq!(find(text.as_bytes()), Some(format!("fingerprint {shape}").into()), "{text}");
        }
    }

    proptest! {
        /// libinjection indexes by arithmetic of its own; this is what says that it stays within the text.
        #[test]
        fn no_text_makes_libinjection_fail(text in "([ -~]|'|\"|`|/\\*|\\*/|--|#|\\$\\$|\\$a\\$|@@|q'\\[|N'|0x|e|\\\\|union|select|or|like|in|if|;|\\(|\\)|[0-9.]{1,3}|\\PC|\n|\u{0}){0,60}") {
            let _ = find(text.as_bytes());
        }

        #[test]
        fn no_bytes_make_libinjection_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut state = SqliState::new(&bytes, SqliFlags::FLAG_NONE);
            let _ = state.detect();
        }
    }
}
