//! One of the fitting targets of a tier, by the route's policy. Two walks over the tier at most.

use std::{cmp::Reverse, ops::Range, sync::Arc};

use super::{
    Rest, Tried, affinity, delay,
    verdict::{Against, Ask, Favour, judge},
};
use crate::{
    catalogue::{Route, Target},
    policy::{Policy, Rule},
};

/// A tier of a route, and who may be taken of it.
pub(super) struct Fitting<'a> {
    pub route: &'a Route,
    pub ask: &'a Ask<'a>,
    pub tried: &'a Tried,
    pub tier: Range<usize>,
}

/// What a first walk over a tier found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// How many fit.
    pub count: usize,
    /// Requests under way at those.
    pub in_flight: u64,
    /// One whose breaker waits for a probe.
    pub probed: Option<usize>,
}

impl<'a> Fitting<'a> {
    /// Walks over the tier, and notes what stands against those that do not fit.
    pub fn look(&self, rest: &mut Rest<'_>) -> Look {
        let mut look = Look::default();
        for (place, target) in self.all() {
            match self.judged(place, target) {
                Ok(Favour::Fit) => {
                    look.count = look.count.saturating_add(1);
                    look.in_flight = look.in_flight.saturating_add(u64::from(target.health.in_flight()));
                }
                Ok(Favour::Probe) => {
                    look.probed = Some(place);
                    return look;
                }
                Err(against) => rest.note(place, target, against),
            }
        }
        look
    }

    fn all(&self) -> impl Iterator<Item = (usize, &'a Arc<Target>)> {
        let targets = self.route.targets.get(self.tier.clone()).unwrap_or_default();
        self.tier.clone().zip(targets)
    }

    fn judged(&self, place: usize, target: &Target) -> Result<Favour, Against> {
        if self.tried.has(place) { Err(Against::Tried) } else { judge(target, self.ask) }
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &'a Arc<Target>)> {
        self.all().filter(|(place, target)| self.judged(*place, target) == Ok(Favour::Fit))
    }
}

/// Picks one of at least one that fit.
pub(super) fn pick(
    fitting: &Fitting<'_>,
    rule: &Rule,
    look: Look,
    dice: &mut dyn FnMut(u64) -> u64,
) -> Option<usize> {
    if let Some(key) = fitting.ask.affinity.filter(|_| rule.has_affinity)
        && let Some(place) = kept_together(fitting, look, key)
    {
        return Some(place);
    }
    let (ask, now_us) = (fitting.ask, fitting.ask.now_us);
    match rule.policy {
        Policy::Weighted => {
            fitting.route.turns.take(fitting.iter().map(|(place, target)| (place, target.weight)))
        }
        Policy::Priority => fitting.iter().next().map(|(place, _)| place),
        Policy::LeastLatency => {
            let (one, two) = drawn(look.count, dice);
            let mut among = fitting.iter().enumerate().filter(|(rank, _)| *rank == one || *rank == two);
            let faster = [among.next(), among.next()].into_iter().flatten();
            let delay = |target: &Target| delay(&target.health, ask.is_stream, now_us);
            faster.min_by_key(|(_, (_, target))| delay(target)).map(|(_, (place, _))| place)
        }
        Policy::LeastBusy => {
            let first = dice(look.count as u64);
            let busy = |target: &Target| {
                let scaled = u64::from(target.health.in_flight()).saturating_mul(1 << 20);
                scaled.checked_div(u64::from(target.weight.max(1))).unwrap_or_default()
            };
            turned(fitting, first)
                .min_by_key(|(late, _, target)| (busy(target), *late))
                .map(|(_, place, _)| place)
        }
        Policy::Cheapest => {
            let first = dice(look.count as u64);
            let cost = |target: &Target| (ask.cost_nano_usd)(target).unwrap_or(u64::MAX);
            let dear = |target: &Target| (cost(target), target.health.in_flight());
            turned(fitting, first)
                .min_by_key(|(late, _, target)| (dear(target), *late))
                .map(|(_, place, _)| place)
        }
    }
}

/// Two ranks below `count`, not the same unless there is only one.
fn drawn(count: usize, dice: &mut dyn FnMut(u64) -> u64) -> (usize, usize) {
    let count = count as u64;
    let one = dice(count);
    let other = if count > 1 { dice(count.saturating_sub(1)) } else { one };
    let two = if count > 1 && other >= one { other.saturating_add(1) } else { other };
    (one as usize, two as usize)
}

/// Those that fit, each with whether it comes before `first`, so that equals take turns by the dice.
fn turned<'a>(
    fitting: &'a Fitting<'_>,
    first: u64,
) -> impl Iterator<Item = (Reverse<bool>, usize, &'a Arc<Target>)> {
    fitting
        .iter()
        .enumerate()
        .map(move |(rank, (place, target))| (Reverse(rank as u64 >= first), place, target))
}

/// The highest bidder for a key among those with room.
fn kept_together(fitting: &Fitting<'_>, look: Look, key: u64) -> Option<usize> {
    let has_room = |target: &Target| {
        affinity::has_room(u64::from(target.health.in_flight()), look.in_flight, look.count as u64)
    };
    let bids = fitting.iter().filter(|(_, target)| has_room(target)).map(|(place, target)| {
        let (high, low) = target.route.0.as_u64_pair();
        (affinity::bid(key, high ^ low ^ place_of(target), target.weight), place)
    });
    bids.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, place)| place)
}

/// Regions of one model are told apart.
fn place_of(target: &Target) -> u64 {
    let region = target.region.as_deref().unwrap_or_default();
    region.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
}
