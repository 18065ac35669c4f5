//! Every URL the gateway serves, on one page, each with whom it is for.
//!
//! What stands in no table is not served, and nothing stands in one without saying who may use it.

use actix_web::{
    Resource, Route,
    http::Method,
    web::{self, ServiceConfig},
};

use nexus_wire::surface::{self, How, SURFACE};

use crate::{
    admin,
    api::{
        estimate, fallback, gemini, me, models, operation, organization, probes, relay, resources,
        session_keys,
    },
    console,
};

/// Which of the URLs a listener serves. The probes are everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Applications,
    Administration,
}

impl Part {
    /// The words in the log.
    pub fn what(self) -> &'static str {
        match self {
            Part::Whole => "applications and the administration",
            Part::Applications => "applications",
            Part::Administration => "the administration",
        }
    }

    fn has(self, access: Access) -> bool {
        match access {
            Access::Anyone => true,
            Access::Key => self != Part::Administration,
            Access::Browser => self != Part::Applications,
        }
    }
}

/// Whom a URL outside the administration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever shows a key; what it is for is the handler's to say.
    Key,
    /// Whoever asks.
    Anyone,
    /// The same, where the administration is served.
    Browser,
}

impl Access {
    /// The word in lists.
    pub fn word(self) -> &'static str {
        match self {
            Access::Key => "key",
            Access::Anyone | Access::Browser => "anyone",
        }
    }
}

/// One URL.
pub struct Url {
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    route: fn() -> Route,
}

/// The table of everything but the administration, which has one of its own.
#[rustfmt::skip]
pub fn table() -> Vec<Url> {
    let url = |method, path, access, route| Url { method, path, access, route };
    let mut urls = vec![
        url(Method::POST, "/v1/chat/completions", Access::Key, || web::post().to(operation::complete_chat)),
        url(Method::POST, "/v1/embeddings", Access::Key, || web::post().to(operation::embed)),
        url(Method::POST, "/v1/messages", Access::Key, || web::post().to(operation::converse)),
        url(Method::POST, "/v1/messages/count_tokens", Access::Key, || web::post().to(operation::count_tokens)),
        url(Method::POST, "/v1/responses", Access::Key, || web::post().to(operation::create_response)),
        url(Method::POST, "/v1/models/{model:.+}", Access::Key, || web::post().to(gemini::ask)),
        url(Method::POST, "/v1beta/models/{model:.+}", Access::Key, || web::post().to(gemini::ask)),
        url(Method::GET, "/v1beta/models/{model:.+}", Access::Key, || web::get().to(gemini::show)),
        url(Method::GET, "/v1beta/models", Access::Key, || web::get().to(gemini::list)),
        url(Method::POST, "/v1/rerank", Access::Key, || web::post().to(operation::rank)),
        url(Method::POST, "/v2/rerank", Access::Key, || web::post().to(operation::rank)),
        url(Method::POST, "/v1/cost/estimate", Access::Key, || web::post().to(estimate::ask)),
        url(Method::GET, "/v1/models", Access::Key, || web::get().to(models::list)),
        url(Method::GET, "/v1/models/{model:.+}", Access::Key, || web::get().to(models::show)),
        url(Method::GET, "/v1/me", Access::Key, || web::get().to(me::show)),
        url(Method::GET, "/v1/me/usage", Access::Key, || web::get().to(me::usage)),
        url(Method::GET, "/v1/organization/costs", Access::Key, || web::get().to(organization::costs)),
        url(Method::GET, "/v1/organization/usage/{kind}", Access::Key, || web::get().to(organization::usage)),
        url(Method::POST, "/v1/session-keys", Access::Key, || web::post().to(session_keys::create)),

        url(Method::GET, relay::PATH, Access::Key, || web::get().to(relay::serve)),
        url(Method::POST, relay::PATH, Access::Key, || web::post().to(relay::serve)),
        url(Method::PUT, relay::PATH, Access::Key, || web::put().to(relay::serve)),
        url(Method::PATCH, relay::PATH, Access::Key, || web::patch().to(relay::serve)),
        url(Method::DELETE, relay::PATH, Access::Key, || web::delete().to(relay::serve)),

        url(Method::GET, "/healthz", Access::Anyone, || web::get().to(probes::alive)),
        url(Method::GET, "/readyz", Access::Anyone, || web::get().to(probes::ready)),

        url(Method::GET, "/console", Access::Browser, || web::get().to(console::enter)),
        url(Method::GET, "/console/{path:.*}", Access::Browser, || web::get().to(console::show)),
    ];
    urls.extend(SURFACE.iter().filter_map(of_surface));
    urls
}

/// The URL of an operation of OpenAI's API that has no handler of its own above.
fn of_surface(row: &surface::Row) -> Option<Url> {
    let (access, route): (_, fn() -> Route) = match (row.how, row.method) {
        (How::Native, _) => return None,
        (How::Relayed, _) => (Access::Key, || web::post().to(operation::pass)),
        (How::Kept | How::Optional(_), surface::Method::Get) => {
            (Access::Key, || web::get().to(resources::serve))
        }
        (How::Kept | How::Optional(_), surface::Method::Post) => {
            (Access::Key, || web::post().to(resources::serve))
        }
        (How::Kept | How::Optional(_), surface::Method::Delete) => {
            (Access::Key, || web::delete().to(resources::serve))
        }
        // OpenAI's API has none
        (_, surface::Method::Put | surface::Method::Patch) => return None,
    };
    let method = match row.method {
        surface::Method::Get => Method::GET,
        surface::Method::Post => Method::POST,
        surface::Method::Put => Method::PUT,
        surface::Method::Patch => Method::PATCH,
        surface::Method::Delete => Method::DELETE,
    };
    Some(Url { method, path: row.path, access, route })
}

/// A path with its places unnamed: two that are alike are one resource.
pub fn plain(path: &str) -> String {
    let plain = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    plain.collect::<Vec<_>>().join("/")
}

/// A listener's URLs.
pub fn routes(part: Part, config: &mut ServiceConfig) {
    let mut urls: Vec<Url> = table().into_iter().filter(|url| part.has(url.access)).collect();
    while let Some(path) = urls.first().map(|url| url.path) {
        let (here, others) = urls.into_iter().partition(|url| plain(url.path) == plain(path));
        config.service(resource(path, here));
        urls = others;
    }
    if part != Part::Applications {
        config.configure(admin::route::routes);
    }
    config.default_service(web::to(fallback::unknown_url));
}

fn resource(path: &'static str, urls: Vec<Url>) -> Resource {
    let resource = urls.into_iter().fold(web::resource(path), |resource, url| resource.route((url.route)()));
    resource.default_service(web::to(fallback::method_not_allowed))
}

/// Every URL of applications and the administration: method, path and whom it is for.
pub fn urls() -> Vec<(Method, String, &'static str)> {
    let own = table().into_iter().map(|url| (url.method, url.path.to_owned(), url.access.word()));
    let admin = admin::route::table().into_iter();
    let admin =
        admin.map(|row| (row.method, format!("{}{}", admin::route::PREFIX, row.path), row.policy.word()));
    own.chain(admin).collect()
}

/// The monitoring listener: `/metrics`, and nothing else.
pub fn monitoring(config: &mut ServiceConfig) {
    config.route("/metrics", web::get().to(probes::metrics)).default_service(web::to(fallback::nothing_here));
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_operation_of_openais_api_has_a_url_and_none_has_two() {
        let mut served = HashSet::new();
        for url in table() {
            assert!(served.insert((url.method.to_string(), plain(url.path))), "{} {}", url.method, url.path);
        }
        for row in SURFACE {
            assert!(
                served.contains(&(row.method.to_string(), plain(row.path))),
                "{} {}",
                row.method,
                row.path
            );
        }
    }
}
