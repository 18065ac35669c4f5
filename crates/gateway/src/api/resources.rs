//! Operations on what providers keep: which is meant, by the path, and with what ids.

use actix_web::{HttpRequest, HttpResponse, web};
use nexus_engine::{
    arrival::Arrival,
    pipeline,
    resource::{ResourceCall, decoded},
};
use nexus_wire::{
    references::Reference,
    surface::{How, Resource, Row, SURFACE},
};

use super::fallback;
use crate::{inbound, respond, route::plain, worker::Worker};

/// The longest id, in bytes.
const ID_MAX: usize = 256;

/// Any operation whose row is relayed to whoever keeps what it means.
pub async fn serve(request: HttpRequest, payload: web::Payload, worker: web::Data<Worker>) -> HttpResponse {
    let Some(row) = row(&request) else { return fallback::unknown_url(request, worker).await };
    if let How::Optional(annex) = row.how
        && !worker.engine.shared.annexes.contains(&annex)
    {
        return fallback::not_served(request, worker).await;
    }
    relay(request, payload, worker, row).await
}

/// Passes an operation of this row on, whoever else could answer it.
pub async fn relay(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Worker>,
    row: &'static Row,
) -> HttpResponse {
    let Some(call) = call(&request, row) else { return fallback::unknown_url(request, worker).await };
    let arrival = Arrival { head: inbound::head(&request, &worker), body: inbound::Body::new(payload) };
    let serving =
        Box::pin(pipeline::serve(&worker.engine, pipeline::Wanted::Resource(Box::new(call)), arrival));
    match serving.await {
        Ok(reply) => respond::reply(reply, &worker),
        Err(denial) => respond::denial(&denial, &worker).await,
    }
}

/// The row of the operation that is asked for.
fn row(request: &HttpRequest) -> Option<&'static Row> {
    let (method, pattern) = (request.method().as_str(), request.match_pattern()?);
    let here = |row: &&Row| row.method.as_str() == method && plain(row.path) == plain(&pattern);
    SURFACE.iter().find(|row| matches!(row.how, How::Kept | How::Optional(_)) && here(row))
}

/// What is asked; `None` where a segment cannot be an id, so that nothing has it.
fn call(request: &HttpRequest, row: &'static Row) -> Option<ResourceCall> {
    let does = Resource::of(row)?;
    let path = request.uri().path().strip_prefix("/v1")?.to_owned();
    // a segment more would go along unseen
    if path.split('/').count() != row.path.split('/').count() - 1 {
        return None;
    }
    let segments = row.path.split('/').skip(2).zip(path.split('/').skip(1));
    let ids: Option<Vec<String>> =
        segments.filter(|(place, _)| place.starts_with('{')).map(|(_, said)| id(said)).collect();
    let named = does.named.iter().zip(ids?).filter_map(|(kind, id)| Some(Reference { kind: (*kind)?, id }));
    let along = ["accept", "openai-beta"].into_iter().filter_map(|name| {
        let value = request.headers().get(name)?.to_str().ok()?;
        Some((name, value.to_owned()))
    });
    let call = ResourceCall {
        method: row.method,
        query: request.uri().query().map(str::to_owned),
        does,
        named: named.collect(),
        along: along.collect(),
        path,
        provider: None,
    };
    Some(call.with_cursors())
}

/// An id out of a path. One that could be taken for another path is none.
fn id(said: &str) -> Option<String> {
    let id = decoded(said);
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:~@=+,".contains(&byte);
    let is_good = (1..=ID_MAX).contains(&id.len()) && id.bytes().all(may_stand) && id != "." && id != "..";
    is_good.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_and_never_a_way_elsewhere() {
        for (said, expected) in [
            ("file-abc_1", Some("file-abc_1")),
            ("ft%3Agpt-4o%3Aorg::x", Some("ft:gpt-4o:org::x")),
            ("..", None),
            ("%2e%2e", None),
            ("a%2Fb", None),
            ("a%00", None),
            ("a%3Fb", None),
            ("", None),
        ] {
            assert_eq!(id(said).as_deref(), expected, "{said}");
        }
        assert_eq!(id(&"x".repeat(ID_MAX + 1)), None);
    }
}
