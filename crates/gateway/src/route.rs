//! Every URL the gateway serves, on one page.

use actix_web::web::{self, ServiceConfig};

use crate::api::{chat, fallback, models, probes};

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
        .route("/healthz", web::get().to(probes::alive))
        .route("/readyz", web::get().to(probes::ready))
        .default_service(web::to(fallback::unknown_url));
}

/// The monitoring listener: `/metrics`, and nothing else.
pub fn monitoring(config: &mut ServiceConfig) {
    config.route("/metrics", web::get().to(probes::metrics)).default_service(web::to(fallback::nothing_here));
}
