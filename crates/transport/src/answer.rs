//! What the engine is told of the head of an answer. No other header goes any further.

use std::time::{Duration, SystemTime};

use actix_http::{
    StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HttpDate, RETRY_AFTER},
};
use nexus_core::fault::{Class, Fault};
use nexus_engine::port::Inbound;

/// What the vendors call the id of a request; the first that stands there is taken.
const ID_HEADERS: [&str; 4] = ["x-request-id", "request-id", "x-amzn-requestid", "cf-ray"];

/// Reads the head of an answer.
pub(crate) fn read<B>(status: StatusCode, headers: &HeaderMap, body: B) -> Result<Inbound<B>, Fault> {
    let answer = Inbound {
        status: status.as_u16(),
        content_type: text(headers, CONTENT_TYPE.as_str()).map(str::to_owned),
        retry_after_ms: retry_after_ms(headers),
        provider_request_id: ID_HEADERS.iter().find_map(|name| text(headers, name)).map(str::to_owned),
        body,
    };
    match text(headers, CONTENT_ENCODING.as_str()) {
        None => Ok(answer),
        Some(coding) if coding.eq_ignore_ascii_case("identity") => Ok(answer),
        Some(_) => Err(Fault {
            status: Some(answer.status),
            provider_request_id: answer.provider_request_id.map(Into::into),
            ..Fault::new(Class::BadAnswer, "the answer is compressed though only `identity` was accepted")
        }),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty())
}

fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    if let Some(wait_ms) = text(headers, "retry-after-ms").and_then(|text| number(text, 1.0)) {
        return Some(wait_ms);
    }
    let after = text(headers, RETRY_AFTER.as_str())?;
    number(after, 1000.0).or_else(|| {
        // the provider's own clock on both sides: ours has no say
        let wait =
            date(after)?.duration_since(date(text(headers, DATE.as_str())?)?).unwrap_or(Duration::ZERO);
        u64::try_from(wait.as_millis()).ok()
    })
}

/// A number of units of `unit_ms` milliseconds; fractions are in use.
fn number(text: &str, unit_ms: f64) -> Option<u64> {
    let wait_ms = text.parse::<f64>().ok().filter(|wait| wait.is_finite() && *wait >= 0.0)? * unit_ms;
    // saturates: a wait of an age is an age
    Some(wait_ms.ceil() as u64)
}

fn date(text: &str) -> Option<SystemTime> {
    text.parse::<HttpDate>().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use actix_http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
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
            assert_eq!(retry_after_ms(&headers(lines)), expected, "{lines:?}");
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
            (&[("server", "x")], None),
        ] {
            let answer = read(StatusCode::OK, &headers(lines), ()).unwrap();
            assert_eq!(answer.provider_request_id.as_deref(), expected);
        }
    }

    #[test]
    fn a_compressed_answer_is_no_answer() {
        for (coding, is_answer) in
            [("identity", true), ("Identity", true), ("gzip", false), ("identity, br", false)]
        {
            let answer =
                read(StatusCode::OK, &headers(&[("content-encoding", coding), ("content-type", "a/b")]), ());
            match answer {
                Ok(answer) => assert!(is_answer && answer.content_type.as_deref() == Some("a/b")),
                Err(fault) => {
                    assert!(!is_answer && fault.class == Class::BadAnswer && fault.status == Some(200))
                }
            }
        }
    }
}
