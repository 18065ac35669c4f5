//! `GET /v1/models` and `GET /v1/models/{id}`: the aliases an application can ask for.

use actix_web::{HttpRequest, HttpResponse, web};
use nexus_core::{catalogue::Route, id::RequestId, refusal::Refusal};
use nexus_engine::{
    denial::Denial,
    identity,
    pipeline::{Refused, identify},
    world::World,
};
use nexus_wire::models::{Model, list as list_body, one};

use crate::{inbound, respond, worker::Worker};

const OWNER: &str = "nexus";

pub async fn list(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse {
    answer(&request, &worker, |world| {
        let routes = world.snapshot.catalogue.listed();
        let models: Vec<_> = routes.iter().map(|route| model(route)).collect();
        Ok(list_body(&models))
    })
}

pub async fn show(request: HttpRequest, name: web::Path<String>, worker: web::Data<Worker>) -> HttpResponse {
    let name = name.into_inner();
    answer(&request, &worker, |world| match world.snapshot.catalogue.named(&name) {
        Some(route) => Ok(one(&model(route))),
        None => Err(Refusal::UnknownModel { model: name.chars().take(256).collect() }),
    })
}

fn model(route: &Route) -> Model<'_> {
    Model { id: &route.alias, created_s: route.created_at_s, owned_by: OWNER }
}

fn answer(
    request: &HttpRequest,
    worker: &Worker,
    body: impl FnOnce(&World) -> Result<bytes::Bytes, Refusal>,
) -> HttpResponse {
    let shared = &worker.engine.shared;
    let id = RequestId(identity::mint(&*shared.clock, &*worker.engine.dice));
    let world = shared.worlds.current();
    let headers = inbound::headers(request);
    match identify(&worker.engine, &headers, &world).and_then(|_| body(&world)) {
        Ok(json) => respond::json(id, json),
        Err(refusal) => respond::denial(&Denial::new(id, Refused::Here(refusal)), worker),
    }
}
