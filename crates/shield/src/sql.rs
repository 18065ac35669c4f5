//! Recognises SQL injection by two signals: the grammar of a statement, and phrases that only attacks use.
//!
//! One call reads at most [`SCAN_BYTES_MAX`] bytes, whatever the text: every form of every part is paid from one
//! budget before a signal sees it, and each signal takes time linear in what it sees.

mod forms;
mod grammar;
mod parts;
mod phrases;

use std::borrow::Cow;

use crate::finding::{Finding, Kind, Position};

/// Bytes that one call of [`inspect`] reads, counted over all parts and forms of the text.
pub const SCAN_BYTES_MAX: usize = 64 * 1024;

/// How often a text is percent-decoded: once as every server does, and once more for what stands behind it.
const DECODINGS: usize = 2;

/// Looks for SQL injection in a text: as it stands, percent-decoded once, and once more. A path, a query and
/// cookies are also taken apart, so that each is best given whole and still encoded.
pub fn inspect(position: Position, text: &str) -> Option<Finding> {
    let mut scan = Scan { left: SCAN_BYTES_MAX };
    let evidence = scan.evidence(position, text.as_bytes())?;
    Some(Finding { kind: Kind::SqlInjection, position, evidence })
}

/// How much may still be read.
struct Scan {
    left: usize,
}

impl Scan {
    fn evidence(&mut self, position: Position, text: &[u8]) -> Option<Cow<'static, str>> {
        let text = text.get(..self.left).unwrap_or(text);
        parts::parts(position, text).into_iter().find_map(|part| self.part(position, part))
    }

    /// Judges one part as it stands and as each decoding leaves it.
    fn part(&mut self, position: Position, part: &[u8]) -> Option<Cow<'static, str>> {
        let mut form = forms::plain(position, part);
        for _ in 0..DECODINGS {
            if let Some(evidence) = self.verdict(&form) {
                return Some(evidence);
            }
            form = Cow::Owned(forms::decoded(&form)?);
        }
        self.verdict(&form)
    }

    /// Judges one form, as far as the budget reaches.
    fn verdict(&mut self, form: &[u8]) -> Option<Cow<'static, str>> {
        if is_wildcards(form) {
            return Some(Cow::Borrowed("pattern only wildcards"));
        }
        if is_inert(form) {
            return None;
        }
        let form = form.get(..self.left).unwrap_or(form);
        self.left = self.left.saturating_sub(form.len());
        let form = forms::folded(form);
        phrases::find(&form).or_else(|| grammar::find(&form))
    }
}

/// Whether a text is words, numbers and the joints of names and addresses: no statement can be broken out of
/// with these, and most of what comes is nothing else.
fn is_inert(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/@~%".contains(byte))
}

/// Whether a text is nothing but wildcards of `LIKE`, and more of them than a name would be.
fn is_wildcards(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.len() > 3 && text.iter().all(|byte| matches!(byte, b'_' | b'%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACK: &str = "' OR 1=1 --";

    fn left_after(position: Position, text: &str) -> (usize, bool) {
        let mut scan = Scan { left: SCAN_BYTES_MAX };
        let is_found = scan.evidence(position, text.as_bytes()).is_some();
        (scan.left, is_found)
    }

    #[test]
    fn a_megabyte_costs_no_more_than_the_cap() {
        let texts = ["aaaa!", "a.b ", "(", "1,", "a=%2525'&", "a='b'; ", "/'x'", "$a$ ", "[x", "'\\\\"];
        for (piece, position) in
            texts.iter().flat_map(|piece| Position::ALL.map(|position| (piece, position)))
        {
            let text = piece.repeat(1024 * 1024 / piece.len());
            assert_eq!(left_after(position, &text), (0, false), "{piece} in {position:?}");
        }
    }

    #[test]
    fn an_attack_is_found_before_the_cap_and_not_behind_it() {
        for position in [Position::Name, Position::Field, Position::Header, Position::Multipart] {
            let pad = SCAN_BYTES_MAX - ATTACK.len();
            assert!(left_after(position, &format!("{}{ATTACK}", " ".repeat(pad))).1, "{position:?}");
            assert!(
                !left_after(position, &format!("{}{ATTACK}", " ".repeat(SCAN_BYTES_MAX))).1,
                "{position:?}"
            );
        }
    }

    #[test]
    fn what_is_inert_costs_nothing_and_the_rest_its_length() {
        let cases: &[(Position, &str, usize)] = &[
            (Position::Path, "/v1/chat/completions", 0),
            (Position::Header, "sk-proj-aB3_dE--fG7", 0),
            (Position::Name, "two words", 9),
            // Once as it stands; decoded it is no longer.
            (Position::Name, "a%20b", 3),
            // The value, the parameter.
            (Position::Query, "q=a+b", 3 + 5),
            (Position::Query, "q=a+b&limit=20", 3 + 5 + 8 + 14),
        ];
        for (position, text, cost) in cases {
            assert_eq!(left_after(*position, text), (SCAN_BYTES_MAX - cost, false), "{text}");
        }
    }
}
