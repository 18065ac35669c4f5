//! Requests, as the ledger knows them: what was tried, where, why, how it ended and what it cost.

use std::{borrow::Cow, collections::BTreeMap};

use nexus_core::{
    id::{KeyId, RequestId, TeamId, Uuid},
    role::Reach,
};
use nexus_store::repo::{
    content,
    usage::{
        Only,
        requests::{self, Asked, Attempt, Found, PassedOver, Request},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{
    answer::Told,
    call::{Call, found},
    contents::KeptBody,
    problem::Problem,
    query::{Listing, Walk},
    usage::{DAY_S, MAX_S, held},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RequestFilter {
    /// Unix seconds; none: a day before `until`.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    from: Option<i64>,
    /// Unix seconds, not included; none: now.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    until: Option<i64>,
    #[param(nullable = false)]
    team_id: Option<Uuid>,
    #[param(nullable = false)]
    key_id: Option<Uuid>,
    /// As it was asked for.
    #[param(nullable = false, max_length = 256)]
    alias: Option<String>,
    /// The name of the one that was asked first.
    #[param(nullable = false, max_length = 256)]
    provider: Option<String>,
    /// The first provider's name of it.
    #[param(nullable = false, max_length = 256)]
    model: Option<String>,
    #[param(nullable = false, max_length = 64)]
    operation: Option<String>,
    /// What the first attempt came to.
    #[param(nullable = false, minimum = 100, maximum = 599)]
    status: Option<u16>,
    /// The application's own name of its user.
    #[param(nullable = false, max_length = 256)]
    user: Option<String>,
    /// The region the first provider was asked in.
    #[param(nullable = false, max_length = 256)]
    region: Option<String>,
    /// The first attempt took so many milliseconds at least.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    took_ms: Option<i64>,
    /// The first attempt took less than so many milliseconds.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    took_below_ms: Option<i64>,
}

impl RequestFilter {
    /// Whose requests are wanted; `None` where the caller may see none of them.
    fn only(&self, reach: Reach) -> Option<Only> {
        let team = self.team_id.map(TeamId);
        if team.is_some_and(|team| !reach.covers(Some(team))) {
            return None;
        }
        Some(Only {
            team: reach.team().or(team),
            keys: self.key_id.map(|key| vec![KeyId(key)]),
            alias: self.alias.clone(),
            provider: self.provider.clone(),
            provider_id: None,
            model: self.model.clone(),
            operation: self.operation.clone(),
            status: self.status,
        })
    }
}

/// A request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Request)]
pub struct RequestBody {
    /// The `x-request-id` of its answer.
    id: String,
    /// When its first attempt began, Unix seconds.
    at: i64,
    team_id: Option<String>,
    key_id: String,
    operation: String,
    /// As it was asked for.
    alias: String,
    is_stream: bool,
    /// What its last attempt came to: the status the client was given, 499 where it had gone.
    status: i64,
    /// How its last attempt ended: `answered`, `abandoned`, .. or the class of its fault.
    outcome: String,
    /// The application's own name of its user.
    user: Option<String>,
    tags: Vec<String>,
    /// Of all its attempts, whoever bears it.
    cost_nano_usd: i64,
    /// In their order.
    attempts: Vec<AttemptBody>,
    /// Where what was said is kept; in lists always null.
    content: Option<KeptBody>,
}

/// An attempt. What is null from `policy` on was never known, or is older than the request log goes back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptBody {
    id: String,
    /// From 1.
    number: i64,
    provider: String,
    /// The provider's name of it.
    model: String,
    region: Option<String>,
    outcome: String,
    status: i64,
    /// Unix milliseconds.
    started_at_ms: i64,
    /// To the first content.
    first_token_us: Option<i64>,
    duration_us: i64,
    /// Every quantity there is any of; they never overlap.
    quantities: BTreeMap<String, u64>,
    /// Who counted: `provider`, or `estimated` here.
    source: String,
    /// Why the provider's counts are in doubt.
    doubt: Option<String>,
    /// None: nobody knows.
    cost_nano_usd: Option<i64>,
    pricing: String,
    price_rule: Option<String>,
    service_tier: String,
    /// Who bears it: `team` or `platform`.
    bearer: String,
    /// The provider's own id for it.
    provider_request_id: Option<String>,
    /// The provider's own words on what was used.
    #[schema(value_type = Option<Object>)]
    raw_usage: Option<Box<RawValue>>,
    /// How its target was chosen.
    policy: Option<String>,
    /// The alias of the route it took, where that is not the one that was asked for.
    route: Option<String>,
    /// From the request's arrival to the attempt's begin: what was decided, waited for and tried before.
    before_us: Option<u64>,
    /// Of the client's body.
    request_bytes: Option<u64>,
    /// Of what the client was to be given of it.
    answer_bytes: Option<u64>,
    /// Whom the choice of its target passed over, in the order they were looked at.
    passed_over: Vec<PassedOverBody>,
    /// How many it passed over beside those.
    passed_over_more: u32,
}

/// A target that a choice passed over.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PassedOver)]
pub struct PassedOverBody {
    provider: String,
    /// The provider's name of it.
    model: String,
    region: Option<String>,
    /// Why: `breaker_open`, `full`, ..
    why: String,
}

impl From<PassedOver> for PassedOverBody {
    fn from(passed: PassedOver) -> Self {
        let PassedOver { provider, model, region, why } = passed;
        Self { provider, model, region, why: why.into_owned() }
    }
}

impl AttemptBody {
    fn new(attempt: &Attempt) -> Self {
        let one = attempt.clone();
        let counts = one.usage.counts().map(|(quantity, count)| (quantity.as_str().to_owned(), count));
        Self {
            quantities: counts.collect(),
            id: one.id,
            number: one.number,
            provider: one.provider,
            model: one.model,
            region: one.region,
            outcome: one.outcome,
            status: one.status,
            started_at_ms: one.started_at_ms,
            first_token_us: one.first_token_us,
            duration_us: one.duration_us,
            source: one.source,
            doubt: one.doubt,
            cost_nano_usd: one.cost_nano_usd,
            pricing: one.pricing,
            price_rule: one.price_rule,
            service_tier: one.service_tier,
            bearer: one.bearer,
            provider_request_id: one.provider_request_id,
            raw_usage: one.raw_usage.and_then(|text| RawValue::from_string(text).ok()),
            policy: one.kept.policy.map(Cow::into_owned),
            route: one.kept.route,
            before_us: one.kept.before_us,
            request_bytes: one.kept.request_bytes,
            answer_bytes: one.kept.answer_bytes,
            passed_over: one.kept.passed_over.into_iter().map(PassedOverBody::from).collect(),
            passed_over_more: one.kept.passed_over_more.unwrap_or_default(),
        }
    }
}

impl RequestBody {
    fn new(request: &Request) -> Self {
        let (first, last) = (request.attempts.first(), request.attempts.last());
        let costs = request.attempts.iter().filter_map(|attempt| attempt.cost_nano_usd);
        Self {
            id: request.id.clone(),
            at: first.map_or(0, |first| first.started_at_ms.div_euclid(1000)),
            team_id: request.team.clone(),
            key_id: request.key.clone(),
            operation: request.operation.clone(),
            alias: request.alias.clone(),
            is_stream: request.is_stream,
            status: last.map_or(0, |last| last.status),
            outcome: last.map(|last| last.outcome.clone()).unwrap_or_default(),
            user: request.user.clone(),
            tags: request.tags.clone(),
            cost_nano_usd: costs.fold(0, i64::saturating_add),
            attempts: request.attempts.iter().map(AttemptBody::new).collect(),
            content: None,
        }
    }
}

fn us(ms: i64) -> i64 {
    ms.saturating_mul(1000)
}

/// Newest first. A page may have fewer rows than asked for where few of those that were looked through fit;
/// `has_more` says whether it is the last.
pub async fn list(call: Call<Walk<RequestFilter>>) -> Result<Listing<RequestBody>, Problem> {
    let filter = &call.query.filter;
    let until_s = filter.until.unwrap_or(call.now_ms().div_euclid(1000).saturating_add(1));
    let from_s = filter.from.unwrap_or(until_s.saturating_sub(DAY_S)).max(0);
    held(from_s, until_s, MAX_S)?;
    let Found { requests, next } = match filter.only(call.caller.reach) {
        None => Found::default(),
        Some(only) => {
            let (user, region, page) = (filter.user.clone(), filter.region.clone(), call.query.exact_page());
            let took_us = (filter.took_ms.map(us), filter.took_below_ms.map(us));
            let time_ms = from_s.saturating_mul(1000)..until_s.saturating_mul(1000);
            let asked = Asked { only, user, region, took_us, time_ms, page };
            call.read(move |conn| requests::list(conn, &asked)).await?
        }
    };
    let data = requests.iter().map(RequestBody::new).collect();
    Ok(call.query.listing_until(&call.admin().secrets.cursors, data, next))
}

pub async fn show(call: Call) -> Result<Told<RequestBody>, Problem> {
    let (id, own, now_ms) = (call.id::<RequestId>("id")?, call.caller.reach.team(), call.now_ms());
    let read =
        call.read(move |conn| Ok((requests::show(conn, id.0, own)?, content::find(conn, id, own, now_ms)?)));
    let (request, kept) = read.await?;
    Ok(Told(RequestBody { content: kept.map(KeptBody::from), ..RequestBody::new(&found(request)?) }))
}
