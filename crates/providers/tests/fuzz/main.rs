//! Every decoder over mutated recordings: whatever comes, none panics, and a stream says the same however it is cut.
//!
//! A run is a number of rounds from a fixed seed, so it always does the same. With `NEXUS_FUZZ_SECONDS` it goes on
//! for so long instead, from another seed each time; `NEXUS_FUZZ_TARGET` runs one target. `cargo xtask fuzz` sets
//! both. A mutation that fails is printed, and is the begin of a case under `tests/cases`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test may be blunt; a long run reads the clock and the environment"
)]

#[path = "../suite/frames.rs"]
#[allow(dead_code, reason = "shared with the suite")]
mod frames;
mod mutate;
mod target;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant, SystemTime},
};

use mutate::Mutator;
use target::{Target, targets};

/// Rounds of a run without a limit in time, for each target.
const ROUNDS: usize = 400;

/// How long a run goes on.
enum Limit {
    Rounds(usize),
    Until(Instant),
}

#[test]
fn no_mutation_makes_a_decoder_panic_or_contradict_itself() {
    let seconds = std::env::var("NEXUS_FUZZ_SECONDS").ok().map(|text| text.parse::<u64>().unwrap());
    let wanted = std::env::var("NEXUS_FUZZ_TARGET").ok();
    let all = targets();
    let chosen: Vec<_> =
        all.iter().filter(|target| wanted.as_deref().is_none_or(|wanted| target.name == wanted)).collect();
    let names: Vec<_> = all.iter().map(|target| target.name.as_str()).collect();
    assert!(!chosen.is_empty(), "no such target; there are {}", names.join(", "));
    let mut failures = Vec::new();
    for target in chosen {
        let seed = match seconds {
            None => 1,
            Some(_) => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64,
        };
        let limit = match seconds {
            None => Limit::Rounds(ROUNDS),
            Some(seconds) => Limit::Until(Instant::now() + Duration::from_secs(seconds)),
        };
        let (rounds, failed) = run(target, seed, limit);
        if seconds.is_some() {
            eprintln!("{}: {rounds} rounds from seed {seed}", target.name);
        }
        failures.extend(failed.map(|input| format!("{} fails on {:?}", target.name, input)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// How many rounds there were, and the input of the one that failed.
fn run(target: &Target, seed: u64, limit: Limit) -> (usize, Option<String>) {
    let mut mutator = Mutator::new(seed);
    let mut rounds = 0;
    loop {
        match limit {
            Limit::Rounds(most) if rounds >= most => return (rounds, None),
            Limit::Until(end) if rounds % 64 == 0 && Instant::now() >= end => return (rounds, None),
            _ => {}
        }
        rounds += 1;
        let input = mutator.mutate(&target.seeds);
        let cuts = mutator.cuts(input.len());
        if catch_unwind(AssertUnwindSafe(|| (target.judge)(&input, &cuts))).is_err() {
            let shown = input.iter().flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from);
            return (rounds, Some(shown.collect()));
        }
    }
}
