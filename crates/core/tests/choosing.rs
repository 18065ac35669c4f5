//! Choosing among a thousand targets: nothing is allocated that grows with them. Prints what it takes;
//! `cargo test --release -p nexus-core --test choosing -- --nocapture` for a figure worth having.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a test may be blunt"
)]

use std::{sync::Arc, time::Instant};

use nexus_core::{
    capabilities::Capabilities,
    catalogue::{Provider, Route, Target},
    endpoint::Endpoint,
    failover::{Outlook, Plan, Step},
    flow::Limits,
    health::Health,
    id::{ProviderId, RouteId, Uuid},
    need::{Fit, Need},
    policy::{Policy, Rule},
    retry_budget::RetryBudget,
    select::verdict::Ask,
};

const TARGETS: usize = 1_000;
const ROUNDS: u32 = 100;

fn route(targets: usize) -> Route {
    let target = |number: usize| {
        let id = Uuid::from_u128(number as u128);
        let provider = Provider {
            id: ProviderId(id),
            name: number.to_string().into(),
            kind: "openai".into(),
            endpoint: Endpoint::parse("https://one.example/v1").unwrap(),
            options: Default::default(),
            allow_private_network: false,
            weight: 1,
            limits: Limits::OPEN,
        };
        Arc::new(Target {
            route: RouteId(id),
            provider: Arc::new(provider),
            real_model: "m".into(),
            region: None,
            limits: Limits::OPEN,
            tier: 0,
            weight: 1 + number as u32 % 7,
            fit: Fit::default(),
            cost_multiplier_ppm: None,
            capabilities: Capabilities::default(),
            health: Arc::new(Health::default()),
        })
    };
    Route::new("a".into(), 0, (0..targets).map(target).collect())
}

/// Plans and takes the first step; a fresh time each round.
fn choose(route: &Route, rule: &Rule, budget: &RetryBudget, round: u64) {
    let ask = Ask {
        need: &Need::NOTHING,
        is_stream: true,
        affinity: Some(round),
        may_use: &|_| true,
        opens: None,
        cost_nano_usd: &|target| Some(u64::from(target.weight)),
        now_us: round,
    };
    let outlook = Outlook { route, rule, ask, budget };
    let step = Plan::new(4, u64::MAX).step(&outlook, |bound| round.wrapping_mul(7919) % bound.max(1));
    assert!(matches!(step, Step::Try(_)));
}

/// What a hundred choices allocate, and how long one takes.
fn measured(name: &str, route: &Route, rule: &Rule) -> u64 {
    let budget = RetryBudget::default();
    choose(route, rule, &budget, 0);
    let began = Instant::now();
    let counted = allocation_counter::measure(|| {
        for round in 0..ROUNDS {
            choose(route, rule, &budget, u64::from(round));
        }
    });
    let each_us = began.elapsed().as_micros() / u128::from(ROUNDS);
    println!("{name:>24}: {each_us} us among {} targets", route.targets.len());
    counted.count_total
}

#[test]
fn where_all_but_one_of_a_thousand_are_passed_over_nothing_is_allocated_either() {
    for targets in [10, TARGETS] {
        let route = route(targets);
        let (_last, others) = route.targets.split_last().unwrap();
        for (at, target) in others.iter().enumerate() {
            match at % 2 {
                0 => target.health.rest(60_000_000, 0),
                _ => target.health.breaker().open(0),
            }
        }
        for policy in Policy::ALL {
            let name = format!("{}, one left", policy.as_str());
            assert_eq!(measured(&name, &route, &Rule { policy, ..Rule::default() }), 0, "{name}");
        }
    }
}

#[test]
fn choosing_among_a_thousand_targets_allocates_nothing() {
    let route = route(TARGETS);
    let rules = Policy::ALL.into_iter().map(|policy| Rule { policy, ..Rule::default() });
    let keeping = Rule { has_affinity: true, ..Rule::default() };
    for rule in rules.chain([keeping]) {
        let name = if rule.has_affinity { "affinity" } else { rule.policy.as_str() };
        assert_eq!(measured(name, &route, &rule), 0, "{name}");
    }
}
