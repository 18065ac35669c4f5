//! `/healthz`, `/readyz` and, on the monitoring port, `/metrics`. None of them needs a key or a database.

use std::sync::Arc;

use actix_web::{HttpResponse, http::header, web};
use nexus_telemetry::exporter::Exporter;

use crate::worker::Worker;

/// The process runs and its event loop turns.
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// The node takes new work: it has a world and is not draining.
pub async fn ready(worker: web::Data<Worker>) -> HttpResponse {
    if worker.drain.has_begun() {
        return HttpResponse::ServiceUnavailable()
            .insert_header((header::CONNECTION, "close"))
            .content_type("text/plain")
            .body("draining\n");
    }
    HttpResponse::Ok().content_type("text/plain").body("ready\n")
}

/// The metrics in Prometheus' text format.
pub async fn metrics(exporter: web::Data<Arc<Exporter>>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(exporter.render())
}
