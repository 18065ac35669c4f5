//! `cargo xtask flood`: what a flood of bad keys does to those who show good ones, their 99th percentile with and
//! without it in one run.
//!
//! Flood, good load and mock provider share a core and the gateway has the other, so the figure holds the clients' own
//! waiting for their core too: it is never better than what a client on a machine of its own would see.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::instance::{Binaries, Mock, Plan, Profile};
use crate::workspace::Workspace;

const GATEWAY_CORE: u32 = 0;
const OTHER_CORE: u32 = 1;
const ALIAS: &str = "nexus-gpt4";
/// Requests a second of the good load.
const RATE: &str = "200";
/// Seconds the flood goes on before and after the good load is measured.
const MARGIN_S: u32 = 1;
/// Nobody's key, in the form of one.
const BAD_KEY: &str = "sk-nexus-0000000000000000000000000000000000000000000000000";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds of each run
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Runs with and without the flood, in turn
    #[arg(long, default_value_t = 3)]
    repetitions: u32,
    /// End with 1 when the 99th percentile is more than this many times its usual
    #[arg(long)]
    most: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Report {
    bad_keys_per_second: f64,
    p99_us_without: f64,
    p99_us_with: f64,
    ratio: f64,
}

/// What `nexus-load` tells.
#[derive(Debug, Deserialize)]
struct Load {
    requests: u64,
    errors: u64,
    p99_us: f64,
    seconds: f64,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let binaries = Binaries::build(workspace, Profile::Release)?;
    let home = workspace.shell.create_temp_dir()?;
    let mock = Mock::start(&binaries, home.path(), 0, Some(OTHER_CORE))?;
    let config = format!("providers:\n{}", mock.row(&[(ALIAS, "mock-gpt")]));
    let mut plan = Plan::throw_away(&binaries, home.path(), config)?;
    plan.core = Some(GATEWAY_CORE);
    let mut instance = plan.start()?;
    let key = instance.make_keys()?.app;
    let (url, binary) = (format!("{}/v1", instance.url()), binaries.path("nexus-load"));
    let good = || load(&binary, &url, &["--key", &key, "--rate", RATE], options.seconds).and_then(finish);
    good()?;
    let (mut calm, mut flooded, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for repetition in 1..=options.repetitions {
        eprintln!("... {repetition}/{}", options.repetitions);
        calm.push(good()?.p99_us);
        let seconds = options.seconds.saturating_add(2 * MARGIN_S);
        let flood = load(&binary, &url, &["--key", BAD_KEY], seconds)?;
        std::thread::sleep(Duration::from_secs(MARGIN_S.into()));
        flooded.push(good()?.p99_us);
        let bad = report(flood)?;
        rates.push(bad.errors as f64 / bad.seconds.max(f64::MIN_POSITIVE));
    }
    let [without, with, rate] = [calm, flooded, rates].map(middle);
    let ratio = with / without;
    let told = Report { bad_keys_per_second: rate, p99_us_without: without, p99_us_with: with, ratio };
    println!("{}", serde_json::to_string_pretty(&told)?);
    Ok(options.most.is_none_or(|most| ratio <= most))
}

fn load(binary: &Path, url: &str, more: &[&str], seconds: u32) -> Result<std::process::Child> {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &OTHER_CORE.to_string()]).arg(binary);
    command.args(["--url", url, "--model", ALIAS, "--connections", "64"]);
    command.args(["--seconds", &seconds.to_string()]).args(more);
    Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
}

fn report(load: std::process::Child) -> Result<Load> {
    let output = load.wait_with_output()?;
    serde_json::from_slice(&output.stdout).context("`nexus-load` printed no report")
}

/// The report of a load that must not fail.
fn finish(load: std::process::Child) -> Result<Load> {
    let load = report(load)?;
    ensure!(load.requests > 0 && load.errors == 0, "{} good requests failed", load.errors);
    Ok(load)
}

/// The middle value; of an even number the upper of the two.
fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_some_values_does_not_depend_on_their_order() {
        for (values, expected) in [(vec![3.0, 1.0, 2.0], 2.0), (vec![5.0], 5.0), (vec![2.0, 1.0], 2.0)] {
            assert_eq!(middle(values), expected);
        }
        assert!(middle(Vec::new()).is_nan());
    }
}
