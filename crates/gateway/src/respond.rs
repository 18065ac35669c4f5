//! From the engine's answers to HTTP. Every response bears `x-request-id`, is kept by no cache, and says which
//! headers it answers to.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::{BodySize, MessageBody},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web::Bytes,
};
use futures_core::Stream;
use nexus_core::{fault::Fault, id::RequestId};
use nexus_engine::{
    denial::Denial,
    relay::Relay,
    reply::{Decision, Reply, ReplyBody},
};
use nexus_wire::error::PublicError;

use crate::worker::Worker;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const DECISION: HeaderName = HeaderName::from_static("x-nexus-decision");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An answer.
pub fn reply<B>(reply: Reply<B>) -> HttpResponse
where
    B: Stream<Item = Result<Bytes, Fault>> + Unpin + 'static,
{
    let mut response = match reply.body {
        ReplyBody::Whole(body) => json(reply.request, body),
        ReplyBody::Stream(relay) => begin(StatusCode::OK, reply.request)
            .insert_header((
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/event-stream; charset=utf-8"),
            ))
            .insert_header((ACCEL_BUFFERING, HeaderValue::from_static("no")))
            .body(RelayBody(relay)),
    };
    if let Some(decision) = decision(&reply.decision) {
        response.headers_mut().insert(DECISION, decision);
    }
    response
}

/// Where the answer came from, for whoever asks why; `None` where a name is no header's text.
fn decision(decision: &Decision) -> Option<HeaderValue> {
    let Decision { target, attempts, policy } = decision;
    let (provider, model, policy) = (&target.provider.name, &target.real_model, policy.as_str());
    let text = format!("provider={provider}; model={model}; attempts={attempts}; policy={policy}");
    HeaderValue::try_from(text).ok()
}

/// A JSON body with status 200.
pub fn json(id: RequestId, body: Bytes) -> HttpResponse {
    begin(StatusCode::OK, id)
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(body)
}

/// What the client gets in place of an answer.
pub fn denial(denial: &Denial, worker: &Worker) -> HttpResponse {
    let mut response = error(denial.request, &denial.error, worker);
    let headers = response.headers_mut();
    if let Some(wait_ms) = denial.retry_after_ms {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1000)));
        headers.insert(RETRY_AFTER_MS, HeaderValue::from(wait_ms));
    }
    if denial.is_final {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}

/// An error in OpenAI's shape, counted.
pub fn error(id: RequestId, error: &PublicError, worker: &Worker) -> HttpResponse {
    let row = error.code.row();
    worker.engine.shared.meters.refused(row.code.unwrap_or(row.kind));
    let status = StatusCode::from_u16(row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    begin(status, id)
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(error.to_json())
}

/// What every answer begins with.
pub fn begin(status: StatusCode, id: RequestId) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    let mut text = uuid::Uuid::encode_buffer();
    let id = HeaderValue::from_str(id.0.as_hyphenated().encode_lower(&mut text));
    if let Ok(id) = id {
        response.insert_header((REQUEST_ID, id));
    }
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response.insert_header((header::VARY, HeaderValue::from_static("authorization, api-key, x-api-key")));
    response
}

/// A relay as a body: actix asks for more only when the socket took what it had.
struct RelayBody<B>(Box<Relay<B>>);

impl<B> MessageBody for RelayBody<B>
where
    B: Stream<Item = Result<Bytes, Fault>> + Unpin,
{
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Pin::new(&mut *self.get_mut().0).poll_next(cx).map(|piece| piece.map(Ok))
    }
}
