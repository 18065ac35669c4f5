//! `POST /v1/chat/completions`

use actix_web::{HttpRequest, HttpResponse, web};
use nexus_engine::{arrival::Arrival, pipeline};

use crate::{inbound, respond, worker::Worker};

/// Whole or streamed, as the body asks.
pub async fn complete(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Worker>,
) -> HttpResponse {
    let arrival = Arrival { head: inbound::head(&request, &worker), body: inbound::Body::new(payload) };
    match pipeline::serve(&worker.engine, arrival).await {
        Ok(reply) => respond::reply(reply),
        Err(denial) => respond::denial(&denial, &worker),
    }
}
