//! What the engine is told of the head of an answer. No other header goes any further.

use std::time::{Duration, SystemTime};

use actix_http::header::HttpDate;
use httparse::Header;
use nexus_core::fault::{Class, Fault};
use nexus_engine::port::Inbound;
use nexus_providers::limits::Hearing;

/// The headers that are read. From the eighth on, what the vendors call the id of a request: the first of these
/// names that stands there is taken.
const READ: [&str; 13] = [
    "content-type",
    "content-encoding",
    "retry-after-ms",
    "retry-after",
    "date",
    "x-amzn-errortype",
    "content-disposition",
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "x-debug-trace-id",
    "cf-ray",
];

/// Reads the head of an answer. Of a header that stands there twice the first is taken.
pub(crate) fn read(status: u16, headers: &[Header<'_>]) -> Result<Inbound<()>, Fault> {
    let mut values = [None; READ.len()];
    let mut hearing = None;
    for header in headers {
        let place = READ.iter().zip(&mut values).find(|(name, _)| name.eq_ignore_ascii_case(header.name));
        if let Some((_, value)) = place {
            value.get_or_insert(header.value);
        } else if Hearing::is_for(header.name) {
            let hearing = hearing.get_or_insert_with(Hearing::default);
            hearing.hear(header.name, text(header.value).unwrap_or_default());
        }
    }
    let [content_type, coding, after_ms, after, date, error_type, disposition, ids @ ..] =
        values.map(|value| value.and_then(text));
    let id = ids.into_iter().flatten().next();
    if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Fault {
            status: Some(status),
            provider_request_id: id.map(Into::into),
            ..Fault::new(Class::BadAnswer, "the answer is compressed though only `identity` was accepted")
        });
    }
    Ok(Inbound {
        status,
        content_type: content_type.map(str::to_owned),
        retry_after_ms: retry_after_ms(after_ms, after, date),
        error_type: error_type.map(str::to_owned),
        disposition: disposition.map(str::to_owned),
        learned: hearing.and_then(|hearing| hearing.learned(date.and_then(unix_us))).map(Box::new),
        provider_request_id: id.map(str::to_owned),
        body: (),
    })
}

fn text(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii())?;
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn retry_after_ms(after_ms: Option<&str>, after: Option<&str>, date: Option<&str>) -> Option<u64> {
    if let Some(wait_ms) = after_ms.and_then(|text| number(text, 1.0)) {
        return Some(wait_ms);
    }
    let after = after?;
    number(after, 1000.0).or_else(|| {
        // the provider's own clock on both sides: ours has no say
        let wait = moment(after)?.duration_since(moment(date?)?).unwrap_or(Duration::ZERO);
        u64::try_from(wait.as_millis()).ok()
    })
}

/// A number of units of `unit_ms` milliseconds; fractions are in use.
fn number(text: &str, unit_ms: f64) -> Option<u64> {
    let wait_ms = text.parse::<f64>().ok().filter(|wait| wait.is_finite() && *wait >= 0.0)? * unit_ms;
    // saturates: a wait of an age is an age
    Some(wait_ms.ceil() as u64)
}

/// The provider's own time.
fn unix_us(date: &str) -> Option<u64> {
    let since = moment(date)?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_micros()).ok()
}

fn moment(text: &str) -> Option<SystemTime> {
    text.parse::<HttpDate>().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_lines(lines: &[(&str, &str)]) -> Result<Inbound<()>, Fault> {
        let headers: Vec<_> =
            lines.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        read(200, &headers)
    }

    #[test]
    fn the_wait_a_provider_asks_for_is_read_in_every_form() {
        const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (lines, expected) in [
            (&[("retry-after-ms", "1500"), ("retry-after", "9")][..], Some(1500)),
            (&[("retry-after-ms", "0.4")], Some(1)),
            (&[("retry-after-ms", "soon"), ("retry-after", "9")], Some(9_000)),
            (&[("retry-after", "20")], Some(20_000)),
            (&[("retry-after", " 0.25 ")], Some(250)),
            (&[("retry-after", "0")], Some(0)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), DATE], Some(30_000)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), DATE], Some(0)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], None),
            (&[("retry-after", "1e400")], None),
            (&[("retry-after", "1e300")], Some(u64::MAX)),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "-1")], None),
            (&[], None),
        ] {
            assert_eq!(read_lines(lines).unwrap().retry_after_ms, expected, "{lines:?}");
        }
    }

    #[test]
    fn the_request_id_is_the_first_that_stands_there() {
        for (lines, expected) in [
            (
                &[("cf-ray", "d"), ("x-amzn-requestid", "c"), ("request-id", "b"), ("x-request-id", "a")][..],
                Some("a"),
            ),
            (&[("cf-ray", "d"), ("x-amzn-requestid", "c"), ("request-id", "b")], Some("b")),
            (&[("cf-ray", "d"), ("x-amzn-requestid", "c"), ("x-request-id", "")], Some("c")),
            (&[("cf-ray", "d")], Some("d")),
            (&[("X-Request-Id", "a"), ("x-request-id", "b")], Some("a")),
            (&[("x-request-id", "\u{fc}"), ("request-id", " b ")], Some("b")),
            (&[("server", "x")], None),
        ] {
            let answer = read_lines(lines).unwrap();
            assert_eq!(answer.provider_request_id.as_deref(), expected);
        }
    }

    #[test]
    fn what_is_left_of_the_providers_limits_is_read() {
        let lines = [
            ("date", "Thu, 29 Feb 2024 23:30:00 GMT"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2024-02-29T23:30:20Z"),
            ("x-ratelimit-remaining-tokens", "12"),
        ];
        let learned = *read_lines(&lines).unwrap().learned.unwrap();
        assert_eq!((learned.rest_us(), learned.tokens.remaining), (Some(20_000_000), Some(12)));
        assert!(read_lines(&[("x-request-id", "a")]).unwrap().learned.is_none());
    }

    #[test]
    fn what_the_vendor_calls_an_error_is_read() {
        let answer = read_lines(&[("X-Amzn-ErrorType", "ThrottlingException:http://x/")]).unwrap();
        assert_eq!(answer.error_type.as_deref(), Some("ThrottlingException:http://x/"));
        assert_eq!(read_lines(&[]).unwrap().error_type, None);
    }

    #[test]
    fn a_compressed_answer_is_no_answer() {
        for (coding, is_answer) in
            [("identity", true), ("Identity", true), ("gzip", false), ("identity, br", false)]
        {
            match read_lines(&[("content-encoding", coding), ("content-type", "a/b")]) {
                Ok(answer) => assert!(is_answer && answer.content_type.as_deref() == Some("a/b")),
                Err(fault) => {
                    assert!(!is_answer && fault.class == Class::BadAnswer && fault.status == Some(200))
                }
            }
        }
    }
}
