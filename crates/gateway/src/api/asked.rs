//! Requests without a body under `/v1` that are answered from what the gateway knows itself: who asks is known
//! before the query is read, and every refusal is in OpenAI's shape.

use std::{future::Future, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web};
use nexus_core::{id::RequestId, principal::Principal};
use nexus_engine::{denial::Denial, identity, pipeline::identify_bodiless, world::World};
use nexus_wire::error::{ErrorCode, PublicError};
use serde::Serialize;

use super::session_keys::public;
use crate::{
    admin::problem::{Kind, Problem},
    inbound, respond,
    worker::Worker,
};

/// Who asks, in which world.
pub struct Asking {
    pub caller: Principal,
    pub world: Arc<World>,
}

/// Answers with what `tell` comes to.
pub async fn answer<T: Serialize, F: Future<Output = Result<T, Problem>>>(
    request: &HttpRequest,
    worker: &Worker,
    tell: impl FnOnce(Asking) -> F,
) -> HttpResponse {
    let shared = &worker.engine.shared;
    let id = RequestId(identity::mint(&*shared.clock, &*worker.engine.dice));
    let world = shared.worlds.current();
    let caller = {
        let head = inbound::head(request, worker);
        identify_bodiless(&worker.engine, &head, &world).await
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(refusal) => return respond::denial(&Denial::new(id, refusal.into()), worker).await,
    };
    match tell(Asking { caller, world }).await {
        Ok(body) => match serde_json::to_vec(&body) {
            Ok(body) => respond::json(id, body.into()),
            Err(_) => respond::error(id, &PublicError::new(ErrorCode::Internal), worker),
        },
        Err(problem) => respond::error(id, &public(&problem), worker),
    }
}

/// The pairs of a query, decoded; `name[]` is `name`.
pub fn pairs(request: &HttpRequest) -> Result<Vec<(String, String)>, Problem> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let bad = |error| Problem::new(Kind::BadRequest, format!("the query: {error}"));
    let plain = |(name, value): (String, String)| match name.strip_suffix("[]") {
        Some(plain) => (plain.to_owned(), value),
        None => (name, value),
    };
    Ok(pairs.map_err(bad)?.into_inner().into_iter().map(plain).collect())
}

/// That a member of the query is wrong.
pub fn flaw(name: &str, detail: impl Into<String>) -> Problem {
    Problem::at(&format!("/{name}"), detail)
}

/// A whole number of the query within bounds.
pub fn number(name: &str, value: &str, least: i64, most: i64) -> Result<i64, Problem> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| flaw(name, format!("must be a whole number from {least} to {most}")))
}
