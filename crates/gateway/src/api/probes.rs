//! `/healthz`, `/readyz` and, on the monitoring port, `/metrics`. None of them needs a key, a database or a body.

use std::{
    future::{Ready, ready as ready_now},
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, error, http::header, web};
use nexus_telemetry::exporter::Exporter;

use crate::{admin::body::STRANGERS_BODY_BYTES_MAX, worker::Worker};

/// The process runs and its event loop turns.
pub async fn alive(_: Small) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// The node takes new work: it has a world and is not draining. A second line names what it does without.
pub async fn ready(_: Small, worker: web::Data<Worker>) -> HttpResponse {
    if worker.drain.has_begun() {
        return HttpResponse::ServiceUnavailable()
            .insert_header((header::CONNECTION, "close"))
            .content_type("text/plain")
            .body("draining\n");
    }
    let without = worker.modes.current();
    let note = if without.is_empty() { String::new() } else { format!("degraded: {}\n", without.join(", ")) };
    HttpResponse::Ok().content_type("text/plain").body(format!("ready\n{note}"))
}

/// A request whose body nobody reads, and which does not announce a large one.
pub struct Small;

impl FromRequest for Small {
    type Error = error::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let is_large = length.is_some_and(|length| length.parse().is_ok_and(is_too_large));
        ready_now(if is_large { Err(error::ErrorPayloadTooLarge("too large")) } else { Ok(Self) })
    }
}

fn is_too_large(length: u64) -> bool {
    usize::try_from(length).map_or(true, |length| length > STRANGERS_BODY_BYTES_MAX)
}

/// The metrics in Prometheus' text format.
pub async fn metrics(exporter: web::Data<Arc<Exporter>>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(exporter.render())
}
