//! Which target next: a pure function of a route and its rule, the health of its targets, what the request
//! needs, the time and the dice.
//!
//! Nothing is allocated, however many targets there are. Targets are looked at tier by tier, and what is
//! said against one ([`verdict::Against`]) is said by the same function when a choice is explained.

pub mod affinity;
pub mod explain;
pub mod passed;
mod pick;
pub mod turns;
pub mod verdict;

use self::{
    passed::Passed,
    pick::Fitting,
    verdict::{Against, Ask},
};
use crate::{
    catalogue::{Route, Target},
    flow::line::WAIT_MAX_US,
    health::{Entry, Health},
    policy::Rule,
};

/// Tries of one request at most.
pub const TRIES_MAX: usize = 8;

/// The targets a request is not to be offered again, by their place in the route: those it was sent to, and
/// those it was passed over at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    places: [Option<usize>; 2 * TRIES_MAX],
}

impl Tried {
    pub fn has(&self, place: usize) -> bool {
        self.places.contains(&Some(place))
    }

    /// Full, it forgets nothing and takes nothing more.
    pub fn add(&mut self, place: usize) {
        if !self.has(place)
            && let Some(free) = self.places.iter_mut().find(|free| free.is_none())
        {
            *free = Some(place);
        }
    }

    pub fn is_full(&self) -> bool {
        self.places.iter().all(Option::is_some)
    }
}

/// A target that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its place in the route.
    pub place: usize,
    pub entry: Entry,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// One will be there at this moment: what stands against it passes.
    Until { until_us: u64, against: Against },
    /// This one has no room now, and soon will: whoever waits in its line gets some.
    Full { choice: Choice, against: Against },
    /// What stands against the last of them does not pass.
    Never(Against),
    /// Those that were not tried are all shut; this one for the shortest time.
    Shut(Choice),
    /// The route has no target left that was not tried.
    Exhausted,
}

/// Chooses, and takes the turn; `passed` gets whom it passed over. `dice(bound)` answers a number below `bound`.
pub fn choose(
    route: &Route,
    rule: &Rule,
    ask: &Ask<'_>,
    tried: &Tried,
    passed: &mut Passed,
    mut dice: impl FnMut(u64) -> u64,
) -> Result<Choice, Nobody> {
    route.compared.compare(route.targets.iter().map(|target| &target.health), ask.now_us);
    let mut rest = Rest::new(ask.now_us, passed);
    for tier in tiers(route) {
        let fitting = Fitting { route, ask, tried, tier };
        let look = fitting.look(&mut rest);
        let picked = match look.probed {
            None if look.count > 0 => pick::pick(&fitting, rule, look, &mut dice),
            probed => probed,
        };
        if let Some(place) = picked {
            return Ok(Choice { place, entry: Entry::Asked });
        }
    }
    rest.choice()
}

/// The places of each tier, in the order tiers are tried.
fn tiers(route: &Route) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut begin = 0;
    route.targets.chunk_by(|a, b| a.rank() == b.rank()).map(move |tier| {
        let end = tier.len().saturating_add(begin);
        std::mem::replace(&mut begin, end)..end
    })
}

/// What is left where no target may be offered. Where none was tried yet, the one that is shut for the
/// shortest time goes all the same: the last target of a route is never taken out.
#[derive(Debug)]
struct Rest<'a> {
    now_us: u64,
    passed: &'a mut Passed,
    has_tried: bool,
    shut: Option<(u64, usize)>,
    /// The one with room soonest, and of those the one for which fewest wait: when, how many, which.
    full: Option<(u64, usize, usize, Against)>,
    later: Option<(u64, Against)>,
    never: Option<Against>,
}

impl<'a> Rest<'a> {
    fn new(now_us: u64, passed: &'a mut Passed) -> Self {
        Self { now_us, passed, has_tried: false, shut: None, full: None, later: None, never: None }
    }

    fn note(&mut self, place: usize, target: &Target, against: Against) {
        // an attempt at one that was tried, or why there was none, is kept already
        if against != Against::Tried {
            self.passed.add(place, against.as_str());
        }
        match against {
            Against::Shut { until_us } => {
                if self.shut.is_none_or(|(soonest, _)| until_us < soonest) {
                    self.shut = Some((until_us, place));
                }
            }
            Against::Resting { until_us } => self.note_later(until_us, against),
            Against::AtLimit { until_us: Some(until_us), .. }
                if until_us > self.now_us.saturating_add(WAIT_MAX_US) =>
            {
                self.note_later(until_us, against);
            }
            Against::AtLimit { until_us, .. } => self.note_full(until_us, place, target, against),
            Against::Queued => self.note_full(None, place, target, against),
            Against::Tried => self.has_tried = true,
            // of a target that is not the caller's nothing is told while there is one that is
            Against::Forbidden if self.never.is_some() => {}
            against => self.never = Some(against),
        }
    }

    fn note_later(&mut self, until_us: u64, against: Against) {
        if self.later.is_none_or(|(soonest, _)| until_us < soonest) {
            self.later = Some((until_us, against));
        }
    }

    fn note_full(&mut self, until_us: Option<u64>, place: usize, target: &Target, against: Against) {
        let until_us = until_us.unwrap_or(self.now_us);
        let waiting = target.line().map_or(0, |line| line.waiting());
        if self.full.is_none_or(|(soonest_us, fewest, ..)| (until_us, waiting) < (soonest_us, fewest)) {
            self.full = Some((until_us, waiting, place, against));
        }
    }

    fn choice(self) -> Result<Choice, Nobody> {
        if let Some((.., place, against)) = self.full {
            return Err(Nobody::Full { choice: Choice { place, entry: Entry::Asked }, against });
        }
        match (self.shut, self.later, self.never) {
            (Some((_, place)), ..) => {
                let choice = Choice { place, entry: Entry::Forced };
                if self.has_tried { Err(Nobody::Shut(choice)) } else { Ok(choice) }
            }
            (None, Some((until_us, against)), _) => Err(Nobody::Until { until_us, against }),
            (None, None, Some(against)) => Err(Nobody::Never(against)),
            (None, None, None) => Err(Nobody::Exhausted),
        }
    }
}

/// What a target costs under the policy that prefers fast ones: slow and busy ones cost more.
fn delay(health: &Health, is_stream: bool, now_us: u64) -> u64 {
    /// What one that nobody knows is taken for once somebody waits for it, in microseconds.
    const UNKNOWN_US: u64 = 1_000_000;
    let waiting = u64::from(health.in_flight());
    match health.pace_us(is_stream, now_us) {
        0 => waiting.saturating_mul(UNKNOWN_US),
        pace_us => pace_us.saturating_mul(waiting.saturating_add(1)),
    }
}

#[cfg(test)]
mod tests;
