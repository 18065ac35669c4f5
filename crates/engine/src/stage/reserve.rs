//! Between resolve and select: what the request may need at most is held, or the request is refused.
//!
//! The most it can need is counted from its prompt and from `max_tokens` for every choice; where no limit is
//! said, one is put into the request, so that what is held is what can be used.

use std::sync::Arc;

use bytes::Bytes;
use nexus_core::{
    id::{ProviderId, RequestId},
    price::Tier,
    quota::{Amounts, Caller, Measure, Mode, Owner, Quota, Subject},
    refusal::Refusal,
    usage::{Quantity, Usage},
};
use nexus_wire::chat::ChatRequest;

use crate::{
    estimate,
    hold::Hold,
    pricing::Priced,
    shared::Shared,
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
    match exchange(routed, before.as_deref(), world, request, shared).await {
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
    let quotas = quotas(routed, true, world, shared)?;
    let most = if counts_use(&quotas) { most(&routed.asked).await } else { Usage::default() };
    held(routed, &quotas, &most, None, world, request, shared)
}

async fn exchange(
    routed: &mut Routed,
    before: Option<&Hold>,
    world: &World,
    request: RequestId,
    shared: &Shared,
) -> Result<Option<Arc<Hold>>, Refusal> {
    let quotas = quotas(routed, before.is_some(), world, shared)?;
    let most = if counts_use(&quotas) {
        limit_output(routed)?;
        most(&routed.asked).await
    } else {
        Usage::default()
    };
    held(routed, &quotas, &most, before, world, request, shared)
}

/// Whether it matters how much is used.
fn counts_use(quotas: &[Quota]) -> bool {
    quotas.iter().any(|quota| matches!(quota.measure, Measure::Tokens | Measure::CostNanoUsd))
}

/// What the request falls under; where it was counted as made already, without what counts that.
fn quotas(routed: &Routed, is_counted: bool, world: &World, shared: &Shared) -> Result<Vec<Quota>, Refusal> {
    let caller = Caller {
        key: routed.caller.key,
        parent: routed.caller.parent,
        team: routed.caller.team,
        alias: &routed.asked.call.alias,
        provider: only_provider(routed),
    };
    // a provider that is asked now counts it anew
    let counts = |quota: &&Quota| {
        !is_counted || quota.measure != Measure::Requests || matches!(quota.subject, Subject::Provider(_))
    };
    let all = world.snapshot.quotas.iter();
    let mut quotas: Vec<Quota> = all.filter(|quota| quota.is_for(&caller)).filter(counts).cloned().collect();
    if let Some(budget) = routed.caller.budget {
        let own = shared.quotas.of_session(routed.caller.key, budget);
        quotas.push(own.ok_or_else(|| Refusal::QuotaExhausted {
            name: "session key".to_owned(),
            measure: Measure::CostNanoUsd.as_str(),
            limit: budget.nano_usd,
        })?);
    }
    Ok(quotas)
}

fn held(
    routed: &Routed,
    quotas: &[Quota],
    most: &Usage,
    before: Option<&Hold>,
    world: &World,
    request: RequestId,
    shared: &Shared,
) -> Result<Option<Arc<Hold>>, Refusal> {
    if quotas.is_empty() {
        return Ok(None);
    }
    let mut need = Amounts { tokens: most.tokens(), ..Amounts::default() };
    if counts_use(quotas) {
        let is_hard = |quota: &Quota| quota.measure == Measure::CostNanoUsd && quota.mode == Mode::Hard;
        match cost(routed, world, most, shared.clock.unix_ms()) {
            Some(nano_usd) => need.cost_nano_usd = nano_usd,
            None if quotas.iter().any(is_hard) => {
                return Err(Refusal::Unpriced { model: routed.asked.call.alias.clone() });
            }
            None => {}
        }
    }
    let now_ms = shared.clock.unix_ms();
    let whole_ms = i64::try_from(shared.limits.deadlines.whole_ms).unwrap_or(i64::MAX);
    let until_ms = now_ms.saturating_add(whole_ms.saturating_mul(4)).saturating_add(GRACE_MS);
    let owner = Owner { request, key: routed.caller.key, until_ms };
    let held = shared.quotas.hold(quotas.iter(), need, owner, before, &shared.clock);
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
        *request = ChatRequest::read(&asked.body)
            .map_err(|error| Refusal::BadBody { message: error.message, param: error.param })?;
    }
    Ok(())
}

/// The most the request can use.
async fn most(asked: &Asked) -> Usage {
    let prompt = estimate::count(asked.prompt(), String::new()).await;
    let Request::Chat(request) = &asked.request else { return prompt };
    let output_tokens = request.max_tokens.unwrap_or(OUTPUT_TOKENS);
    prompt.with(Quantity::Output, output_tokens.saturating_mul(request.n.unwrap_or(1)))
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
        for (prompt, tier) in prompts.iter().flat_map(|prompt| tiers.iter().map(move |tier| (*prompt, *tier))) {
            for output_as in [Quantity::Output, Quantity::Reasoning] {
                let usage = Usage::default().with(prompt, input).with(output_as, output);
                dearest = dearest.max(priced.nano_usd(&usage, tier)?);
            }
        }
    }
    Some(dearest)
}
