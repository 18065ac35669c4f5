//! `/console/`: the console's files, to whoever asks; what they show comes from the administration.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use nexus_console::{Asset, HEADERS, at, takes_gzip};

use crate::api::probes::Small;

/// `GET /console`: its addresses are below it.
pub async fn enter(_: Small) -> HttpResponse {
    begin(StatusCode::PERMANENT_REDIRECT).insert_header((header::LOCATION, "/console/")).finish()
}

/// `GET /console/..`
pub async fn show(request: HttpRequest, _: Small) -> HttpResponse {
    let Some(asset) = at(request.match_info().query("path")) else {
        return begin(StatusCode::NOT_FOUND).content_type("text/plain").body("there is no such file\n");
    };
    let said = |name| request.headers().get(name).and_then(|said: &HeaderValue| said.to_str().ok());
    if said(header::IF_NONE_MATCH).is_some_and(|tags| asset.is_named_by(tags)) {
        return begin_asset(StatusCode::NOT_MODIFIED, asset).finish();
    }
    let mut response = begin_asset(StatusCode::OK, asset);
    response.content_type(asset.media_type());
    match asset.gzip.filter(|_| said(header::ACCEPT_ENCODING).is_some_and(takes_gzip)) {
        Some(gzip) => response.insert_header((header::CONTENT_ENCODING, "gzip")).body(gzip),
        None => response.body(asset.bytes),
    }
}

fn begin(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    for (name, value) in HEADERS {
        response.insert_header((HeaderName::from_static(name), HeaderValue::from_static(value)));
    }
    response
}

fn begin_asset(status: StatusCode, asset: &Asset) -> HttpResponseBuilder {
    let mut response = begin(status);
    response
        .insert_header((header::ETAG, asset.etag))
        .insert_header((header::CACHE_CONTROL, asset.cache_control()))
        .insert_header((header::VARY, "accept-encoding"));
    response
}
