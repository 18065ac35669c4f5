//! `POST /v1/session-keys`: an application makes keys for its own users, with its own key. Answers are in
//! OpenAI's shape, as everything under `/v1`.

use actix_web::{HttpRequest, HttpResponse, web};
use nexus_core::{id::RequestId, refusal::Refusal, role::ActorId};
use nexus_engine::{
    denial::Denial,
    identity,
    pipeline::{Refused, identify},
    stage::signed,
};
use nexus_wire::error::{ErrorCode, PublicError};

use crate::{
    admin::{
        body::{self, Body as _, Json},
        problem::{Kind, Problem},
        session_keys::issuing::{NewSessionKey, SessionKey, issue},
        trail::Who,
    },
    inbound, respond,
    worker::Worker,
};

pub async fn create(request: HttpRequest, payload: web::Payload, worker: web::Data<Worker>) -> HttpResponse {
    let shared = &worker.engine.shared;
    let id = RequestId(identity::mint(&*shared.clock, &*worker.engine.dice));
    match made(&request, payload, &worker, id).await {
        Ok(key) => match serde_json::to_vec(&key) {
            Ok(body) => respond::json(id, body.into()),
            Err(_) => respond::error(id, &PublicError::new(ErrorCode::Internal), &worker),
        },
        Err(Denied::Here(refused)) => respond::denial(&Denial::new(id, refused), &worker).await,
        Err(Denied::There(problem)) => respond::error(id, &public(&problem), &worker),
    }
}

enum Denied {
    Here(Refused),
    There(Problem),
}

async fn made(
    request: &HttpRequest,
    payload: web::Payload,
    worker: &Worker,
    id: RequestId,
) -> Result<SessionKey, Denied> {
    let world = worker.engine.shared.worlds.current();
    let head = inbound::head(request, worker);
    let refused = |refusal: Refusal| Denied::Here(refusal.into());
    let parent = identify(&worker.engine, &head, &world).map_err(refused)?;
    let signature = signed::head(&head, &parent, &world, &worker.engine.shared).map_err(refused)?;
    let who =
        Who { id: ActorId::Key(parent.key), team: parent.team, address: head.line.address, request: id };
    let bytes = body::collect::<Json<NewSessionKey>>(request, payload, body::BODY_BYTES_MAX)
        .await
        .map_err(Denied::There)?;
    signed::body(signature, &bytes, &head, &parent, &worker.engine.shared).await.map_err(refused)?;
    let Json(asked) = Json::parse(&bytes).map_err(Denied::There)?;
    issue(worker, parent, who, asked).await.map_err(Denied::There)
}

/// A problem in OpenAI's words; the first member at fault is the one that is named.
pub(super) fn public(problem: &Problem) -> PublicError {
    let code = match problem.kind {
        Kind::NotSignedIn => return PublicError::new(ErrorCode::InvalidApiKey),
        Kind::Internal => return PublicError::new(ErrorCode::Internal),
        Kind::Forbidden => ErrorCode::PermissionDenied,
        Kind::NotFound => ErrorCode::UnknownUrl,
        Kind::TooLarge => ErrorCode::TooLarge,
        Kind::UnsupportedMediaType => ErrorCode::UnsupportedMediaType,
        Kind::Unavailable => ErrorCode::Overloaded,
        Kind::TooManyKeys => ErrorCode::RateLimited,
        _ => ErrorCode::InvalidRequest,
    };
    let flaw = problem.errors.first();
    let param = flaw.map(|flaw| flaw.pointer.trim_start_matches('/').replace('/', "."));
    let error = PublicError::new(code).with_message(problem.said());
    error.with_param(param.filter(|param| !param.is_empty()))
}
