//! What answers where nothing is: the shape of the path's tongue for applications, a bare status elsewhere.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderValue},
    },
    web,
};
use nexus_core::id::RequestId;
use nexus_engine::{
    denial::Denial,
    identity,
    pipeline::{self, Refused},
};
use nexus_providers::tongue;
use nexus_wire::{
    error::{ErrorCode, PublicError},
    surface::{How, Row, SURFACE},
};

use crate::{cors, inbound, respond, route::plain, worker::Worker};

pub async fn unknown_url(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse {
    let path: String = request.path().chars().take(200).collect();
    let message = format!("there is nothing at `{} {path}`; the base URL ends with `/v1`", request.method());
    error(&request, &worker, PublicError::new(ErrorCode::UnknownUrl).with_message(message))
}

/// The same under a URL that is somebody's who has a key.
pub async fn unknown_to_callers(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse {
    match known(&request, &worker).await {
        Ok(()) => unknown_url(request, worker).await,
        Err(denied) => denied,
    }
}

/// Lets only those through who have a key.
async fn known(request: &HttpRequest, worker: &Worker) -> Result<(), HttpResponse> {
    let engine = &worker.engine;
    let head = inbound::head(request, worker);
    let Err(refusal) = pipeline::identify(engine, &head, &engine.shared.worlds.current()) else {
        return Ok(());
    };
    let id = RequestId(identity::mint(&*engine.shared.clock, &*engine.dice));
    let denial = Denial::new(id, Refused::Here(refusal));
    Err(respond::denial_in(tongue::of_path(request.path()), &denial, worker).await)
}

/// An operation of OpenAI's API that is not served: why, and what to do instead. It is told to who has a key.
pub async fn not_served(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse {
    if let Err(denied) = known(&request, &worker).await {
        return denied;
    }
    let path: String = request.path().chars().take(200).collect();
    let (method, pattern) = (request.method().as_str(), request.match_pattern().unwrap_or_default());
    let here = |row: &&Row| row.method.as_str() == method && plain(row.path) == plain(&pattern);
    let why = SURFACE.iter().find(here).map_or("", |row| match row.how {
        How::Optional(annex) => annex.why_not(),
        How::Native | How::Relayed | How::Kept => "",
    });
    error(
        &request,
        &worker,
        PublicError::new(ErrorCode::NotServed).with_message(format!("`{method} {path}`: {why}")),
    )
}

/// What a URL answers to a method it does not take; `OPTIONS` says which it does.
pub async fn method_not_allowed(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse {
    if *request.method() == Method::OPTIONS {
        return cors::options(request, worker).await;
    }
    let message = format!("`{}` does not take the method `{}`", request.path(), request.method());
    let mut response =
        error(&request, &worker, PublicError::new(ErrorCode::MethodNotAllowed).with_message(message));
    if let Ok(methods) = HeaderValue::try_from(cors::methods(&request)) {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    response
}

pub async fn nothing_here() -> HttpResponse {
    HttpResponse::NotFound().finish()
}

fn error(request: &HttpRequest, worker: &Worker, error: PublicError) -> HttpResponse {
    let id = RequestId(identity::mint(&*worker.engine.shared.clock, &*worker.engine.dice));
    respond::error_in(tongue::of_path(request.path()), id, &error, worker)
}
