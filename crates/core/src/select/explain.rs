//! A choice, explained: every candidate, what speaks for it and what against.

use std::sync::Arc;

use super::{
    Choice, Nobody, Tried, delay,
    passed::Passed,
    verdict::{Against, Ask, judge},
};
use crate::{
    catalogue::{Route, Target},
    flow::Left,
    health::{breaker::State, learned::Learned},
    policy::{Policy, Rule},
};

/// A target as it would be looked at.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub target: Arc<Target>,
    pub against: Option<Against>,
    pub breaker: State,
    /// What the policy compares; see [`Policy`]. `None` where the policy compares nothing or nobody knows.
    pub score: Option<i64>,
    pub in_flight: u32,
    pub cost_nano_usd: Option<u64>,
    /// When its limits have room, in microseconds from now; 0: they have.
    pub wait_us: u64,
    /// What is left of its own limits and its provider's, whichever are tighter.
    pub left: Left,
    /// How many wait for room.
    pub waiting: usize,
    /// What the provider said last is left of its own limits.
    pub learned: Option<Learned>,
}

/// Everything that bears on a choice, and the choice itself.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub policy: Policy,
    /// In the order they are looked at.
    pub candidates: Vec<Candidate>,
    pub choice: Result<Choice, Nobody>,
}

/// Chooses on a copy of the route's turns, so that explaining changes nothing, and says why.
pub fn explain(route: &Route, rule: &Rule, ask: &Ask<'_>, dice: impl FnMut(u64) -> u64) -> Explanation {
    let rehearsed = route.rehearsal();
    Explanation {
        policy: rule.policy,
        candidates: route
            .targets
            .iter()
            .enumerate()
            .map(|(place, target)| candidate(route, place, target, rule, ask))
            .collect(),
        choice: super::choose(&rehearsed, rule, ask, &Tried::default(), &mut Passed::default(), dice),
    }
}

fn candidate(route: &Route, place: usize, target: &Arc<Target>, rule: &Rule, ask: &Ask<'_>) -> Candidate {
    let health = &target.health;
    let cost_nano_usd = (ask.cost_nano_usd)(target);
    let number = |value: u64| Some(i64::try_from(value).unwrap_or(i64::MAX));
    let now_us = ask.now_us;
    let short = target.short(ask.need.tokens(), now_us);
    Candidate {
        target: Arc::clone(target),
        against: judge(target, ask).err(),
        breaker: health.state(ask.now_us),
        score: match rule.policy {
            Policy::Weighted => Some(route.turns.credit(place, target.weight)),
            Policy::LeastLatency => number(delay(health, ask.is_stream, ask.now_us)),
            Policy::LeastBusy => number(u64::from(health.in_flight())),
            Policy::Cheapest => cost_nano_usd.and_then(number),
            Policy::Priority => None,
        },
        in_flight: health.in_flight(),
        cost_nano_usd,
        wait_us: short.and_then(|short| short.wait_us).unwrap_or_default(),
        left: target.limits.left(now_us).tighter(target.provider.limits.left(now_us)),
        waiting: target.line().map_or(0, |line| line.waiting()),
        learned: health.learned(now_us),
    }
}
