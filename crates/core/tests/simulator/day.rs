//! One day: requests arrive, are tried, wait and end, all on a clock that jumps from event to event.

use std::{cmp::Reverse, collections::BinaryHeap};

use nexus_core::{
    catalogue::Route,
    failover::{Outlook, Plan, Step},
    fault::{Fault, Retry},
    health::{Entry, Seat, breaker::State},
    need::Need,
    policy::Rule,
    retry_budget::RetryBudget,
    select::{Choice, verdict::Ask},
};

use crate::world::{SECOND_US, World};

const TRIES_MAX: u32 = 4;
/// How long clients wait.
const PATIENCE_US: u64 = 30 * SECOND_US;

/// What was seen. The first target's breaker is watched closely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub requests: u64,
    pub ended: u64,
    pub answered: u64,
    pub attempts: u64,
    pub after_permanent: u64,
    pub late_tries: u64,
    pub while_resting: u64,
    /// Attempts at a target whose breaker was open although another's was not.
    pub while_shut: u64,
    /// By the number of the provider.
    pub served: Vec<u64>,
    /// When the first target's breaker opened.
    pub opened_us: Option<u64>,
    /// When it closed for good.
    pub back_us: Option<u64>,
    /// When it was seen open, and until when.
    openings: Vec<(u64, u64)>,
}

impl Report {
    /// Until when the first target's breaker was open at this moment.
    pub fn shut_until_at_us(&self, at_us: u64) -> u64 {
        self.openings.iter().rev().find(|(seen, _)| *seen <= at_us).map_or(0, |(_, until)| *until)
    }
}

struct Request {
    plan: Plan,
    deadline_us: u64,
    /// The attempt under way, and how it will end.
    flying: Option<(Choice, Seat, Result<(), Fault>)>,
    permanent: Vec<usize>,
}

pub struct Day {
    world: World,
    route: Route,
    rule: Rule,
    budget: RetryBudget,
    /// Requests a second.
    pace: u64,
    requests: Vec<Request>,
    /// When something happens to which request, soonest first.
    events: BinaryHeap<Reverse<(u64, usize)>>,
    report: Report,
}

impl Day {
    pub fn new(world: World, rule: Rule, pace: u64) -> Self {
        let route = world.route();
        let report = Report { served: vec![0; route.targets.len()], ..Report::default() };
        Self {
            world,
            route,
            rule,
            budget: RetryBudget::default(),
            pace,
            requests: Vec::new(),
            events: BinaryHeap::new(),
            report,
        }
    }

    pub fn run(mut self, requests: u64) -> Report {
        let mut at_us = 1;
        for number in 0..requests {
            at_us += self.world.dice.roll(2 * SECOND_US / self.pace);
            let deadline_us = at_us + PATIENCE_US;
            let plan = Plan::new(TRIES_MAX, deadline_us);
            self.requests.push(Request { plan, deadline_us, flying: None, permanent: Vec::new() });
            self.events.push(Reverse((at_us, number as usize)));
        }
        self.report.requests = requests;
        let mut arrived = vec![false; self.requests.len()];
        while let Some(Reverse((now_us, number))) = self.events.pop() {
            if !std::mem::replace(&mut arrived[number], true) {
                self.budget.arrive(now_us);
            }
            self.happen(number, now_us);
            self.watch(now_us);
        }
        self.report
    }

    fn happen(&mut self, number: usize, now_us: u64) {
        let mut request = std::mem::replace(
            &mut self.requests[number],
            Request { plan: Plan::new(0, 0), deadline_us: 0, flying: None, permanent: Vec::new() },
        );
        if let Some((choice, mut seat, fate)) = request.flying.take() {
            match fate {
                Ok(()) => {
                    seat.first_token(now_us);
                    seat.answered(10, now_us);
                    let served = self.route.targets[choice.place].provider.name.parse::<usize>().unwrap();
                    self.report.served[served] += 1;
                    self.report.answered += 1;
                    self.report.ended += 1;
                    return request.plan.commit();
                }
                Err(fault) => {
                    seat.failed(&fault, now_us);
                    request.plan.failed(choice, &fault, now_us, |bound| self.world.dice.roll(bound));
                    if fault.retry() != Retry::Anywhere && fault.retry_after_ms.is_none() {
                        request.permanent.push(choice.place);
                    }
                }
            }
        }
        self.step(number, request, now_us);
    }

    fn step(&mut self, number: usize, mut request: Request, now_us: u64) {
        let ask = Ask {
            need: &Need::NOTHING,
            is_stream: true,
            affinity: Some(number as u64 % 7),
            may_use: &|_| true,
            opens: None,
            cost_nano_usd: &|target| target.provider.name.parse().ok(),
            now_us,
        };
        loop {
            let outlook = Outlook { route: &self.route, rule: &self.rule, ask, budget: &self.budget };
            match request.plan.step(&outlook, |bound| self.world.dice.roll(bound)) {
                Step::GiveUp(_) => {
                    self.report.ended += 1;
                    return;
                }
                Step::Pause { us } => {
                    self.events.push(Reverse((now_us + us, number)));
                    break;
                }
                Step::Queue(_) => unreachable!("nothing is limited here"),
                Step::Try(choice) => {
                    self.inspect(&request, choice, now_us);
                    let target = &self.route.targets[choice.place];
                    let Some(seat) = Seat::take(&target.health, true, choice.entry, now_us) else {
                        request.plan.passed_over(choice, "taken");
                        continue;
                    };
                    request.plan.begun(choice);
                    self.report.attempts += 1;
                    let (after_us, fate) = self.world.fate(target, now_us);
                    request.flying = Some((choice, seat, fate));
                    self.events.push(Reverse((now_us + after_us, number)));
                    break;
                }
            }
        }
        self.requests[number] = request;
    }

    /// What must not be: asking whom one must not ask.
    fn inspect(&mut self, request: &Request, choice: Choice, now_us: u64) {
        let health = &self.route.targets[choice.place].health;
        let is_shut = |state: State| matches!(state, State::Open { .. });
        self.report.after_permanent += u64::from(request.permanent.contains(&choice.place));
        self.report.late_tries += u64::from(now_us >= request.deadline_us);
        self.report.while_resting += u64::from(health.rests_until(now_us).is_some());
        let others_are_open = self
            .route
            .targets
            .iter()
            .enumerate()
            .any(|(place, other)| place != choice.place && !is_shut(other.health.state(now_us)));
        let is_odd = is_shut(health.state(now_us)) && others_are_open && request.permanent.is_empty();
        self.report.while_shut +=
            u64::from(is_odd && choice.entry == Entry::Forced && request.plan.tries() == 0);
        self.report.while_shut += u64::from(is_shut(health.state(now_us)) && choice.entry == Entry::Asked);
    }

    fn watch(&mut self, now_us: u64) {
        match self.route.targets[0].health.state(now_us) {
            State::Open { until_us } => {
                self.report.opened_us = self.report.opened_us.or(Some(now_us));
                self.report.back_us = None;
                if self.report.openings.last().is_none_or(|(_, until)| *until != until_us) {
                    self.report.openings.push((now_us, until_us));
                }
            }
            State::Closed if self.report.opened_us.is_some() => {
                self.report.back_us = self.report.back_us.or(Some(now_us));
            }
            State::Closed | State::HalfOpen { .. } => {}
        }
    }
}
