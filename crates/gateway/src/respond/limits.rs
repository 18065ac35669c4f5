//! What is left of a caller's limits, in headers: OpenAI's own, and the fields of the IETF's draft
//! `draft-ietf-httpapi-ratelimit-headers-10`.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use nexus_core::{flow::Left, limit::Level};

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// OpenAI's headers about one thing: how much there is a minute, how much is left, when it is full again.
type Names = [HeaderName; 3];

const REQUESTS: Names = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const TOKENS: Names = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// Tells what is left.
pub(super) fn tell(headers: &mut HeaderMap, left: &Left) {
    let (mut policies, mut states) = (Vec::new(), Vec::new());
    for (names, word, unit, level) in
        [(REQUESTS, "requests", "", left.requests), (TOKENS, "tokens", ";qu=\"tokens\"", left.tokens)]
    {
        let Some(Level { limit, remaining, full_in_us }) = level else { continue };
        let [of_limit, of_remaining, of_reset] = names;
        headers.insert(of_limit, HeaderValue::from(limit));
        headers.insert(of_remaining, HeaderValue::from(remaining));
        put(headers, of_reset, duration(full_in_us));
        policies.push(format!("\"{word}\";q={limit};w=60{unit}"));
        states.push(format!("\"{word}\";r={remaining};t={}", full_in_us.div_ceil(1_000_000)));
    }
    if let Some((most, free)) = left.places {
        policies.push(format!("\"concurrent\";q={most};qu=\"concurrent-requests\""));
        states.push(format!("\"concurrent\";r={free}"));
    }
    put(headers, RATELIMIT_POLICY, policies.join(", "));
    put(headers, RATELIMIT, states.join(", "));
}

fn put(headers: &mut HeaderMap, name: HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

/// A time as OpenAI writes it, such as `1s`, `6m0s`, `120ms`: in whole milliseconds, rounded up.
fn duration(us: u64) -> String {
    let ms = us.div_ceil(1000);
    let (hours, minutes, rest_ms) = (ms / 3_600_000, ms / 60_000 % 60, ms % 60_000);
    let seconds = format!("{}.{:03}", rest_ms / 1000, rest_ms % 1000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    match (hours, minutes, rest_ms) {
        (0, 0, 1..1000) => format!("{rest_ms}ms"),
        (0, 0, _) => format!("{seconds}s"),
        (0, ..) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_openai_writes_it() {
        for (us, expected) in [
            (0, "0s"),
            (1, "1ms"),
            (120_000, "120ms"),
            (1_000_000, "1s"),
            (8_640_000, "8.64s"),
            (10_000_000, "10s"),
            (59_999_001, "1m0s"),
            (90_500_000, "1m30.5s"),
            (360_000_000, "6m0s"),
            (3_600_000_000, "1h0m0s"),
            (86_399_000_000, "23h59m59s"),
        ] {
            assert_eq!(duration(us), expected, "{us}");
        }
    }

    #[test]
    fn only_what_is_limited_is_told() {
        let level = Level { limit: 60, remaining: 59, full_in_us: 1_000_000 };
        let tokens = Level { limit: 6000, remaining: 10, full_in_us: 59_900_000 };
        let all = Left { requests: Some(level), tokens: Some(tokens), places: Some((2, 1)) };
        for (left, expected) in [
            (
                all,
                "ratelimit-policy: \"requests\";q=60;w=60, \"tokens\";q=6000;w=60;qu=\"tokens\", \"concurrent\";q=2;qu=\"concurrent-requests\"
ratelimit: \"requests\";r=59;t=1, \"tokens\";r=10;t=60, \"concurrent\";r=1
x-ratelimit-limit-requests: 60
x-ratelimit-limit-tokens: 6000
x-ratelimit-remaining-requests: 59
x-ratelimit-remaining-tokens: 10
x-ratelimit-reset-requests: 1s
x-ratelimit-reset-tokens: 59.9s",
            ),
            (
                Left { requests: None, places: None, ..all },
                "ratelimit-policy: \"tokens\";q=6000;w=60;qu=\"tokens\"
ratelimit: \"tokens\";r=10;t=60
x-ratelimit-limit-tokens: 6000
x-ratelimit-remaining-tokens: 10
x-ratelimit-reset-tokens: 59.9s",
            ),
        ] {
            let mut headers = HeaderMap::new();
            tell(&mut headers, &left);
            let mut lines: Vec<_> =
                headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
            lines.sort();
            assert_eq!(lines.join("\n"), expected);
        }
    }
}
