//! What a request would cost, without sending it: its prompt counted, its output between nothing and its limit.

use std::sync::Arc;

use nexus_core::{
    price::Tier,
    principal::Principal,
    refusal::Refusal,
    usage::{Pricing, Quantity, Source, Usage},
};

use crate::{
    estimate,
    pricing::Priced,
    stage::{parse::Asked, reserve::output_max, resolve},
    world::World,
};

/// What a request would cost at each target that may serve it.
#[derive(Debug)]
pub struct Quote {
    pub prompt_tokens: u64,
    /// The most tokens the answer can have, over all its choices.
    pub completion_tokens_max: u64,
    pub targets: Vec<AtTarget>,
}

/// What it would cost at one.
#[derive(Debug)]
pub struct AtTarget {
    /// The provider's name of the model.
    pub real_model: String,
    pub region: Option<Arc<str>>,
    pub pricing: Pricing,
    pub rule: Option<Arc<str>>,
    /// For the prompt alone, and for the longest answer; `None` where nobody has said a price.
    pub nano_usd: Option<(u64, u64)>,
}

/// Counts and prices. The caller must be one that may call models.
pub async fn quote(asked: Asked, caller: Principal, world: &World, now_ms: i64) -> Result<Quote, Refusal> {
    let routed = resolve::resolve(asked, caller, None, world)?;
    let prompt = estimate::count(routed.asked.prompt(), String::new()).await;
    let request = &routed.asked.request;
    let output = request.max_output_tokens().unwrap_or_else(|| output_max(&routed));
    let completion_tokens_max = output.saturating_mul(request.choices());
    let targets = routed.to.route.targets.iter().map(|target| {
        let model = target.model_for(&routed.to.name);
        let priced = Priced::find(&routed.prices, target, model, now_ms);
        let most = prompt.with(Quantity::Output, completion_tokens_max);
        let cost = |usage: &Usage| priced.cost(usage, Source::Estimated, Tier::Standard);
        let (least, most) = (cost(&prompt), cost(&most));
        AtTarget {
            real_model: model.to_owned(),
            region: target.region.clone(),
            pricing: most.pricing,
            rule: most.rule,
            nano_usd: (most.pricing != Pricing::Unknown).then_some((least.nano_usd, most.nano_usd)),
        }
    });
    Ok(Quote { prompt_tokens: prompt.prompt_tokens(), completion_tokens_max, targets: targets.collect() })
}
