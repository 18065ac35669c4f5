//! The operations that are routed to providers: each is one URL, and the engine does the rest.

use actix_web::{HttpRequest, HttpResponse, web};
use nexus_core::call::Operation;
use nexus_engine::{arrival::Arrival, pipeline, stage::parse::Named};
use nexus_providers::tongue::{self, messages::Messages};

use super::fallback;
use crate::{inbound, respond, worker::Worker};

/// `POST /v1/chat/completions`, whole or streamed, as the body asks.
pub async fn complete_chat(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Worker>,
) -> HttpResponse {
    serve(Operation::ChatCompletions, &request, payload, &worker).await
}

/// `POST /v1/embeddings`
pub async fn embed(request: HttpRequest, payload: web::Payload, worker: web::Data<Worker>) -> HttpResponse {
    serve(Operation::Embeddings, &request, payload, &worker).await
}

/// `POST /v1/rerank`, and the same under `/v2` for clients of Cohere's.
pub async fn rank(request: HttpRequest, payload: web::Payload, worker: web::Data<Worker>) -> HttpResponse {
    serve(Operation::Rerank, &request, payload, &worker).await
}

/// `POST /v1/messages`: a chat in Anthropic's words, whole or streamed, as the body asks.
pub async fn converse(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Worker>,
) -> HttpResponse {
    serve(Operation::Messages, &request, payload, &worker).await
}

/// `POST /v1/responses`, whole or streamed, as the body asks.
pub async fn create_response(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Worker>,
) -> HttpResponse {
    serve(Operation::Responses, &request, payload, &worker).await
}

/// `POST /v1/messages/count_tokens`: how long the prompt of such a chat is. It is counted here, and nothing is sent.
pub async fn count_tokens(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Worker>,
) -> HttpResponse {
    let tongue = tongue::of(Operation::Messages);
    let arrival = Arrival { head: inbound::head(&request, &worker), body: inbound::Body::new(payload) };
    match pipeline::count(&worker.engine, arrival, Messages::to_count).await {
        Ok((id, tokens)) => respond::json_in(tongue, id, Messages::counted(tokens)),
        Err(denial) => respond::denial_in(tongue, &denial, &worker).await,
    }
}

/// An operation whose words go through to a provider that speaks OpenAI's.
pub async fn pass(request: HttpRequest, payload: web::Payload, worker: web::Data<Worker>) -> HttpResponse {
    let path = request.path().strip_prefix("/v1").unwrap_or_default();
    match PASSED.into_iter().find(|operation| operation.path() == path) {
        Some(operation) => serve(operation, &request, payload, &worker).await,
        None => fallback::unknown_url(request, worker).await,
    }
}

/// The operations whose words go through.
const PASSED: [Operation; 8] = [
    Operation::Completions,
    Operation::Moderations,
    Operation::ImageGenerations,
    Operation::ImageEdits,
    Operation::ImageVariations,
    Operation::Speech,
    Operation::Transcriptions,
    Operation::Translations,
];

pub(super) async fn serve(
    named: impl Into<Named>,
    request: &HttpRequest,
    payload: web::Payload,
    worker: &Worker,
) -> HttpResponse {
    let arrival = Arrival { head: inbound::head(request, worker), body: inbound::Body::new(payload) };
    // made where it stays: all that a request may come to hold is more than the framework should move
    let named = named.into();
    let operation = named.operation;
    let serving = Box::pin(pipeline::serve(&worker.engine, named, arrival));
    match serving.await {
        Ok(reply) => respond::reply(reply, worker),
        Err(denial) => respond::denial_in(tongue::of(operation), &denial, worker).await,
    }
}
