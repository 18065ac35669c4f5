//! Pages of other origins: which may call what applications call, as Fetch has it (CORS). Nobody unless that is said.
//!
//! The administration and the console are never theirs. Keys go in headers, so no page is let in for its cookies.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    web::Data,
};
use nexus_core::origin::Origins;

use crate::{
    inbound::GOOGLE,
    route::{self, plain},
    worker::Worker,
};

/// What a page may read of an answer beside what it may always.
const EXPOSED: &str = "x-request-id, openai-processing-ms, retry-after, retry-after-ms, x-should-retry, \
    x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
    x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, x-nexus-decision, \
    x-nexus-cache, idempotency-replayed";
/// How long a browser may remember what it was told, in seconds.
const REMEMBERED_S: u64 = 600;

/// The page's origin, where it may call this path.
pub fn admitted(origins: &Origins, path: &str, headers: &HeaderMap) -> Option<HeaderValue> {
    if origins.is_empty() || !["/v1/", GOOGLE].iter().any(|prefix| path.starts_with(prefix)) {
        return None;
    }
    let origin = headers.get(header::ORIGIN)?;
    origins.admits(origin.to_str().ok()?).then(|| origin.clone())
}

/// Says so in an answer.
pub fn tell(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

/// `OPTIONS` of a URL: which methods it takes; and to a page that asks whether it may call, what it may send.
pub async fn options(request: HttpRequest, _: Data<Worker>) -> HttpResponse {
    let methods = methods(&request);
    let mut response = HttpResponse::build(StatusCode::NO_CONTENT);
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    let Ok(methods) = HeaderValue::try_from(methods) else { return response.finish() };
    response.insert_header((header::ALLOW, methods.clone()));
    let asked = request.headers().get(HeaderName::from_static("access-control-request-method"));
    if asked.is_some() {
        // the browser reads these only where the entrance says that the origin is admitted
        response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, methods));
        let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        if let Some(wanted) = wanted.filter(|wanted| wanted.len() < 4096) {
            response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone()));
        }
        response.insert_header((header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(REMEMBERED_S)));
    }
    response.finish()
}

/// The methods a URL takes, as `allow` says them.
pub fn methods(request: &HttpRequest) -> String {
    let pattern = plain(&request.match_pattern().unwrap_or_default());
    let mut methods: Vec<Method> =
        route::table().into_iter().filter(|url| plain(url.path) == pattern).map(|url| url.method).collect();
    if methods.contains(&Method::GET) {
        methods.push(Method::HEAD);
    }
    methods.push(Method::OPTIONS);
    methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}
