//! What stands at a provider's own paths, for teams that may ask for it. To everybody else it is not there, in the very
//! words of a path that never was.

use actix_web::{HttpRequest, HttpResponse, web};
use nexus_engine::{
    arrival::Arrival,
    pipeline,
    resource::{ResourceCall, decoded},
};
use nexus_wire::{
    error::ErrorCode,
    surface::{Method, Resource},
};

use super::fallback;
use crate::{inbound, respond, worker::Worker};

/// Behind the provider's name stands a path of its own.
pub const PATH: &str = "/providers/{name}/{path:.*}";

/// Headers that go along to the provider, beside the body's type; its own credential is put on.
const ALONG: [&str; 3] = ["anthropic-version", "anthropic-beta", "openai-beta"];

pub async fn serve(request: HttpRequest, payload: web::Payload, worker: web::Data<Worker>) -> HttpResponse {
    let Some(call) = call(&request) else { return fallback::unknown_url(request, worker).await };
    let denial = {
        let arrival = Arrival { head: inbound::head(&request, &worker), body: inbound::Body::new(payload) };
        let wanted = pipeline::Wanted::Resource(Box::new(call));
        match Box::pin(pipeline::serve(&worker.engine, wanted, arrival)).await {
            Ok(reply) => return respond::reply(reply, &worker),
            Err(denial) => denial,
        }
    };
    match denial.error.code {
        ErrorCode::UnknownUrl => fallback::unknown_url(request, worker).await,
        _ => respond::denial(&denial, &worker).await,
    }
}

/// What is asked; `None` where the path could lead elsewhere than it says.
fn call(request: &HttpRequest) -> Option<ResourceCall> {
    let (name, path) = request.uri().path().strip_prefix("/providers/")?.split_once('/')?;
    if !path.split('/').all(is_plain) {
        return None;
    }
    let header = |name: &'static str| {
        let value = request.headers().get(name)?.to_str().ok()?;
        Some((name, value.to_owned()))
    };
    Some(ResourceCall {
        method: Method::of_word(request.method().as_str())?,
        path: format!("/{path}"),
        query: request.uri().query().map(str::to_owned),
        does: Resource::RELAY,
        named: Vec::new(),
        along: ALONG.into_iter().filter_map(header).collect(),
        provider: Some(decoded(name)),
    })
}

/// Whether a segment of a path is one to everybody, however often it is decoded.
fn is_plain(segment: &str) -> bool {
    let once = decoded(segment);
    let is_way_elsewhere = |said: &str| {
        matches!(said, "." | "..")
            || said.contains(['/', '\\', '?', '#'])
            || said.chars().any(char::is_control)
    };
    !is_way_elsewhere(&once) && !is_way_elsewhere(&decoded(&once))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn target(uri: &str) -> Option<(String, String)> {
        let call = call(&TestRequest::with_uri(uri).to_http_request())?;
        Some((call.provider.clone().unwrap_or_default(), call.target()))
    }

    #[test]
    fn a_path_is_the_provider_s_own_and_leads_nowhere_else() {
        for (uri, expected) in [
            ("/providers/one/v1/x", Some(("one", "/v1/x"))),
            ("/providers/o%20ne/x%20y?a=%2F..&b", Some(("o ne", "/x%20y?a=%2F..&b"))),
            ("/providers/one/", Some(("one", "/"))),
            ("/providers/one", None),
            ("/providers/one/../admin", None),
            ("/providers/one/x/..", None),
            ("/providers/one/%2e%2e/x", None),
            ("/providers/one/%252e%252e/x", None),
            ("/providers/one/a%2f..%2fb", None),
            ("/providers/one/a%5cb", None),
            ("/providers/one/a%0d%0ab", None),
            ("/providers/one/./x", None),
        ] {
            let expected = expected.map(|(name, path)| (name.to_owned(), path.to_owned()));
            assert_eq!(target(uri), expected, "{uri}");
        }
    }

    #[test]
    fn of_the_caller_s_headers_those_go_along_that_say_how_to_answer() {
        let request = TestRequest::with_uri("/providers/one/x")
            .insert_header(("authorization", "Bearer key"))
            .insert_header(("anthropic-version", "2023-06-01"))
            .insert_header(("x-forwarded-for", "1.2.3.4"));
        let call = call(&request.to_http_request()).unwrap();
        assert_eq!(call.along, [("anthropic-version", "2023-06-01".to_owned())]);
    }
}
