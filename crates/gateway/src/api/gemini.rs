//! Google's Gemini before any provider: what stands under `/v1beta/models`, and under `/v1/models` for newer clients.

use actix_web::{HttpRequest, HttpResponse, web};
use nexus_core::call::Operation;
use nexus_engine::{arrival::Arrival, pipeline, stage::parse::Named};
use nexus_providers::tongue::{
    Address, Tongue,
    gemini::{Gemini, Verb},
};

use super::{fallback, models, operation};
use crate::{inbound, respond, worker::Worker};

const TONGUE: Option<&'static dyn Tongue> = Some(&Gemini);

/// Whether a client of Google's asks, where OpenAI's might: it shows its key in Google's way.
pub fn is_of_google(request: &HttpRequest) -> bool {
    request.headers().contains_key("x-goog-api-key")
}

/// `POST /v1beta/models/{model}:{verb}`
pub async fn ask(
    request: HttpRequest,
    model: web::Path<String>,
    payload: web::Payload,
    worker: web::Data<Worker>,
) -> HttpResponse {
    match Gemini::asked(&model, request.uri().query()) {
        Some((Verb::Generate, address)) => {
            let named = Named { operation: Operation::GenerateContent, address };
            operation::serve(named, &request, payload, &worker).await
        }
        Some((Verb::Count, address)) => count(&address, &request, payload, &worker).await,
        None => fallback::unknown_to_callers(request, worker).await,
    }
}

/// How long a prompt is. It is counted here, and nothing is sent.
async fn count(
    address: &Address,
    request: &HttpRequest,
    payload: web::Payload,
    worker: &Worker,
) -> HttpResponse {
    let arrival = Arrival { head: inbound::head(request, worker), body: inbound::Body::new(payload) };
    match pipeline::count(&worker.engine, arrival, |body| Gemini::to_count(address, body)).await {
        Ok((id, tokens)) => respond::json_in(TONGUE, id, Gemini::counted(tokens)),
        Err(denial) => respond::denial_in(TONGUE, &denial, worker).await,
    }
}

/// `GET /v1beta/models`
pub async fn list(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse {
    models::listed(TONGUE, &request, &worker, |named| {
        Gemini::models(&named.iter().map(|named| named.alias).collect::<Vec<_>>())
    })
    .await
}

/// `GET /v1beta/models/{model}`
pub async fn show(request: HttpRequest, model: web::Path<String>, worker: web::Data<Worker>) -> HttpResponse {
    models::shown(TONGUE, &request, &model, &worker, |named| Gemini::model(named.alias)).await
}
