//! What a plan tries, where, and when it stops; the dice and the time are given.

use super::*;
use crate::{
    catalogue::Route,
    health::Seat,
    sample::{ask, weighted},
};

const S: u64 = 1_000_000;

struct Bench {
    route: Route,
    rule: Rule,
    budget: RetryBudget,
}

impl Bench {
    fn new(targets: usize) -> Self {
        Self { route: weighted(&vec![1; targets]), rule: Rule::default(), budget: RetryBudget::default() }
    }

    fn outlook(&self, now_us: u64) -> Outlook<'_> {
        Outlook { route: &self.route, rule: &self.rule, ask: ask(now_us), budget: &self.budget }
    }

    /// Lets every try fail with this fault; tells the targets tried, the pauses, and why it ended.
    fn run(&self, plan: &mut Plan, fault: &Fault) -> (Vec<usize>, Vec<u64>, Why) {
        let (mut tried, mut pauses, mut now_us) = (Vec::new(), Vec::new(), S);
        loop {
            match plan.step(&self.outlook(now_us), |bound| bound / 2) {
                Step::Try(choice) => {
                    plan.begun(choice);
                    let health = &self.route.targets[choice.place].health;
                    Seat::take(health, true, Entry::Forced, now_us).unwrap().failed(fault, now_us);
                    plan.failed(choice, fault, now_us, |bound| bound / 2);
                    tried.push(choice.place);
                }
                Step::Pause { us } => {
                    pauses.push(us);
                    now_us += us;
                }
                Step::Queue(_) => panic!("nothing is limited here"),
                Step::GiveUp(why) => return (tried, pauses, why),
            }
        }
    }
}

fn run(targets: usize, tries: u32, fault: &Fault) -> (Vec<usize>, Vec<u64>, Why) {
    Bench::new(targets).run(&mut Plan::new(tries, u64::MAX), fault)
}

#[test]
fn each_target_is_tried_once_before_any_is_tried_again_and_never_more_than_the_limit() {
    let fault = Fault::new(Class::Internal, "no");
    assert_eq!(run(9, 3, &fault), (vec![0, 1, 2], vec![], Why::Tries));
    assert_eq!(run(2, 4, &fault), (vec![0, 1, 0], vec![200_000], Why::Exhausted));
    assert_eq!(run(0, 3, &fault), (vec![], vec![], Why::Exhausted));
    assert_eq!(run(20, 99, &fault).0.len(), TRIES_MAX);
}

#[test]
fn a_callers_mistake_is_not_tried_elsewhere() {
    for class in [Class::BadRequest, Class::ContextLength, Class::ContentFilter, Class::TooLarge] {
        assert_eq!(run(3, 3, &Fault::new(class, "no")), (vec![0], vec![], Why::Exhausted), "{class:?}");
    }
}

#[test]
fn a_target_with_a_permanent_fault_is_never_tried_again() {
    for class in [Class::Credential, Class::Billing, Class::ModelNotFound, Class::Forbidden, Class::Timeout] {
        assert_eq!(run(2, 8, &Fault::new(class, "no")), (vec![0, 1], vec![], Why::Exhausted), "{class:?}");
    }
}

#[test]
fn a_busy_provider_is_asked_again_when_it_said_and_not_at_all_if_that_is_too_long() {
    let after = |wait_ms| Fault { retry_after_ms: Some(wait_ms), ..Fault::new(Class::RateLimited, "no") };
    let (tried, pauses, why) = run(1, 3, &after(1500));
    assert_eq!((tried, pauses, why), (vec![0, 0], vec![1_500_000], Why::Exhausted));
    let (tried, pauses, why) = run(1, 3, &after(2001));
    assert_eq!((tried, pauses), (vec![0], vec![]));
    assert_eq!(why, Why::Exhausted);
}

#[test]
fn who_rests_before_the_first_try_is_waited_for_or_named() {
    let bench = Bench::new(1);
    bench.route.targets[0].health.rest(S, S);
    let step = Plan::new(3, u64::MAX).step(&bench.outlook(S), |_| 0);
    assert_eq!(step, Step::Pause { us: S });
    let hurried = Plan::new(3, 2 * S).step(&bench.outlook(S), |_| 0);
    assert!(matches!(hurried, Step::GiveUp(Why::Later { until_us: 2_000_000, .. })), "{hurried:?}");
    bench.route.targets[0].health.rest(9 * S, S);
    let step = Plan::new(3, u64::MAX).step(&bench.outlook(S), |_| 0);
    assert!(matches!(step, Step::GiveUp(Why::Later { until_us: 10_000_000, .. })), "{step:?}");
}

#[test]
fn no_try_begins_after_the_deadline() {
    let fault = Fault::new(Class::Internal, "no");
    let bench = Bench::new(1);
    let (tried, pauses, _) = bench.run(&mut Plan::new(8, S + 300_000), &fault);
    assert_eq!((tried.len(), pauses), (2, vec![200_000]));
    assert_eq!(Plan::new(3, S).step(&bench.outlook(S), |_| 0), Step::GiveUp(Why::Deadline));
}

#[test]
fn the_budget_pays_for_every_try_but_the_first() {
    let bench = Bench::new(5);
    while bench.budget.take() {}
    let (tried, _, why) = bench.run(&mut Plan::new(5, u64::MAX), &Fault::new(Class::Internal, "no"));
    assert_eq!((tried.len(), why), (1, Why::RetryBudget));
}

#[test]
fn a_target_passed_over_costs_no_try_and_there_is_an_end_to_passing_over() {
    let bench = Bench::new(40);
    let mut plan = Plan::new(1, u64::MAX);
    let mut passed = Vec::new();
    while let Step::Try(choice) = plan.step(&bench.outlook(S), |_| 0) {
        plan.passed_over(choice, "taken");
        passed.push(choice.place);
    }
    assert_eq!((passed.len(), plan.tries()), (2 * TRIES_MAX, 0));
    passed.dedup();
    assert_eq!(passed.len(), 2 * TRIES_MAX, "each once");
}

#[test]
fn where_others_failed_for_good_a_shut_target_is_tried_at_last() {
    let bench = Bench::new(2);
    let fault = Fault::new(Class::Credential, "no");
    Seat::take(&bench.route.targets[1].health, true, Entry::Asked, 1).unwrap().failed(&fault, 1);
    let (tried, _, why) = bench.run(&mut Plan::new(3, u64::MAX), &fault);
    assert_eq!((tried, why), (vec![0, 1], Why::Exhausted));
}

#[test]
fn a_second_attempt_beside_the_first_is_fresh_well_in_time_and_paid_for() {
    let roll = |bound: u64| bound / 2;
    let begun = |bench: &Bench| {
        let mut plan = Plan::new(4, 9 * S);
        let Step::Try(first) = plan.step(&bench.outlook(S), roll) else { panic!("no first") };
        plan.begun(first);
        (plan, first)
    };
    let bench = Bench::new(2);
    let (mut plan, first) = begun(&bench);
    let second = plan.beside(&bench.outlook(S), roll).unwrap();
    assert_ne!(second.place, first.place);
    plan.begun(second);
    assert_eq!(plan.beside(&bench.outlook(S), roll), None, "nobody fresh is left");
    let (mut plan, _) = begun(&bench);
    assert_eq!(plan.beside(&bench.outlook(9 * S), roll), None, "the client's time is over");
    let other = |bench: &Bench, first: Choice| bench.route.targets[1 - first.place].health.clone();
    let (mut plan, first) = begun(&bench);
    other(&bench, first).rest(S, S);
    assert_eq!(plan.beside(&bench.outlook(S), roll), None, "it is to be left alone");
    let bench = Bench::new(2);
    let (mut plan, first) = begun(&bench);
    other(&bench, first).breaker().open(S);
    assert_eq!(plan.beside(&bench.outlook(2 * S), roll), None, "its breaker is open");
    let bench = Bench::new(2);
    let (mut plan, _) = begun(&bench);
    while bench.budget.take() {}
    assert_eq!(plan.beside(&bench.outlook(S), roll), None, "there were too many retries");
}
