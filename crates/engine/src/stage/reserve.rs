//! Between resolve and select: what the request may need at most is held, or the request is refused.
//!
//! The most it can need is counted from its prompt and from `max_tokens` for every choice; where no limit is
//! said, one is put into the request, so that what is held is what can be used.

use bytes::Bytes;
use nexus_core::{
    id::{ProviderId, RequestId},
    price::Tier,
    quota::{Amounts, Caller, Measure, Mode, Owner, Quota},
    refusal::Refusal,
    usage::{Quantity, Usage},
};
use nexus_wire::chat::ChatRequest;

use crate::{
    estimate,
    pricing::Priced,
    shared::Shared,
    stage::{parse::Request, resolve::Routed},
    world::World,
};

/// What a model that nothing is known of gives out at most, where the request does not say.
const OUTPUT_TOKENS: u64 = 4_096;
/// A hold that lives longer than its request can is swept after this much more.
const GRACE_MS: i64 = 60_000;

/// Holds what the request needs; nothing where it falls under no quota.
pub async fn reserve(
    routed: &mut Routed,
    world: &World,
    request: RequestId,
    shared: &Shared,
) -> Result<(), Refusal> {
    let caller = Caller {
        key: routed.caller.key,
        parent: routed.caller.parent,
        team: routed.caller.team,
        alias: &routed.asked.call.alias,
        provider: only_provider(routed),
    };
    let mut quotas: Vec<Quota> =
        world.snapshot.quotas.iter().filter(|quota| quota.is_for(&caller)).cloned().collect();
    if let Some(budget) = routed.caller.budget {
        let own = shared.quotas.of_session(routed.caller.key, budget);
        quotas.push(own.ok_or_else(|| Refusal::QuotaExhausted {
            name: "session key".to_owned(),
            measure: Measure::CostNanoUsd.as_str(),
            limit: budget.nano_usd,
        })?);
    }
    if quotas.is_empty() {
        return Ok(());
    }
    let counts = |measure| quotas.iter().any(move |quota: &Quota| quota.measure == measure);
    let mut need = Amounts::default();
    if counts(Measure::Tokens) || counts(Measure::CostNanoUsd) {
        let most = most(routed).await?;
        need.tokens = most.tokens();
        let is_refused = quotas.iter().any(|quota| {
            quota.measure == Measure::CostNanoUsd && quota.mode == Mode::Hard
        });
        match cost(routed, world, &most, shared.clock.unix_ms()) {
            Some(nano_usd) => need.cost_nano_usd = nano_usd,
            None if is_refused => {
                return Err(Refusal::Unpriced { model: routed.asked.call.alias.clone() });
            }
            None => {}
        }
    }
    let now_ms = shared.clock.unix_ms();
    let whole_ms = i64::try_from(shared.limits.deadlines.whole_ms).unwrap_or(i64::MAX);
    let until_ms = now_ms.saturating_add(whole_ms.saturating_mul(4)).saturating_add(GRACE_MS);
    let owner = Owner { request, key: routed.caller.key, until_ms };
    let held = shared.quotas.hold(quotas.iter(), need, owner, &shared.clock);
    let held = held.map_err(|exhausted| Refusal::QuotaExhausted {
        name: exhausted.name.into(),
        measure: exhausted.measure.as_str(),
        limit: exhausted.limit,
    })?;
    routed.hold = Some(held);
    Ok(())
}

/// The provider all targets are at, where that is one.
fn only_provider(routed: &Routed) -> Option<ProviderId> {
    let mut providers = routed.to.route.targets.iter().map(|target| target.provider.id);
    let first = providers.next()?;
    providers.all(|provider| provider == first).then_some(first)
}

/// The most the request can use. Where a chat says no limit for its output, it is made to.
async fn most(routed: &mut Routed) -> Result<Usage, Refusal> {
    let limit = output_max(routed);
    let asked = &mut routed.asked;
    let Request::Chat(request) = &mut asked.request else {
        return Ok(estimate::count(asked.prompt(), String::new()).await);
    };
    let output_tokens = match request.max_tokens {
        Some(said) => said,
        None => {
            asked.body = limited(&asked.body, limit);
            *request = ChatRequest::read(&asked.body)
                .map_err(|error| Refusal::BadBody { message: error.message, param: error.param })?;
            limit
        }
    };
    let choices = request.n.unwrap_or(1);
    let prompt = estimate::count(asked.prompt(), String::new()).await;
    Ok(prompt.with(Quantity::Output, output_tokens.saturating_mul(choices)))
}

/// The most that any model of the route gives out.
fn output_max(routed: &Routed) -> u64 {
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
