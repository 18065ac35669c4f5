//! The client's request in the engine's terms.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpRequest,
    error::PayloadError,
    http::header::HeaderValue,
    web::{Bytes, Payload},
};
use futures_core::Stream;
use nexus_engine::arrival::{BodyCut, Head, Headers, Line};

use crate::worker::Worker;

/// All of a request but its body.
pub fn head<'a>(request: &'a HttpRequest, worker: &Worker) -> Head<'a> {
    let uri = request.uri();
    let line = Line {
        method: request.method().as_str(),
        path: uri.path(),
        query: uri.query(),
        address: worker.forwarding.address(request),
    };
    Head {
        line,
        headers: headers(request),
        suspicion: worker.clean.suspicion(request),
        others: others(request),
    }
}

/// What SDKs send about themselves; it decides nothing.
const OF_SDKS: &str = "x-stainless-";

fn others(request: &HttpRequest) -> Vec<(&str, &str)> {
    let named = request.headers().iter().map(|(name, value)| (name.as_str(), value));
    let ours = named.filter(|(name, _)| name.starts_with("x-") && !name.starts_with(OF_SDKS));
    ours.filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

/// The headers that decide something, read in one pass; of a repeated one the first counts, and one that
/// is not text counts as absent.
fn headers(request: &HttpRequest) -> Headers<'_> {
    let mut headers = Headers::default();
    for (name, value) in request.headers() {
        let slot = match name.as_str() {
            "authorization" => &mut headers.authorization,
            "api-key" => &mut headers.api_key,
            "x-api-key" => &mut headers.x_api_key,
            "x-goog-api-key" => &mut headers.goog_api_key,
            "content-type" => &mut headers.content_type,
            "content-encoding" => &mut headers.content_encoding,
            "content-digest" => &mut headers.content_digest,
            "cache-control" => &mut headers.cache_control,
            "idempotency-key" => {
                // one that is no text is no key, and must not pass for none
                headers.idempotency_key = headers.idempotency_key.or(Some(text(value).unwrap_or_default()));
                continue;
            }
            "anthropic-version" => &mut headers.anthropic_version,
            "anthropic-beta" => &mut headers.anthropic_beta,
            "signature" => &mut headers.signature,
            "signature-input" => &mut headers.signature_input,
            "x-nexus-tags" => &mut headers.tags,
            "x-request-timeout-ms" => {
                headers.timeout_ms = text(value).and_then(|wait_ms| wait_ms.parse().ok());
                continue;
            }
            "content-length" => {
                headers.content_length = text(value).and_then(|length| length.parse().ok());
                continue;
            }
            _ => continue,
        };
        *slot = slot.or(text(value));
    }
    if request.path().starts_with(GOOGLE) {
        headers.goog_api_key = headers.goog_api_key.or(request.uri().query().and_then(key));
    }
    headers
}

/// Where clients may show their key as `key` of the query.
pub const GOOGLE: &str = "/v1beta/";

/// The key in a query. It has no letter that would have to be escaped.
fn key(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("key="))
}

fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// The client's body, piece by piece.
pub struct Body(Payload);

impl Body {
    pub fn new(payload: Payload) -> Self {
        Self(payload)
    }
}

impl Stream for Body {
    type Item = Result<Bytes, BodyCut>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.get_mut().0).poll_next(cx).map_err(|error| match error {
            PayloadError::Incomplete(_) | PayloadError::Io(_) => BodyCut::Incomplete,
            _ => BodyCut::Malformed,
        })
    }
}
