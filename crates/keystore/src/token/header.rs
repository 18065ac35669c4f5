//! The one header a token of ours has: `{"typ":"JWT","alg":"HS256","kid":"h<hour>"}`, byte for byte.
//!
//! It is compared, never parsed: another algorithm, another order, a repeated or further member (`crit`,
//! `jwk`, `jku`, `x5u`, ...), white space or an escape is another text, and refused before any cryptography.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header};

const BEFORE_HOUR: &[u8] = br#"{"typ":"JWT","alg":"HS256","kid":"h"#;
const AFTER_HOUR: &[u8] = br#""}"#;
/// Digits in the hour; six until the year 2084.
const MAX_DIGITS: usize = 7;
/// Characters of base64url in the longest header.
const MAX_ENCODED: usize = (BEFORE_HOUR.len() + MAX_DIGITS + AFTER_HOUR.len()).div_ceil(3) * 4;

/// The header of a token signed in this hour (hours since the Unix epoch).
pub(super) fn of_hour(hour: u64) -> Header {
    Header { kid: Some(format!("h{hour}")), ..Header::new(Algorithm::HS256) }
}

/// The hour in a header as it stands in the token, base64url.
pub(super) fn hour(encoded: &str) -> Option<u64> {
    if encoded.len() > MAX_ENCODED {
        return None;
    }
    let mut buffer = [0; MAX_ENCODED];
    let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut buffer).ok()?;
    let digits = buffer.get(..length)?.strip_prefix(BEFORE_HOUR)?.strip_suffix(AFTER_HOUR)?;
    // A leading zero or a sign would be a second name of the same hour.
    let is_plain =
        digits.iter().all(u8::is_ascii_digit) && digits.first().is_some_and(|digit| *digit != b'0');
    if !is_plain || digits.len() > MAX_DIGITS {
        return None;
    }
    Some(digits.iter().fold(0, |hour, digit| hour * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_header_names_an_hour() {
        for (header, expected) in [
            (r#"{"typ":"JWT","alg":"HS256","kid":"h490000"}"#, Some(490_000)),
            (r#"{"typ":"JWT","alg":"HS256","kid":"h1"}"#, Some(1)),
            (r#"{"typ":"JWT","alg":"HS256","kid":"h9999999"}"#, Some(9_999_999)),
            (r#"{"typ":"JWT","alg":"HS256","kid":"h10000000"}"#, None),
            (r#"{"typ":"JWT","alg":"HS256","kid":"h0"}"#, None),
            (r#"{"typ":"JWT","alg":"HS256","kid":"h0490000"}"#, None),
            (r#"{"typ":"JWT","alg":"HS256","kid":"h+490000"}"#, None),
            (r#"{"typ":"JWT","alg":"HS256","kid":"h-1"}"#, None),
            (r#"{"typ":"JWT","alg":"HS256","kid":"h"}"#, None),
            (r#"{"typ":"JWT","alg":"HS256","kid":""}"#, None),
            (r#"{"typ":"JWT","alg":"HS256","kid":"H490000"}"#, None),
            (r#"{"typ":"JWT","alg":"HS256","kid":490000}"#, None),
            (r#"{"typ":"JWT","alg":"HS256","kid":"h490000","crit":[]}"#, None),
            (r#"{"typ":"JWT","alg":"HS256","kid":"h1","kid":"h1"}"#, None),
            (r#"{"alg":"HS256","typ":"JWT","kid":"h490000"}"#, None),
            (r#"{"typ":"JWT", "alg":"HS256","kid":"h490000"}"#, None),
            (r#"{"typ":"jwt","alg":"HS256","kid":"h490000"}"#, None),
            (r#"{"alg":"HS256","kid":"h490000"}"#, None),
            (r#"{"typ":"JWT","alg":"HS256"}"#, None),
            ("", None),
        ] {
            assert_eq!(hour(&URL_SAFE_NO_PAD.encode(header)), expected, "{header}");
        }
        for encoded in ["=", "a", "ey\u{e9}", &"A".repeat(MAX_ENCODED), &"A".repeat(5000)] {
            assert_eq!(hour(encoded), None, "{encoded}");
        }
    }
}
