//! What to try next after a fault, until an answer begins or nothing is left.
//!
//! A [`Plan`] is consumed when an answer begins ([`Plan::commit`]): there is no way to ask it for another try
//! after the first byte went out. It ends always: tries and pauses are counted, and time only passes.

use crate::{
    catalogue::Route,
    fault::{Class, Fault, Retry},
    health::Entry,
    policy::Rule,
    retry_budget::RetryBudget,
    select::{self, Choice, Nobody, TRIES_MAX, Tried, passed::Passed, verdict::Ask},
};

/// The longest pause before another try, in microseconds: a client that waits longer had better know.
pub const PAUSE_MAX_US: u64 = 2_000_000;
/// The pause before a target is tried again is drawn below this, doubled each time.
const BACKOFF_US: u64 = 200_000;

/// How often targets are tried again within one request, all together: whoever asked may ask again too.
const AGAIN_MAX: u32 = 1;

/// What the plan says to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send to the target that was chosen.
    Try(Choice),
    /// Wait in the line of the target that was chosen until there is room, then send to it; or pass it over.
    Queue(Choice),
    /// Wait so long, and ask again.
    Pause { us: u64 },
    /// Nothing is left to try.
    GiveUp(Why),
}

/// Why nothing is left to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No other try would help, or no target is left.
    Exhausted,
    /// As many as one request may have.
    Tries,
    /// There were too many retries lately, over all requests.
    RetryBudget,
    /// The client would not wait for it.
    Deadline,
    /// There is a target, but not before this moment; what stands against it is said.
    Later { until_us: u64, against: select::verdict::Against },
    /// Nothing but this stands against the last of the targets, and it does not pass.
    Never(select::verdict::Against),
}

/// What a step is decided by.
pub struct Outlook<'a> {
    pub route: &'a Route,
    pub rule: &'a Rule,
    pub ask: Ask<'a>,
    pub budget: &'a RetryBudget,
}

/// A target that failed this request and may be tried again, from a moment on.
#[derive(Clone, Copy, Debug)]
struct Again {
    place: usize,
    from_us: u64,
}

/// The tries of one request.
#[derive(Debug)]
pub struct Plan {
    tried: Tried,
    /// Those that were passed over before anything was sent to them, and all whom the latest choice passed over.
    left_out: Passed,
    passed: Passed,
    again: [Option<Again>; TRIES_MAX],
    tries: u32,
    tries_max: u32,
    pauses: u32,
    /// Tries at targets that were tried before.
    repeats: u32,
    deadline_us: u64,
    /// A pause that was announced counts as waited.
    waited_until_us: u64,
    is_over: bool,
    /// Whether the next try was paid for out of the budget.
    is_paid: bool,
}

impl Plan {
    /// At most `tries_max` attempts, none of which begins after `deadline_us`.
    pub fn new(tries_max: u32, deadline_us: u64) -> Self {
        Self {
            tried: Tried::default(),
            left_out: Passed::default(),
            passed: Passed::default(),
            again: [None; TRIES_MAX],
            tries: 0,
            tries_max: tries_max.min(TRIES_MAX as u32),
            pauses: 0,
            repeats: 0,
            deadline_us,
            waited_until_us: 0,
            is_over: false,
            is_paid: false,
        }
    }

    /// What to do first, or after [`Plan::failed`]. `dice(bound)` answers a number below `bound`.
    pub fn step(&mut self, outlook: &Outlook<'_>, mut dice: impl FnMut(u64) -> u64) -> Step {
        let now_us = outlook.ask.now_us.max(self.waited_until_us);
        if self.is_over {
            return Step::GiveUp(Why::Exhausted);
        }
        if self.tries >= self.tries_max || self.tried.is_full() {
            return Step::GiveUp(Why::Tries);
        }
        if now_us >= self.deadline_us {
            return Step::GiveUp(Why::Deadline);
        }
        let ask = Ask { now_us, ..outlook.ask };
        self.passed = self.left_out;
        let (route, rule) = (outlook.route, outlook.rule);
        let chosen = select::choose(route, rule, &ask, &self.tried, &mut self.passed, &mut dice);
        let step = match chosen {
            Ok(choice) => Step::Try(choice),
            Err(nobody) => self.second_best(outlook, nobody, now_us),
        };
        match step {
            Step::Try(_) | Step::Queue(_) if self.tries > 0 && !self.is_paid => {
                self.is_paid = outlook.budget.take();
                if self.is_paid { step } else { Step::GiveUp(Why::RetryBudget) }
            }
            step => step,
        }
    }

    /// A fresh target for a second attempt beside the one under way, paid for out of the budget. Nothing is waited for,
    /// and none is asked that is better left alone.
    pub fn beside(&mut self, outlook: &Outlook<'_>, dice: impl FnMut(u64) -> u64) -> Option<Choice> {
        let is_spent = self.is_over || self.tries >= self.tries_max || self.tried.is_full();
        if is_spent || outlook.ask.now_us >= self.deadline_us {
            return None;
        }
        self.passed = self.left_out;
        let Outlook { route, rule, ask, .. } = outlook;
        let chosen = select::choose(route, rule, ask, &self.tried, &mut self.passed, dice).ok()?;
        (chosen.entry == Entry::Asked && outlook.budget.take()).then_some(chosen)
    }

    /// Where no fresh target may be had: one that was tried and may be again, or a pause until either can.
    fn second_best(&mut self, outlook: &Outlook<'_>, nobody: Nobody, now_us: u64) -> Step {
        let soonest = self.again.iter().flatten().min_by_key(|again| again.from_us).copied();
        let soonest = soonest.filter(|_| self.repeats < AGAIN_MAX);
        let again = soonest.map(|again| {
            let target = outlook.route.targets.get(again.place);
            let rests_until_us = target.and_then(|target| target.health.rests_until(now_us));
            Again { from_us: again.from_us.max(rests_until_us.unwrap_or_default()), ..again }
        });
        match (again, nobody) {
            (Some(again), _) if again.from_us <= now_us => {
                Step::Try(Choice { place: again.place, entry: Entry::Forced })
            }
            (_, Nobody::Full { choice, .. }) => Step::Queue(choice),
            (Some(again), Nobody::Until { until_us, .. }) => {
                self.pause(until_us.min(again.from_us), now_us, nobody)
            }
            (Some(again), _) => self.pause(again.from_us, now_us, nobody),
            (None, Nobody::Until { until_us, .. }) => self.pause(until_us, now_us, nobody),
            (None, Nobody::Shut(choice)) => Step::Try(choice),
            (None, Nobody::Never(against)) => Step::GiveUp(Why::Never(against)),
            (None, Nobody::Exhausted) => Step::GiveUp(Why::Exhausted),
        }
    }

    fn pause(&mut self, until_us: u64, now_us: u64, nobody: Nobody) -> Step {
        let us = until_us.saturating_sub(now_us);
        if us > PAUSE_MAX_US || until_us >= self.deadline_us || self.pauses >= self.tries_max {
            return Step::GiveUp(match nobody {
                Nobody::Until { until_us, against } => Why::Later { until_us, against },
                _ => Why::Exhausted,
            });
        }
        self.pauses = self.pauses.saturating_add(1);
        self.waited_until_us = until_us;
        Step::Pause { us }
    }

    /// A try has begun: it counts, and its target is not offered again by itself.
    pub fn begun(&mut self, choice: Choice) {
        self.tries = self.tries.saturating_add(1);
        self.is_paid = false;
        self.repeats = self.repeats.saturating_add(u32::from(self.tried.has(choice.place)));
        self.tried.add(choice.place);
        self.forget(choice.place);
    }

    /// Somebody else took the place that was chosen, or something else in a word stands against it; nothing was sent,
    /// and it costs nothing.
    pub fn passed_over(&mut self, choice: Choice, why: &'static str) {
        self.tried.add(choice.place);
        self.left_out.add(choice.place, why);
    }

    /// Whom the latest choice passed over, and why.
    pub fn passed(&self) -> &Passed {
        &self.passed
    }

    /// Takes note of a failed attempt, as of `now_us`: what no other try would mend ends the plan, and what
    /// would fail at the same target again is not sent there again.
    pub fn failed(&mut self, choice: Choice, fault: &Fault, now_us: u64, mut dice: impl FnMut(u64) -> u64) {
        let asked_us = fault.retry_after_ms.map(|wait_ms| wait_ms.saturating_mul(1000));
        let wait_us = match (fault.retry(), fault.class) {
            (Retry::Never, _) => {
                self.is_over = true;
                return;
            }
            (Retry::Elsewhere, Class::RateLimited) if asked_us.is_some() => asked_us.unwrap_or_default(),
            (Retry::Elsewhere, _) => return,
            (Retry::Anywhere, _) => {
                let bound_us = BACKOFF_US.saturating_mul(1u64.checked_shl(self.tries).unwrap_or(u64::MAX));
                dice(bound_us.min(PAUSE_MAX_US)).max(asked_us.unwrap_or_default())
            }
        };
        let again = Again { place: choice.place, from_us: now_us.saturating_add(wait_us) };
        if let Some(free) = self.again.iter_mut().find(|free| free.is_none()) {
            *free = Some(again);
        }
    }

    fn forget(&mut self, place: usize) {
        for again in &mut self.again {
            if again.is_some_and(|again| again.place == place) {
                *again = None;
            }
        }
    }

    /// How many tries there were.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// An answer has begun; from here on there is no other.
    pub fn commit(self) {}
}

#[cfg(test)]
mod tests;
