//! Reads the ASCII letters of UTF-7 (RFC 2152): `+ADw-` is `<`. Whatever else is in it becomes `?`.

/// The text, where it has a shifted run at all.
pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'+', text)?;
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'+' {
            out.push(byte);
            continue;
        }
        let mut run = Run::default();
        while let Some(sextet) = bytes.peek().and_then(|byte| sextet(*byte)) {
            bytes.next();
            out.extend(run.push(sextet));
        }
        bytes.next_if_eq(&b'-');
    }
    Some(out)
}

/// Bits of a shifted run until they are a unit of UTF-16.
#[derive(Default)]
struct Run {
    bits: u32,
    count: u32,
}

impl Run {
    fn push(&mut self, sextet: u8) -> Option<u8> {
        self.bits = self.bits << 6 | u32::from(sextet);
        self.count = self.count.saturating_add(6);
        let left = self.count.checked_sub(16)?;
        let unit = self.bits >> left & 0xffff;
        self.count = left;
        Some(u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?'))
    }
}

/// What a letter of base64 stands for.
fn sextet(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => letter.checked_sub(b'A'),
        b'a'..=b'z' => letter.checked_sub(b'a' - 26),
        b'0'..=b'9' => letter.checked_add(52 - b'0'),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn shifted_runs_are_read_and_the_rest_is_kept() {
        let cases: &[(&str, Option<&str>)] = &[
            ("plain", None),
            ("+ADwAIQ-DOCTYPE r+AD4-", Some("<!DOCTYPE r>")),
            ("+ADwAIQBEAE8AQwBUAFkAUABF", Some("<!DOCTYPE")),
            ("a +- b", Some("a  b")),
            ("+Ti1lhw-x", Some("??x")),
            ("+", Some("")),
        ];
        for (text, expected) in cases {
            assert_eq!(decoded(text.as_bytes()).as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }
}
