//! Every URL the gateway serves, on one page.

use actix_web::web::{self, ServiceConfig};

use crate::{
    admin,
    api::{chat, fallback, models, probes, session_keys},
};

/// The application's listener.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/v1/chat/completions")
                .route(web::post().to(chat::complete))
                .default_service(web::to(fallback::method_not_allowed)),
        )
        .service(
            web::resource("/v1/models")
                .route(web::get().to(models::list))
                .default_service(web::to(fallback::method_not_allowed)),
        )
        .service(
            web::resource("/v1/models/{model:.+}")
                .route(web::get().to(models::show))
                .default_service(web::to(fallback::method_not_allowed)),
        )
        .service(
            web::resource("/v1/session-keys")
                .route(web::post().to(session_keys::create))
                .default_service(web::to(fallback::method_not_allowed)),
        )
        .configure(admin::route::routes)
        .route("/healthz", web::get().to(probes::alive))
        .route("/readyz", web::get().to(probes::ready))
        .default_service(web::to(fallback::unknown_url));
}

/// The monitoring listener: `/metrics`, and nothing else.
pub fn monitoring(config: &mut ServiceConfig) {
    config.route("/metrics", web::get().to(probes::metrics)).default_service(web::to(fallback::nothing_here));
}
