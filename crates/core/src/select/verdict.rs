//! What stands against a target.

use crate::{
    catalogue::Target,
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
    /// It is not for requests like this.
    Unfit(Unfit),
    /// Its breaker is open, or the one probe is under way.
    Shut { until_us: u64 },
    /// Its provider asked to be left alone.
    Resting { until_us: u64 },
    /// Its limit of requests or tokens is used up.
    AtLimit { until_us: u64 },
}

impl Against {
    /// The word in explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Against::Tried => "tried",
            Against::Forbidden => "forbidden",
            Against::Unfit(unfit) => unfit.as_str(),
            Against::Shut { .. } => "breaker_open",
            Against::Resting { .. } => "resting",
            Against::AtLimit { .. } => "at_limit",
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
    target.fit.take(ask.need).map_err(Against::Unfit)?;
    let now_us = ask.now_us;
    if let Some(until_us) = target.health.rests_until(now_us) {
        return Err(Against::Resting { until_us });
    }
    let limits = [&target.rate_limit, &target.provider.rate_limit].into_iter().flatten();
    if let Some(wait_us) = limits.filter_map(|limit| limit.wait_us(now_us)).max() {
        return Err(Against::AtLimit { until_us: now_us.saturating_add(wait_us) });
    }
    match target.health.state(now_us) {
        State::Closed => Ok(Favour::Fit),
        State::HalfOpen { is_probe_free: true } => Ok(Favour::Probe),
        State::HalfOpen { is_probe_free: false } => Err(Against::Shut { until_us: now_us }),
        State::Open { until_us } => Err(Against::Shut { until_us }),
    }
}
