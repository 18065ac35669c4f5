//! `GET /v1/models` and `GET /v1/models/{id}`: the aliases an application can ask for.

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use nexus_core::{
    catalogue::{Catalogue, Named, WILDCARD},
    id::{RequestId, TeamId},
    refusal::Refusal,
    snapshot::Rights,
};
use nexus_engine::{
    denial::Denial,
    identity,
    pipeline::{Refused, identify_bodiless},
    world::World,
};
use nexus_providers::tongue::Tongue;
use nexus_wire::models::{Model, list as list_body, one};

use super::gemini;
use crate::{inbound, respond, worker::Worker};

const OWNER: &str = "nexus";

pub async fn list(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse {
    if gemini::is_of_google(&request) {
        return gemini::list(request, worker).await;
    }
    listed(None, &request, &worker, |named| list_body(&named.iter().copied().map(model).collect::<Vec<_>>()))
        .await
}

pub async fn show(request: HttpRequest, name: web::Path<String>, worker: web::Data<Worker>) -> HttpResponse {
    if gemini::is_of_google(&request) {
        return gemini::show(request, name, worker).await;
    }
    shown(None, &request, &name, &worker, |named| one(&model(named))).await
}

/// The aliases that the caller may ask for, as `body` says them.
pub(super) async fn listed(
    tongue: Option<&'static dyn Tongue>,
    request: &HttpRequest,
    worker: &Worker,
    body: impl FnOnce(&[Named<'_>]) -> Bytes,
) -> HttpResponse {
    answer(tongue, request, worker, |world, rights, team| {
        let named = world.snapshot.catalogue.listed(team).into_iter();
        Ok(body(&named.filter(|named| rights.may_call(named.alias)).collect::<Vec<_>>()))
    })
    .await
}

/// One of them, as `body` says it.
pub(super) async fn shown(
    tongue: Option<&'static dyn Tongue>,
    request: &HttpRequest,
    name: &str,
    worker: &Worker,
    body: impl FnOnce(Named<'_>) -> Bytes,
) -> HttpResponse {
    answer(tongue, request, worker, |world, rights, team| {
        match found(&world.snapshot.catalogue, name, team) {
            Some(named) if rights.may_call(name) => Ok(body(named)),
            _ => Err(Refusal::UnknownModel { model: name.chars().take(256).collect() }),
        }
    })
    .await
}

/// A model by its name; where any name may be asked for, that is one.
fn found<'a>(catalogue: &Catalogue, name: &'a str, team: Option<TeamId>) -> Option<Named<'a>> {
    let any = || catalogue.resolve(name, team).filter(|_| name != WILDCARD);
    let any = || any().map(|to| Named { alias: name, created_at_s: to.route.created_at_s });
    catalogue.named(name, team).or_else(any)
}

fn model(named: Named<'_>) -> Model<'_> {
    Model { id: named.alias, created_s: named.created_at_s, owned_by: OWNER }
}

async fn answer(
    tongue: Option<&'static dyn Tongue>,
    request: &HttpRequest,
    worker: &Worker,
    body: impl FnOnce(&World, &Rights<'_>, Option<TeamId>) -> Result<Bytes, Refusal>,
) -> HttpResponse {
    let shared = &worker.engine.shared;
    let id = RequestId(identity::mint(&*shared.clock, &*worker.engine.dice));
    let world = shared.worlds.current();
    let head = inbound::head(request, worker);
    let caller = identify_bodiless(&worker.engine, &head, &world).await;
    let json = caller.and_then(|caller| body(&world, &world.snapshot.rights(&caller), caller.team));
    match json {
        Ok(json) => respond::json_in(tongue, id, json),
        Err(refusal) => respond::denial_in(tongue, &Denial::new(id, Refused::Here(refusal)), worker).await,
    }
}
