//! The client's request in the engine's terms.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpRequest,
    error::PayloadError,
    http::header::{self, HeaderName},
    web::{Bytes, Payload},
};
use futures_core::Stream;
use nexus_engine::arrival::{BodyCut, Headers};

static API_KEY: HeaderName = HeaderName::from_static("api-key");
static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The headers that decide something; one that is not plain text counts as absent.
pub fn headers(request: &HttpRequest) -> Headers<'_> {
    let text = |name: &HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    Headers {
        authorization: text(&header::AUTHORIZATION),
        api_key: text(&API_KEY),
        x_api_key: text(&X_API_KEY),
        content_type: text(&header::CONTENT_TYPE),
        content_encoding: text(&header::CONTENT_ENCODING),
        content_length: text(&header::CONTENT_LENGTH).and_then(|value| value.parse().ok()),
    }
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
