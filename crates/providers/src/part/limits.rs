//! What is left of a provider's own limits, by the headers vendors tell it in: OpenAI's `x-ratelimit-*`, which many
//! speak, and Anthropic's. Seen 2025-11 at OpenAI, Azure, Groq and Anthropic.
//!
//! What cannot be read says nothing.

use nexus_core::health::learned::{Learned, Told};

/// Hears the headers of one answer.
#[derive(Debug, Default)]
pub struct Hearing {
    learned: Learned,
    /// Resets that are moments and not times, Unix microseconds: of requests, of tokens.
    moments_us: [Option<u64>; 2],
    has_heard: bool,
}

const OPENAI: &str = "x-ratelimit-";
const ANTHROPIC: &str = "anthropic-ratelimit-";

impl Hearing {
    /// Whether a header may be one of these; cheap.
    pub fn is_for(name: &str) -> bool {
        let begins =
            |with: &str| name.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
        begins(OPENAI) || begins(ANTHROPIC)
    }

    pub fn hear(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        let (what, of) = match (name.strip_prefix(OPENAI), name.strip_prefix(ANTHROPIC)) {
            (Some(rest), _) => rest.split_once('-').unwrap_or_default(),
            (_, Some(rest)) => rest.rsplit_once('-').map(|(of, what)| (what, of)).unwrap_or_default(),
            _ => return,
        };
        let at = match of {
            "requests" => 0,
            "tokens" => 1,
            _ => return,
        };
        let Learned { requests, tokens } = &mut self.learned;
        let told = if at == 0 { requests } else { tokens };
        match what {
            "limit" => told.limit = value.parse().ok(),
            "remaining" => told.remaining = value.parse().ok(),
            "reset" => match (duration_us(value), moment_us(value), self.moments_us.get_mut(at)) {
                (Some(reset_us), ..) => told.reset_us = Some(reset_us),
                (None, moment, Some(slot)) => *slot = moment,
                _ => {}
            },
            _ => return,
        }
        self.has_heard = true;
    }

    /// What was heard; `now_us` is the provider's own time, Unix microseconds, without which its moments mean
    /// nothing.
    pub fn learned(self, now_us: Option<u64>) -> Option<Learned> {
        let Self { mut learned, moments_us: [requests, tokens], has_heard } = self;
        let until = |told: &mut Told, moment_us: Option<u64>| {
            if let (Some(moment_us), Some(now_us)) = (moment_us, now_us) {
                told.reset_us = Some(moment_us.saturating_sub(now_us));
            }
        };
        until(&mut learned.requests, requests);
        until(&mut learned.tokens, tokens);
        has_heard.then_some(learned)
    }
}

/// A time such as `1s`, `6m0s`, `120ms`, `1h2m3.5s`, or a bare number of seconds.
fn duration_us(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return part_us(text, 1_000_000.0);
    }
    let (mut rest, mut sum_us) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.find(|char: char| char.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(letters)?;
        let unit_us = match unit {
            "d" => 86_400_000_000.0,
            "h" => 3_600_000_000.0,
            "m" => 60_000_000.0,
            "s" => 1_000_000.0,
            "ms" => 1_000.0,
            "us" | "µs" => 1.0,
            _ => return None,
        };
        sum_us = sum_us.saturating_add(part_us(number, unit_us)?);
        rest = tail;
    }
    Some(sum_us)
}

fn part_us(number: &str, unit_us: f64) -> Option<u64> {
    // saturates: a time of an age is an age
    number
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())
        .map(|number| (number * unit_us).ceil() as u64)
}

/// A moment such as `2024-02-29T23:30:00Z` (RFC 3339, in UTC), as Unix microseconds.
fn moment_us(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<u64>);
    let mut time = time.splitn(3, ':');
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let hour: u64 = time.next()?.parse().ok()?;
    let minute: u64 = time.next()?.parse().ok()?;
    let seconds_us = part_us(time.next()?, 1_000_000.0)?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let minutes = (days(year, month, day) * 24).checked_add(hour)?.checked_mul(60)?.checked_add(minute)?;
    minutes.checked_mul(60_000_000)?.checked_add(seconds_us)
}

/// Days from the epoch to a date, counted in years that begin in March.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    let before_march = (153 * month + 2) / 5;
    year * 365 + leaps + before_march + day - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    fn heard(lines: &[(&str, &str)], now_us: Option<u64>) -> Option<Learned> {
        let mut hearing = Hearing::default();
        for (name, value) in lines {
            assert!(Hearing::is_for(name), "{name}");
            hearing.hear(name, value);
        }
        hearing.learned(now_us)
    }

    #[test]
    fn every_vendor_is_heard_in_its_own_words() {
        let openai = [
            ("x-ratelimit-limit-requests", "60"),
            ("X-RateLimit-Remaining-Requests", "0"),
            ("x-ratelimit-reset-requests", "1m30s"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6ms"),
        ];
        let told =
            |limit, remaining, reset_us| Told { limit: Some(limit), remaining: Some(remaining), reset_us };
        let expected =
            Learned { requests: told(60, 0, Some(90 * S)), tokens: told(150_000, 149_984, Some(6_000)) };
        assert_eq!(heard(&openai, None), Some(expected));
        let anthropic = [
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2024-02-29T23:30:10Z"),
            ("anthropic-ratelimit-tokens-limit", "40000"),
            ("anthropic-ratelimit-tokens-remaining", "7"),
            ("anthropic-ratelimit-tokens-reset", "2024-02-29T23:31:00Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "1"),
        ];
        let now_us = 1_709_249_400 * S;
        let expected = Learned { requests: told(50, 0, Some(10 * S)), tokens: told(40_000, 7, Some(60 * S)) };
        assert_eq!(heard(&anthropic, Some(now_us)), Some(expected));
        let timeless = heard(&anthropic, None).unwrap();
        assert_eq!((timeless.requests.remaining, timeless.requests.reset_us), (Some(0), None));
        assert_eq!(heard(&[("x-ratelimit-limit-others", "1")], None), None);
    }

    #[test]
    fn a_reset_is_read_in_every_form() {
        for (text, expected) in [
            ("1s", Some(S)),
            ("6m0s", Some(360 * S)),
            ("120ms", Some(120_000)),
            ("1h2m3.5s", Some(3_723_500_000)),
            ("2m59.56s", Some(179_560_000)),
            ("10", Some(10 * S)),
            ("0.5", Some(S / 2)),
            ("1d", Some(86_400 * S)),
            ("1e9s", None),
            ("s", None),
            ("soon", None),
            ("1x", None),
            ("", None),
        ] {
            assert_eq!(duration_us(text), expected, "{text}");
        }
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2024-02-29T23:30:00Z", Some(1_709_249_400 * S)),
            ("2026-11-28T21:00:00.5Z", Some(1_795_899_600 * S + S / 2)),
            ("2024-02-29", None),
            ("2024-13-01T00:00:00Z", None),
            ("1024-01-01T00:00:00Z", None),
            ("2024-02-29T23:30:00+01:00", None),
        ] {
            assert_eq!(moment_us(text), expected, "{text}");
        }
    }
}
