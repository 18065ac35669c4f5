//! `POST /v1/cost/estimate`: what a request would cost, for applications that want to know before they send it. The
//! body is the request itself.

use actix_web::{HttpRequest, HttpResponse, web};
use nexus_engine::{
    arrival::Arrival,
    pipeline,
    quote::{AtTarget, Quote},
};
use nexus_wire::error::{ErrorCode, PublicError};
use serde::Serialize;

use crate::{inbound, respond, worker::Worker};

#[derive(Serialize)]
struct Estimate {
    object: &'static str,
    /// Counted here; the provider's own count may differ by a little.
    prompt_tokens: u64,
    /// The most the answer can have.
    completion_tokens_max: u64,
    /// Whether every model that may serve it has a price; where one has none the bounds are of the others.
    is_complete: bool,
    /// For the prompt alone at the cheapest model that may serve it; none where nobody has said a price.
    nano_usd_min: Option<u64>,
    /// For the longest answer at the dearest.
    nano_usd_max: Option<u64>,
    targets: Vec<Target>,
}

#[derive(Serialize)]
struct Target {
    model: String,
    region: Option<String>,
    pricing: &'static str,
    /// The price that says so.
    price: Option<String>,
    nano_usd_min: Option<u64>,
    nano_usd_max: Option<u64>,
}

impl From<AtTarget> for Target {
    fn from(at: AtTarget) -> Self {
        Self {
            model: at.real_model,
            region: at.region.as_deref().map(str::to_owned),
            pricing: at.pricing.as_str(),
            price: at.rule.as_deref().map(str::to_owned),
            nano_usd_min: at.nano_usd.map(|(least, _)| least),
            nano_usd_max: at.nano_usd.map(|(_, most)| most),
        }
    }
}

impl From<Quote> for Estimate {
    fn from(quote: Quote) -> Self {
        let targets: Vec<Target> = quote.targets.into_iter().map(Target::from).collect();
        Self {
            object: "cost.estimate",
            prompt_tokens: quote.prompt_tokens,
            completion_tokens_max: quote.completion_tokens_max,
            is_complete: targets.iter().all(|target| target.nano_usd_max.is_some()),
            nano_usd_min: targets.iter().filter_map(|target| target.nano_usd_min).min(),
            nano_usd_max: targets.iter().filter_map(|target| target.nano_usd_max).max(),
            targets,
        }
    }
}

pub async fn ask(request: HttpRequest, payload: web::Payload, worker: web::Data<Worker>) -> HttpResponse {
    let arrival = Arrival { head: inbound::head(&request, &worker), body: inbound::Body::new(payload) };
    match pipeline::estimate(&worker.engine, arrival).await {
        Ok((id, quote)) => match serde_json::to_vec(&Estimate::from(quote)) {
            Ok(body) => respond::json(id, body.into()),
            Err(_) => respond::error(id, &PublicError::new(ErrorCode::Internal), &worker),
        },
        Err(denial) => respond::denial(&denial, &worker).await,
    }
}
