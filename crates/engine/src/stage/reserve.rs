//! Between resolve and select: what the request may need at most is held, or the request is refused.
//!
//! The most it can need is counted from its prompt and from `max_tokens` for every choice; where no limit is
//! said, one is put into the request, so that what is held is what can be used.

use std::sync::Arc;

use bytes::Bytes;
use nexus_core::{
    id::{ProviderId, RequestId},
    price::Tier,
    quota::{Amounts, Caller, Exhausted, Measure, Mode, Needs, Owner, Quota, Subject},
    refusal::Refusal,
    usage::{Quantity, Usage},
};
use nexus_wire::chat::ChatRequest;

use crate::{
    estimate,
    hold::{Claims, Growth, Hold},
    pricing::Priced,
    shared::Shared,
    sharing::Sharing,
    stage::{
        parse::{Asked, Request},
        resolve::Routed,
    },
    world::World,
};

/// What a model that nothing is known of gives out at most, where the request does not say.
const OUTPUT_TOKENS: u64 = 4_096;
/// A hold that lives longer than its request can is swept after this much more.
const GRACE_MS: i64 = 60_000;

/// Holds what the request needs, in the place of what it held for a route that was left; nothing where it falls
/// under no quota.
pub async fn reserve(
    routed: &mut Routed,
    world: &World,
    request: RequestId,
    shared: &Shared,
) -> Result<(), Refusal> {
    let before = routed.hold.take();
    match exchange(routed, before.as_ref(), world, request, shared).await {
        Ok(held) => {
            routed.hold = held;
            Ok(())
        }
        Err(refusal) => {
            routed.hold = before;
            Err(refusal)
        }
    }
}

/// Holds the same once more, for a second attempt beside the first.
pub async fn beside(
    routed: &Routed,
    world: &World,
    request: RequestId,
    shared: &Shared,
) -> Result<Option<Arc<Hold>>, Refusal> {
    if routed.hold.is_none() {
        return Ok(None);
    }
    let own = of_session(routed, shared)?;
    let claims = claims(routed, true, world, own.as_ref());
    let wants = wants(routed, &claims, world, shared).await?;
    let wants = Wants { needs: wants.needs.most.into(), growth: None };
    hold(routed, &claims, wants, None, request, shared).await
}

async fn exchange(
    routed: &mut Routed,
    before: Option<&Arc<Hold>>,
    world: &World,
    request: RequestId,
    shared: &Shared,
) -> Result<Option<Arc<Hold>>, Refusal> {
    let own = of_session(routed, shared)?;
    let claims = claims(routed, before.is_some(), world, own.as_ref());
    if claims.counts_use() {
        limit_output(routed)?;
    }
    let wants = wants(routed, &claims, world, shared).await?;
    hold(routed, &claims, wants, before, request, shared).await
}

/// The budget a session key bears.
fn of_session(routed: &Routed, shared: &Shared) -> Result<Option<Quota>, Refusal> {
    let Some(budget) = routed.caller.budget else { return Ok(None) };
    let own = shared.quotas.of_session(routed.caller.key, budget);
    own.map(Some).ok_or_else(|| Refusal::QuotaExhausted {
        name: "session key".to_owned(),
        measure: Measure::CostNanoUsd.as_str(),
        limit: budget.nano_usd,
    })
}

/// Everything the request falls under by the alias it has come to; where it was counted as made already, without
/// what counted that.
fn claims<'a>(routed: &Routed, is_counted: bool, world: &'a World, own: Option<&'a Quota>) -> Claims<'a> {
    let (asked, labels) = (&routed.asked.call.alias, &routed.asked.labels);
    let caller = Caller {
        key: routed.caller.key,
        parent: routed.caller.parent,
        team: routed.caller.team,
        alias: routed.alias(),
        provider: only_provider(routed),
        user: labels.user.as_deref(),
        tags: &labels.tags,
    };
    // a provider or an alias that is asked now counts it anew
    let counts = |quota: &&Quota| {
        !is_counted
            || quota.measure != Measure::Requests
            || match &quota.subject {
                Subject::Provider(_) => true,
                Subject::Model(pattern) => !pattern.matches(asked),
                _ => false,
            }
    };
    let mut claims = Claims { team: routed.caller.team, ..Claims::default() };
    for quota in world.snapshot.quotas.iter().filter(|quota| quota.is_for(&caller)).filter(counts) {
        if quota.is_by_name() {
            claims.named.extend(quota.names(&caller).map(|name| (quota, name.into())));
        } else {
            claims.plain.push(quota);
        }
    }
    claims.plain.extend(own);
    claims
}

/// What a request needs.
#[derive(Clone, Copy, Default)]
struct Wants {
    needs: Needs,
    growth: Option<Growth>,
}

/// What the request can need at most, and what a stream of it needs to begin with.
async fn wants(
    routed: &Routed,
    claims: &Claims<'_>,
    world: &World,
    shared: &Shared,
) -> Result<Wants, Refusal> {
    if !claims.counts_use() {
        return Ok(Wants::default());
    }
    let (now_ms, asked) = (shared.clock.unix_ms(), &routed.asked);
    let is_refused =
        claims.quotas().any(|quota| quota.measure == Measure::CostNanoUsd && quota.mode.refuses());
    let amounts = |usage: &Usage| {
        let priced = cost(routed, world, usage, now_ms);
        if priced.is_none() && is_refused {
            return Err(Refusal::Unpriced { model: asked.call.alias.clone() });
        }
        Ok(Amounts { tokens: usage.tokens(), cost_nano_usd: priced.unwrap_or_default() })
    };
    let output = output(asked);
    // no token is shorter than a byte: where even that fits easily, nothing need be counted
    let pieces = asked.request.pieces(asked.call.operation);
    let mut most = pieces.plus(&Usage::text(asked.text_bytes(), output));
    let mut needs = Needs::from(amounts(&most)?);
    if !shared.quotas.is_roomy(claims, needs, now_ms) {
        let prompt = estimate::count(asked.prompt(), String::new()).await;
        most = pieces.plus(&prompt).with(Quantity::Output, output);
        needs = amounts(&most)?.into();
    }
    let is_passed = matches!(asked.request, Request::Passed(_));
    if is_passed || !asked.call.is_stream || claims.quotas().all(|quota| quota.mode != Mode::Cut) {
        return Ok(Wants { needs, growth: None });
    }
    let choices = asked.request.choices();
    let first = Growth::first(output, choices);
    needs.first = amounts(&most.with(Quantity::Output, first))?;
    Ok(Wants { needs, growth: Some(Growth { needs, first, most: output, choices }) })
}

/// Where other nodes may have what this one lacks, the call waits a moment for it.
async fn hold(
    routed: &Routed,
    claims: &Claims<'_>,
    Wants { needs, growth }: Wants,
    before: Option<&Arc<Hold>>,
    request: RequestId,
    shared: &Shared,
) -> Result<Option<Arc<Hold>>, Refusal> {
    if claims.is_empty() {
        // it is kept all the same: it says that the request was counted
        before.into_iter().for_each(|before| before.let_go());
        return Ok(before.cloned());
    }
    let now_ms = shared.clock.unix_ms();
    let whole_ms = i64::try_from(shared.limits.deadlines.whole_ms).unwrap_or(i64::MAX);
    let until_ms = now_ms.saturating_add(whole_ms.saturating_mul(4)).saturating_add(GRACE_MS);
    let owner = Owner { request, key: routed.caller.key, until_ms };
    let before = before.map(AsRef::as_ref);
    let hold = || shared.quotas.hold(claims, needs, growth, owner, before, &shared.clock);
    let mut held = hold();
    let deadline = Sharing::deadline();
    while let Err(Exhausted { round: Some(round), .. }) = held
        && shared.sharing.wait_for(round, deadline).await
    {
        held = hold();
    }
    held.map(Some).map_err(|exhausted| Refusal::QuotaExhausted {
        name: exhausted.name.into(),
        measure: exhausted.measure.as_str(),
        limit: exhausted.limit,
    })
}

/// The provider all targets are at, where that is one.
fn only_provider(routed: &Routed) -> Option<ProviderId> {
    let mut providers = routed.to.route.targets.iter().map(|target| target.provider.id);
    let first = providers.next()?;
    providers.all(|provider| provider == first).then_some(first)
}

/// Where a chat says no limit for its output, it is made to.
fn limit_output(routed: &mut Routed) -> Result<(), Refusal> {
    let limit = output_max(routed);
    let asked = &mut routed.asked;
    if let Request::Chat(request) = &mut asked.request
        && request.max_tokens.is_none()
    {
        asked.body = limited(&asked.body, limit);
        *request = ChatRequest::read_nameless(&asked.body)
            .map_err(|error| Refusal::BadBody { message: error.message, param: error.param })?;
    }
    Ok(())
}

/// The most tokens the request can be answered with.
fn output(asked: &Asked) -> u64 {
    let most = match &asked.request {
        Request::Chat(request) => request.max_tokens.unwrap_or(OUTPUT_TOKENS),
        Request::Embeddings(_) => 0,
        Request::Passed(request) => request.max_tokens.unwrap_or(0),
    };
    most.saturating_mul(asked.request.choices())
}

/// The most that any model of the route gives out.
pub fn output_max(routed: &Routed) -> u64 {
    let known = routed.to.route.targets.iter().filter_map(|target| {
        let model = target.model_for(&routed.to.name);
        nexus_models::find(&target.provider.kind, model)?.output_max
    });
    known.min().unwrap_or(OUTPUT_TOKENS)
}

/// The same body with a limit for its output; it is an object with at least one member, as was checked.
fn limited(body: &Bytes, limit: u64) -> Bytes {
    let Some(brace) = body.iter().position(|byte| *byte == b'{') else { return body.clone() };
    let (before, rest) = body.split_at(brace.saturating_add(1));
    [before, format!("\"max_completion_tokens\":{limit},").as_bytes(), rest].concat().into()
}

/// What the most costs at the dearest target, whatever of the prompt is new to a cache and whatever of the
/// output is reasoning. `None` where one of the targets has no price.
fn cost(routed: &Routed, world: &World, most: &Usage, now_ms: i64) -> Option<u64> {
    let (input, output) = (most.of(Quantity::Input), most.of(Quantity::Output));
    let pieces = routed.asked.request.pieces(routed.asked.call.operation);
    let body = std::str::from_utf8(&routed.asked.body).unwrap_or_default();
    let tiers: &[Tier] = if body.contains("\"service_tier\"") { &Tier::ALL } else { &[Tier::Standard] };
    let mut prompts = vec![Quantity::Input];
    if body.contains("\"cache_control\"") {
        prompts.extend([Quantity::CacheWrite5m, Quantity::CacheWrite1h]);
    }
    let mut dearest = 0;
    for target in &routed.to.route.targets {
        let model = target.model_for(&routed.to.name);
        let priced = Priced::find(&world.snapshot.prices, target, model, now_ms);
        for (prompt, tier) in prompts.iter().flat_map(|prompt| tiers.iter().map(move |tier| (*prompt, *tier)))
        {
            for output_as in [Quantity::Output, Quantity::Reasoning] {
                let usage = pieces.with(prompt, input).with(output_as, output);
                dearest = dearest.max(priced.nano_usd(&usage, tier)?);
            }
        }
    }
    Some(dearest)
}
