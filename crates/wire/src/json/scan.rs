//! Where a value ends: one pass over bytes that are known to be UTF-8.
//!
//! Iterative, so that no nesting can exhaust the stack; strings are passed over eight bytes at a time.

use super::{DEPTH_MAX, Malformed};

/// How a string ended.
pub(super) struct Ended {
    /// Behind its closing quote.
    pub(super) end: usize,
    pub(super) has_escapes: bool,
}

/// The first place from `at` on that is no white space.
pub(super) fn blank(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// Of eight bytes, the highest bit of each that ends a plain run: a quote, a backslash, a control
/// character. Only the lowest bit set is exact, and it alone is looked at.
fn stops(word: u64) -> u64 {
    let equals = |byte: u8| {
        let difference = word ^ (ONES * u64::from(byte));
        difference.wrapping_sub(ONES) & !difference
    };
    let controls = word.wrapping_sub(ONES * u64::from(b' ')) & !word;
    (equals(b'"') | equals(b'\\') | controls) & HIGHS
}

/// Passes over a string, from behind its opening quote.
pub(super) fn string(bytes: &[u8], mut at: usize) -> Result<Ended, Malformed> {
    let mut has_escapes = false;
    loop {
        while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let stops = stops(u64::from_le_bytes(*eight));
            if stops != 0 {
                at += stops.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match bytes.get(at) {
            Some(b'"') => return Ok(Ended { end: at + 1, has_escapes }),
            Some(b'\\') => {
                has_escapes = true;
                at = escape(bytes, at + 1)?;
            }
            Some(byte) if *byte >= b' ' => at += 1,
            _ => return Err(Malformed),
        }
    }
}

/// Passes over what follows a backslash.
fn escape(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    match bytes.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => match bytes.get(at + 1..at + 5) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 5),
            _ => Err(Malformed),
        },
        _ => Err(Malformed),
    }
}

fn digits(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

/// At least one digit.
fn some_digits(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    let end = digits(bytes, at);
    if end > at { Ok(end) } else { Err(Malformed) }
}

fn number(bytes: &[u8], mut at: usize) -> Result<usize, Malformed> {
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { some_digits(bytes, at)? };
    if bytes.get(at) == Some(&b'.') {
        at = some_digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = some_digits(bytes, at)?;
    }
    Ok(at)
}

fn word(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, Malformed> {
    let is_there = bytes.get(at..).is_some_and(|rest| rest.starts_with(word));
    if is_there { Ok(at + word.len()) } else { Err(Malformed) }
}

/// Whether the brackets around the place that is being read are an object's, innermost in the lowest bit.
#[derive(Default)]
struct Nesting {
    objects: u128,
    depth: usize,
}

impl Nesting {
    fn open(&mut self, is_object: bool) -> Result<(), Malformed> {
        if self.depth == DEPTH_MAX {
            return Err(Malformed);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(is_object);
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    fn is_in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// A member's name and its colon, up to its value.
fn name(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    if bytes.get(at) != Some(&b'"') {
        return Err(Malformed);
    }
    let at = blank(bytes, string(bytes, at + 1)?.end);
    if bytes.get(at) == Some(&b':') { Ok(blank(bytes, at + 1)) } else { Err(Malformed) }
}

/// Passes over the value that begins at `at`.
pub(super) fn value(bytes: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let mut nesting = Nesting::default();
    loop {
        // at the begin of a value
        at = match bytes.get(at) {
            Some(b'"') => string(bytes, at + 1)?.end,
            Some(open @ (b'{' | b'[')) => {
                let is_object = *open == b'{';
                nesting.open(is_object)?;
                at = blank(bytes, at + 1);
                match (bytes.get(at), is_object) {
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        nesting.close();
                        at + 1
                    }
                    (_, true) => {
                        at = name(bytes, at)?;
                        continue;
                    }
                    _ => continue,
                }
            }
            Some(b'-' | b'0'..=b'9') => number(bytes, at)?,
            Some(b't') => word(bytes, at, b"true")?,
            Some(b'f') => word(bytes, at, b"false")?,
            Some(b'n') => word(bytes, at, b"null")?,
            _ => return Err(Malformed),
        };
        // at the end of a value: out of every bracket that ends here, then on to the next value
        loop {
            if nesting.depth == 0 {
                return Ok(at);
            }
            at = blank(bytes, at);
            match (bytes.get(at), nesting.is_in_object()) {
                (Some(b','), is_object) => {
                    at = blank(bytes, at + 1);
                    if is_object {
                        at = name(bytes, at)?;
                    }
                    break;
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    nesting.close();
                    at += 1;
                }
                _ => return Err(Malformed),
            }
        }
    }
}
