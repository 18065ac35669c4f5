//! How the models at their providers are: breakers, pace, what is under way, what happened lately.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    sync::Arc,
    time::Duration,
};

use nexus_core::{
    catalogue::Target,
    fault::Class,
    health::{
        Health,
        breaker::State,
        histogram::Spread,
        learned::Learned,
        window::{Span, Summary},
    },
    id::{RouteId, Uuid},
};
use nexus_engine::world::World;
use nexus_store::repo::route;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    admin::{
        answer::{Gone, Kinds, Recorded, Text, Told},
        call::{Call, found},
        change::Change,
        problem::{Kind, Problem},
        query::Filter,
        words::BreakerWord,
    },
    worker::Worker,
};

/// How a model at a provider is. Aliases that stand for the same one share it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthOfTarget)]
pub struct TargetBody {
    /// One of the model routes that lead to it.
    pub model_route_id: Uuid,
    pub provider: String,
    pub real_name: String,
    pub region: Option<String>,
    pub breaker: BreakerWord,
    /// When the next request may see whether it is back; none unless it is open.
    pub open_for_ms: Option<u64>,
    /// How long its provider asked to be left alone.
    pub resting_for_ms: Option<u64>,
    /// What it said last is left of its own limits; none: nothing, or not lately.
    pub learned: Option<LearnedBody>,
    pub in_flight: u32,
    /// The latest look at the provider that was no request; none where its options ask for none.
    pub check: Option<CheckBody>,
    /// How long streams take to begin at present; slow answers count at once, fast ones slowly.
    pub first_token_ms: u64,
    pub last_minute: SpanBody,
    pub last_five_minutes: SpanBody,
    pub last_hour: SpanBody,
    pub last_day: SpanBody,
}

/// A look at a provider: it was asked for its list of models.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthCheck)]
pub struct CheckBody {
    pub ago_ms: u64,
    pub latency_ms: u64,
    /// The class of what went wrong; none: it is well.
    pub fault: Option<&'static str>,
}

/// What a provider said in the headers of an answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = LearnedLimits)]
pub struct LearnedBody {
    pub requests_limit: Option<u64>,
    pub requests_remaining: Option<u64>,
    pub requests_reset_ms: Option<u64>,
    pub tokens_limit: Option<u64>,
    pub tokens_remaining: Option<u64>,
    pub tokens_reset_ms: Option<u64>,
}

impl From<Learned> for LearnedBody {
    fn from(learned: Learned) -> Self {
        let Learned { requests, tokens } = learned;
        let ms = |us: Option<u64>| us.map(|us| us.div_ceil(1000));
        Self {
            requests_limit: requests.limit,
            requests_remaining: requests.remaining,
            requests_reset_ms: ms(requests.reset_us),
            tokens_limit: tokens.limit,
            tokens_remaining: tokens.remaining,
            tokens_reset_ms: ms(tokens.reset_us),
        }
    }
}

/// What happened in a span of time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthOfSpan)]
pub struct SpanBody {
    pub requests: u64,
    pub answered: u64,
    /// Failures by class.
    pub failed: BTreeMap<String, u64>,
    pub latency_ms: QuantilesBody,
    /// Of streams.
    pub first_token_ms: QuantilesBody,
    /// Of one answer.
    pub tokens_per_second: u64,
}

/// What so many of all stay below; none where there are none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quantiles)]
pub struct QuantilesBody {
    pub p50: Option<u64>,
    pub p90: Option<u64>,
    pub p95: Option<u64>,
    pub p99: Option<u64>,
}

/// How all of them are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthOfProviders)]
pub struct ProvidersBody {
    /// Tries beyond requests' first that there may be at once, over all requests.
    pub retries_left: u64,
    pub targets: Vec<TargetBody>,
}

impl From<&Spread> for QuantilesBody {
    fn from(spread: &Spread) -> Self {
        let ms = |per_mille| spread.quantile_us(per_mille).map(|us| us / 1000);
        Self { p50: ms(500), p90: ms(900), p95: ms(950), p99: ms(990) }
    }
}

impl From<Summary> for SpanBody {
    fn from(summary: Summary) -> Self {
        Self {
            requests: summary.requests(),
            answered: summary.answered,
            failed: summary.failed.iter().map(|(class, n)| (class.as_str().to_owned(), *n)).collect(),
            latency_ms: (&summary.latency).into(),
            first_token_ms: (&summary.first_token).into(),
            tokens_per_second: summary.tokens_per_second(),
        }
    }
}

impl TargetBody {
    fn new(target: &Target, now_us: u64) -> Self {
        let health = &target.health;
        let span = |span| health.summary(span, now_us).into();
        let state = health.state(now_us);
        let left_ms = |until_us: u64| until_us.saturating_sub(now_us).div_ceil(1000);
        Self {
            model_route_id: target.route.0,
            provider: target.provider.name.to_string(),
            real_name: target.real_model.to_string(),
            region: target.region.as_deref().map(str::to_owned),
            breaker: state.into(),
            open_for_ms: match state {
                State::Open { until_us } => Some(left_ms(until_us)),
                State::Closed | State::HalfOpen { .. } => None,
            },
            resting_for_ms: health.rests_until(now_us).map(left_ms),
            learned: health.learned(now_us).map(LearnedBody::from),
            in_flight: health.in_flight(),
            check: health.check().map(|check| CheckBody {
                ago_ms: now_us.saturating_sub(check.ended_us) / 1000,
                latency_ms: check.ended_us.saturating_sub(check.began_us) / 1000,
                fault: check.fault.map(Class::as_str),
            }),
            first_token_ms: health.pace_us(true, now_us) / 1000,
            last_minute: span(Span::Seconds(60)),
            last_five_minutes: span(Span::Seconds(300)),
            last_hour: span(Span::Minutes(60)),
            last_day: span(Span::Minutes(1440)),
        }
    }
}

fn providers(worker: &Worker) -> ProvidersBody {
    let shared = &worker.engine.shared;
    let (world, now_us) = (shared.worlds.current(), shared.clock.monotonic_us());
    let mut targets: Vec<_> =
        once_each(&world).iter().map(|target| TargetBody::new(target, now_us)).collect();
    targets
        .sort_by(|a, b| (&a.provider, &a.real_name, &a.region).cmp(&(&b.provider, &b.real_name, &b.region)));
    ProvidersBody { retries_left: shared.retries.left(), targets }
}

/// Of the targets that share a health, one.
fn once_each(world: &World) -> Vec<&Arc<Target>> {
    let mut seen: HashSet<*const Health> = HashSet::new();
    let targets = world.snapshot.catalogue.all().flat_map(|route| &route.targets);
    targets.filter(|target| seen.insert(Arc::as_ptr(&target.health))).collect()
}

/// `GET /admin/v1/health/providers`
pub async fn show(call: Call) -> Result<Told<ProvidersBody>, Problem> {
    Ok(Told(providers(call.worker())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct StreamQuery {
    /// How many seconds it goes on, once a second.
    #[param(minimum = 1, maximum = 3600)]
    seconds: u32,
}

pub struct Events;

const EVENT_STREAM: &str = "text/event-stream";

impl Kinds for Events {
    const MEDIA_TYPES: &'static [&'static str] = &[EVENT_STREAM];
}

/// The longest stream, in seconds; who wants more asks again.
const SECONDS_MAX: u32 = 3600;

/// `GET /admin/v1/health/providers/stream`: the same once a second, as events. A client that does not read
/// gets none meanwhile.
pub async fn stream(call: Call<Filter<StreamQuery>>) -> Result<Text<Events>, Problem> {
    let Filter(StreamQuery { seconds }) = call.query;
    if !(1..=SECONDS_MAX).contains(&seconds) {
        return Err(Problem::at("/seconds", format!("is not from 1 to {SECONDS_MAX}")));
    }
    let worker = call.worker.clone();
    Ok(Text::written(EVENT_STREAM, async move |pieces| {
        for number in 0..seconds {
            if number > 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            if worker.drain.has_begun() {
                break;
            }
            let json = serde_json::to_string(&providers(&worker))?;
            pieces.send(format!("event: health\ndata: {json}\n\n")).await?;
        }
        io::Result::Ok(())
    }))
}

/// `POST /admin/v1/model-routes/{id}/reset`: takes everything back that keeps requests away, on this node. What
/// happened stays known.
pub async fn reset(call: Call) -> Result<Recorded<Gone>, Problem> {
    let id: RouteId = call.id("id")?;
    let (shared, is_dry) = (Arc::clone(&call.worker().engine.shared), call.manner.is_dry);
    call.change("model_route.reset", move |conn| {
        found(route::show(conn, id)?)?;
        let world = shared.worlds.current();
        if !is_dry && !world.put_back(id, &shared.meters, shared.clock.monotonic_us()) {
            return Err(Problem::new(Kind::Conflict, "the model route takes no part in routing").into());
        }
        Ok(Change::of("model_route", id, None, Gone))
    })
    .await
}
