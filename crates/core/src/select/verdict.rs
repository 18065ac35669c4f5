//! What stands against a target.

use crate::{
    catalogue::Target,
    flow::{Scarce, Short},
    health::breaker::State,
    need::{Need, Unfit},
};

/// What is asked, by whom, and when.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub need: &'a Need<'a>,
    pub is_stream: bool,
    /// What requests that begin alike have in common, where the route keeps them together.
    pub affinity: Option<u64>,
    /// Whether the caller may use a target at all.
    pub may_use: &'a dyn Fn(&Target) -> bool,
    /// Whether what the request brings back can be opened at a target; `None`: it brings nothing sealed.
    pub opens: Option<&'a dyn Fn(&Target) -> bool>,
    /// What the request would cost at a target, in nano-USD; `None`: nobody knows.
    pub cost_nano_usd: &'a dyn Fn(&Target) -> Option<u64>,
    /// A clock that never runs backwards.
    pub now_us: u64,
}

/// Why a target is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// This request was sent there already.
    Tried,
    /// The caller may not use the provider.
    Forbidden,
    /// What the request brings back was sealed by another.
    SealedElsewhere,
    /// It is not for requests like this.
    Unfit(Unfit),
    /// Its breaker is open, or the one probe is under way.
    Shut { until_us: u64 },
    /// Its provider asked to be left alone.
    Resting { until_us: u64 },
    /// There is not enough left of one of its limits; `None`: until somebody is done.
    AtLimit { scarce: Scarce, until_us: Option<u64> },
    /// Others wait for room there.
    Queued,
}

impl Against {
    /// The word in explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Against::Tried => "tried",
            Against::Forbidden => "forbidden",
            Against::SealedElsewhere => "sealed_elsewhere",
            Against::Unfit(unfit) => unfit.as_str(),
            Against::Shut { .. } => "breaker_open",
            Against::Resting { .. } => "resting",
            Against::AtLimit { scarce: Scarce::Requests, .. } => "at_limit",
            Against::AtLimit { scarce: Scarce::Tokens, .. } => "out_of_tokens",
            Against::AtLimit { scarce: Scarce::Concurrent, .. } => "full",
            Against::Queued => "others_wait",
        }
    }
}

/// How a target may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Favour {
    Fit,
    /// It is to be probed, by the first that comes.
    Probe,
}

/// What stands against this target, or that it may be taken.
pub(super) fn judge(target: &Target, ask: &Ask<'_>) -> Result<Favour, Against> {
    if !(ask.may_use)(target) {
        return Err(Against::Forbidden);
    }
    if ask.opens.is_some_and(|opens| !opens(target)) {
        return Err(Against::SealedElsewhere);
    }
    target.capabilities.take(ask.need).and_then(|()| target.fit.take(ask.need)).map_err(Against::Unfit)?;
    let now_us = ask.now_us;
    if let Some(until_us) = target.health.rests_until(now_us) {
        return Err(Against::Resting { until_us });
    }
    let favour = match target.health.state(now_us) {
        State::Closed => Favour::Fit,
        State::HalfOpen { is_probe_free: true } => Favour::Probe,
        State::HalfOpen { is_probe_free: false } => return Err(Against::Shut { until_us: now_us }),
        State::Open { until_us } => return Err(Against::Shut { until_us }),
    };
    if let Some(Short { scarce, wait_us, .. }) = target.short(ask.need.tokens(), now_us) {
        let until_us = wait_us.map(|wait_us| now_us.saturating_add(wait_us));
        return Err(Against::AtLimit { scarce, until_us });
    }
    if target.line().is_some_and(|line| line.waiting() > 0) {
        return Err(Against::Queued);
    }
    Ok(favour)
}
