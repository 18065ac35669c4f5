//! Every decoder over mutated recordings: whatever comes, none panics, and a stream says the same however it is cut.
//!
//! A run is a number of rounds from a fixed seed, so it always does the same. With `NEXUS_FUZZ_SECONDS` it goes on
//! for so long instead, of processor time, from another seed each time; `NEXUS_FUZZ_TARGET` runs one target.
//! `cargo xtask fuzz` sets both. A mutation that fails is printed, and is the begin of a case under `tests/cases`.
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
    /// Of processor time.
    Time(Duration),
}

/// What one run did.
struct Run {
    rounds: usize,
    time: Duration,
    /// The input of the round that failed.
    failed: Option<String>,
}

/// How long this thread has had a processor; without Linux, the time that has passed.
fn processor_time(since: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    nanos.map_or_else(|| since.elapsed(), Duration::from_nanos)
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
            Some(seconds) => Limit::Time(Duration::from_secs(seconds)),
        };
        let ran = run(target, seed, limit);
        if seconds.is_some() {
            let (name, rounds, time) = (&target.name, ran.rounds, ran.time.as_secs_f64());
            eprintln!("{name}: {rounds} executions in {time:.1} s of processor time, seed {seed}");
        }
        failures.extend(ran.failed.map(|input| format!("{} fails on {:?}", target.name, input)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn run(target: &Target, seed: u64, limit: Limit) -> Run {
    let mut mutator = Mutator::new(seed);
    let mut rounds = 0;
    let since = Instant::now();
    let begun = processor_time(since);
    let time = || processor_time(since).saturating_sub(begun);
    loop {
        let is_over = match limit {
            Limit::Rounds(most) => rounds >= most,
            Limit::Time(most) => rounds % 64 == 0 && time() >= most,
        };
        if is_over {
            return Run { rounds, time: time(), failed: None };
        }
        rounds += 1;
        let input = mutator.mutate(&target.seeds);
        let cuts = mutator.cuts(input.len());
        if catch_unwind(AssertUnwindSafe(|| (target.judge)(&input, &cuts))).is_err() {
            let shown = input.iter().flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from);
            return Run { rounds, time: time(), failed: Some(shown.collect()) };
        }
    }
}
