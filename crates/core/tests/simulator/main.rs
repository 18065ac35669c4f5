//! Thousands of days in the life of a route, each from a seed: providers die, dawdle, refuse and come back
//! while requests pour in. What must hold always is asserted on every one of them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a test may be blunt"
)]

mod day;
mod neighbours;
mod world;

use day::{Day, Report};
use nexus_core::{
    fault::Class,
    health::breaker::OPEN_MAX_US,
    policy::{Policy, Rule},
    retry_budget::RetryBudget,
};
use world::{Mood, SECOND_US, Spell, World};

const SEEDS: u64 = 2_000;

fn rule(policy: Policy) -> Rule {
    Rule { policy, ..Rule::default() }
}

/// A day of random providers in random moods under a random policy.
fn random_day(seed: u64) -> Report {
    let mut world = World::new(seed);
    let policy = Policy::ALL[world.dice.roll(5) as usize];
    let providers = 1 + world.dice.roll(5);
    for _ in 0..providers {
        world.add_random();
    }
    let rule = Rule { has_affinity: world.dice.roll(4) == 0, ..rule(policy) };
    let pace = 1 + world.dice.roll(50);
    Day::new(world, rule, pace).run(120)
}

#[test]
fn whatever_happens_everything_ends_within_its_bounds() {
    let (mut requests, mut attempts, mut answered) = (0, 0, 0);
    for seed in 0..SEEDS {
        let report = random_day(seed);
        assert_eq!(report.ended, report.requests, "seed {seed}: a request never ended");
        assert_eq!(
            report.after_permanent, 0,
            "seed {seed}: a target was tried again after a permanent fault"
        );
        assert!(report.late_tries == 0, "seed {seed}: a try began after the client's deadline");
        assert!(report.while_resting == 0, "seed {seed}: a provider was asked that had asked for a rest");
        let bound = report.requests * 11 / 10 + RetryBudget::RESERVE;
        assert!(report.attempts <= bound, "seed {seed}: {report:?}");
        requests += report.requests;
        attempts += report.attempts;
        answered += report.answered;
    }
    println!("{SEEDS} days: {requests} requests, {attempts} attempts, {answered} answered");
}

#[test]
fn the_same_seed_is_the_same_day() {
    for seed in 0..20 {
        assert_eq!(random_day(seed), random_day(seed));
    }
}

#[test]
fn weights_converge_under_load() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let weights: Vec<_> = (0..4).map(|_| 1 + world.dice.roll(20) as u32).collect();
        for weight in &weights {
            world.add(*weight, vec![Spell::new(0, Mood::Good { latency_us: 200_000 })]);
        }
        let report = Day::new(world, rule(Policy::Weighted), 20).run(2_000);
        let total: u32 = weights.iter().sum();
        for (served, weight) in report.served.iter().zip(&weights) {
            let expected = 2_000 * u64::from(*weight) / u64::from(total);
            assert!(served.abs_diff(expected) <= 2, "seed {seed}: {:?} for {weights:?}", report.served);
        }
    }
}

#[test]
fn a_dead_provider_is_left_alone_but_for_probes_and_is_back_within_one_of_its_coming_to_life() {
    let mut openings = 0;
    for seed in 0..12 {
        for policy in Policy::ALL {
            let mut world = World::new(seed);
            let dead_us = (10 + world.dice.roll(100)) * SECOND_US;
            let mood = match world.dice.roll(3) {
                0 => Mood::Failing(Class::Connect),
                1 => Mood::Failing(Class::Internal),
                _ => Mood::Failing(Class::Credential),
            };
            let good = Mood::Good { latency_us: 100_000 };
            world.add(1, vec![Spell::new(0, good), Spell::new(SECOND_US, mood), Spell::new(dead_us, good)]);
            world.add(1, vec![Spell::new(0, good)]);
            world.add(1, vec![Spell::new(0, good)]);
            // long enough that the longest time between two probes passes after it came back
            let report = Day::new(world, rule(policy), 10).run((dead_us + 2 * OPEN_MAX_US) / SECOND_US * 10);
            assert_eq!(report.answered, report.requests, "seed {seed} {policy:?}: {report:?}");
            assert_eq!(
                report.while_shut, 0,
                "seed {seed} {policy:?}: it was asked while its breaker was open"
            );
            let Some(opened) = report.opened_us else { continue };
            openings += 1;
            let until = report.shut_until_at_us(dead_us);
            let back = report.back_us.unwrap();
            assert!(opened < dead_us);
            // requests come ten a second
            assert!(
                back <= until.max(dead_us) + 3 * SECOND_US,
                "seed {seed} {policy:?}: {back} after {until}"
            );
        }
    }
    assert!(openings > 30, "{openings}");
}

#[test]
fn an_outage_of_everything_does_not_multiply_the_traffic() {
    for seed in 0..10 {
        let mut world = World::new(seed);
        for _ in 0..3 {
            world.add(1, vec![Spell::new(0, Mood::Failing(Class::Internal))]);
        }
        let report = Day::new(world, rule(Policy::Weighted), 50).run(5_000);
        let warmed_up = RetryBudget::RESERVE;
        assert!(report.attempts <= 5_000 * 11 / 10 + warmed_up, "seed {seed}: {report:?}");
        assert!(report.attempts >= 5_000, "the last target is never taken out");
    }
}
