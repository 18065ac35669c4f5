//! From the engine's answers to HTTP. Every response bears `x-request-id`, is kept by no cache, and says which
//! headers it answers to.

pub mod events;
mod limits;
mod whole;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        ConnectionType, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web::Bytes,
};
use futures_core::{Stream, stream::LocalBoxStream};
use futures_util::TryStreamExt as _;
use nexus_core::{
    fault::{Fault, Verbatim},
    id::RequestId,
    usage::Repeat,
};
use nexus_engine::{
    denial::Denial,
    keeping::Keeping,
    reply::{Decision, Reply, ReplyBody, Sharing},
    resource::owners::OwnersAway,
    stage::normalise::Media,
    telling::Telling,
};
use nexus_providers::tongue::{Tongue, Words};
use nexus_wire::error::{ErrorCode, PublicError};

use self::{
    events::Events,
    whole::{BrokenOff, Whole},
};
use crate::{tarpit::Stay, worker::Worker};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const DECISION: HeaderName = HeaderName::from_static("x-nexus-decision");
const CACHE: HeaderName = HeaderName::from_static("x-nexus-cache");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// As OpenAI says it: how long it took until the answer began.
const PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An answer.
pub fn reply<B>(reply: Reply<B>, worker: &Worker) -> HttpResponse
where
    B: Stream<Item = Result<Bytes, Fault>> + Unpin + 'static,
{
    let (keeping, status) = (reply.keeping, StatusCode::from_u16(reply.status));
    let mut response = match reply.telling {
        None => match reply.body {
            ReplyBody::Whole(body) => json(reply.request, body),
            ReplyBody::Stream(relay) => events(reply.request).body(Events::new(relay, None, keeping)),
            ReplyBody::Heard(listener) => events(reply.request).body(Events::new(listener, None, keeping)),
            ReplyBody::Kept(body) => events(reply.request).body(body),
            ReplyBody::Bytes(media, relay) => bytes(reply.request, &media).body(Whole::new(relay)),
            ReplyBody::Pieces(media, pieces) => kept(reply.request, &media, pieces),
        },
        Some(telling) => {
            let words = reply.decision.as_ref().map_or(Words::Chat, |decision| decision.words);
            told(*telling, reply.request, words, reply.body, keeping, worker)
        }
    };
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    response.headers_mut().insert(PROCESSING_MS, HeaderValue::from(reply.took_us / 1000));
    if let Some((name, word)) = sharing(reply.sharing) {
        response.headers_mut().insert(name, word);
    }
    if let Some(decision) = reply.decision.as_ref().and_then(decision) {
        response.headers_mut().insert(DECISION, decision);
    }
    if let Some(left) = &reply.left {
        limits::tell(response.headers_mut(), left);
    }
    response
}

/// An answer in another tongue than OpenAI's.
fn told<B>(
    telling: Telling,
    id: RequestId,
    words: Words,
    body: ReplyBody<B>,
    keeping: Option<Box<Keeping>>,
    worker: &Worker,
) -> HttpResponse
where
    B: Stream<Item = Result<Bytes, Fault>> + Unpin + 'static,
{
    let tongue = Some(telling.tongue);
    let mut response = match body {
        ReplyBody::Whole(body) => match telling.whole(body, words) {
            Some(body) => json(id, body),
            None => return error_in(tongue, id, &PublicError::new(ErrorCode::Internal), worker),
        },
        ReplyBody::Stream(relay) => {
            streamed(id, &telling).body(Events::new(telling.stream(relay, words), tongue, keeping))
        }
        ReplyBody::Heard(listener) => {
            streamed(id, &telling).body(Events::new(telling.stream(listener, words), tongue, keeping))
        }
        ReplyBody::Kept(body) => streamed(id, &telling).body(telling.kept(&body, words)),
        // only chats are told in another tongue
        ReplyBody::Bytes(media, relay) => bytes(id, &media).body(Whole::new(relay)),
        ReplyBody::Pieces(media, pieces) => kept(id, &media, pieces),
    };
    name(&mut response, tongue, id);
    response
}

/// Says the request's id where the tongue's clients look for it.
fn name(response: &mut HttpResponse, tongue: Option<&'static dyn Tongue>, id: RequestId) {
    let header = tongue.and_then(|tongue| tongue.id_header());
    if let Some((header, id)) = header.zip(HeaderValue::try_from(id.to_string()).ok()) {
        response.headers_mut().insert(HeaderName::from_static(header), id);
    }
}

/// How an answer begins that is bytes of whatever they are.
fn bytes(id: RequestId, media: &Media) -> HttpResponseBuilder {
    let mut response = begin(StatusCode::OK, id);
    let told = [
        (header::CONTENT_TYPE, Some(&media.content_type)),
        (header::CONTENT_DISPOSITION, media.disposition.as_ref()),
    ];
    for (name, value) in told {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value.as_str()).ok()) {
            response.insert_header((name, value));
        }
    }
    guarded(&mut response);
    response
}

/// Bytes that are kept here; where they cannot be read on the connection is cut.
fn kept(
    id: RequestId,
    media: &Media,
    pieces: LocalBoxStream<'static, Result<Bytes, OwnersAway>>,
) -> HttpResponse {
    bytes(id, media).streaming(pieces.map_err(|OwnersAway| BrokenOff))
}

/// What a provider calls a page must not become one under this name.
fn guarded(response: &mut HttpResponseBuilder) {
    response.insert_header((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
    response.insert_header((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox")));
}

/// The same of a stream in another tongue.
fn streamed(id: RequestId, telling: &Telling) -> HttpResponseBuilder {
    let mut response = events(id);
    let media = HeaderValue::from_static(telling.tongue.stream_media(&telling.told));
    response.insert_header((header::CONTENT_TYPE, media));
    response
}

/// How an answer begins that is a stream of events.
fn events(id: RequestId) -> HttpResponseBuilder {
    let mut response = begin(StatusCode::OK, id);
    let media = HeaderValue::from_static("text/event-stream; charset=utf-8");
    response.insert_header((header::CONTENT_TYPE, media));
    response.insert_header((ACCEL_BUFFERING, HeaderValue::from_static("no")));
    response
}

/// Whose answer it is, where that is said.
fn sharing(sharing: Sharing) -> Option<(HeaderName, HeaderValue)> {
    let (name, word) = match sharing {
        Sharing::Own => return None,
        Sharing::Missed => (CACHE, "miss"),
        Sharing::Others(Repeat::Cached) => (CACHE, "hit"),
        Sharing::Others(Repeat::Coalesced) => (CACHE, "coalesced"),
        Sharing::Others(Repeat::Replayed) => (REPLAYED, "true"),
    };
    Some((name, HeaderValue::from_static(word)))
}

/// Where the answer came from, for whoever asks why; `None` where a name is no header's text.
fn decision(decision: &Decision) -> Option<HeaderValue> {
    let Decision { target, attempts, policy, .. } = decision;
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

/// The same to clients of a tongue.
pub fn json_in(tongue: Option<&'static dyn Tongue>, id: RequestId, body: Bytes) -> HttpResponse {
    let mut response = json(id, body);
    name(&mut response, tongue, id);
    response
}

/// What the client gets in place of an answer; whose key is refused may wait for it.
pub async fn denial(denial: &Denial, worker: &Worker) -> HttpResponse {
    denial_in(None, denial, worker).await
}

/// The same in a tongue.
pub async fn denial_in(
    tongue: Option<&'static dyn Tongue>,
    denial: &Denial,
    worker: &Worker,
) -> HttpResponse {
    let stay = if denial.is_guess { worker.hold().await } else { Stay::Welcome };
    let mut response = match &denial.verbatim {
        Some(said) => verbatim(denial.request, said, worker),
        None => error_in(tongue, denial.request, &denial.error, worker),
    };
    if stay == Stay::Leave {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    let headers = response.headers_mut();
    if let Some(wait_ms) = denial.retry_after_ms {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1000)));
        headers.insert(RETRY_AFTER_MS, HeaderValue::from(wait_ms));
    }
    if let Some(left) = &denial.left {
        limits::tell(headers, left);
    }
    if denial.is_final {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}

/// What a provider said no with, as it came; counted.
fn verbatim(id: RequestId, said: &Verbatim, worker: &Worker) -> HttpResponse {
    worker.engine.shared.meters.refused("invalid_request_error");
    let mut response = begin(StatusCode::from_u16(said.status).unwrap_or(StatusCode::BAD_GATEWAY), id);
    let media = said.content_type.as_deref().and_then(|media| HeaderValue::try_from(media).ok());
    if let Some(media) = media {
        response.insert_header((header::CONTENT_TYPE, media));
    }
    guarded(&mut response);
    response.body(said.body.clone())
}

/// An error in OpenAI's shape, counted.
pub fn error(id: RequestId, error: &PublicError, worker: &Worker) -> HttpResponse {
    error_in(None, id, error, worker)
}

/// An error in a tongue's shape, or in OpenAI's where it has none; counted.
pub fn error_in(
    tongue: Option<&'static dyn Tongue>,
    id: RequestId,
    error: &PublicError,
    worker: &Worker,
) -> HttpResponse {
    let row = error.code.row();
    worker.engine.shared.meters.refused(row.code.unwrap_or(row.kind));
    let told = tongue.and_then(|tongue| tongue.error(error, id));
    let (status, body) = told.unwrap_or_else(|| (row.status, error.to_json()));
    let mut response = begin(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), id)
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(body);
    name(&mut response, tongue, id);
    response
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
    response.insert_header((
        header::VARY,
        HeaderValue::from_static("authorization, api-key, x-api-key, x-goog-api-key"),
    ));
    response
}
