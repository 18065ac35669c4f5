//! `cargo xtask flood`: what bad keys cost the gateway, and what a flood of them does to those who show good ones.
//!
//! Flood, good load and mock provider share a core and the gateway has the other. So the 99th percentile holds the
//! clients' own waiting for their core, and no more bad keys come than that core can show, nor than the gateway takes: it
//! answers them at a pace, and who waits shows no more.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::bench::Cpu;
use crate::instance::{Binaries, Instance, Mock, Plan, Profile};
use crate::workspace::Workspace;

const GATEWAY_CORE: u32 = 0;
const OTHER_CORE: u32 = 1;
const ALIAS: &str = "nexus-gpt4";
/// Requests a second of the good load.
const RATE: &str = "200";
/// Seconds the flood goes on before and after the good load is measured.
const MARGIN_S: u32 = 1;

/// Bad keys, and how they come.
struct Flood {
    name: &'static str,
    /// Nobody's key, in the form of one.
    key: &'static str,
    more: &'static [&'static str],
}

const FLOODS: &[Flood] = &[
    Flood {
        name: "one_address",
        key: "sk-nexus-0000000000000000000000000000000000000000000000000",
        more: &["--connections", "64"],
    },
    // past the limit of their address, so that each waits for its answer
    Flood {
        name: "one_address_many_connections",
        key: "sk-nexus-0000000000000000000000000000000000000000000000000",
        more: &["--connections", "4000"],
    },
    // each key is the first ones of its address, so that no limit is reached
    Flood {
        name: "new_addresses",
        key: "sk-nexus-{n}0000000000000000000000000000000000000",
        more: &["--connections", "64", "--each", "10"],
    },
    // and each comes over a connection of its own
    Flood {
        name: "new_addresses_many_connections",
        key: "sk-nexus-{n}0000000000000000000000000000000000000",
        more: &["--connections", "4000", "--each", "1"],
    },
];

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

/// What one kind of flood came to, each figure the middle one of the repetitions.
#[derive(Debug, Serialize)]
struct Report {
    flood: &'static str,
    bad_keys_per_second: f64,
    /// Of the gateway's processor time, by the flood alone.
    us_per_bad_key: f64,
    /// Of the gateway's core, by the flood alone.
    core_share: f64,
    good_p99_us_without: f64,
    good_p99_us_with: f64,
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

/// What is measured with.
struct Bench {
    binary: std::path::PathBuf,
    url: String,
    key: String,
    instance: Instance,
    seconds: u32,
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
    let bench = Bench { binary, url, key, instance, seconds: options.seconds };
    bench.good()?;
    let reports: Vec<Report> =
        FLOODS.iter().map(|flood| bench.report(flood, options.repetitions)).collect::<Result<_>>()?;
    println!("{}", serde_json::to_string_pretty(&reports)?);
    Ok(options.most.is_none_or(|most| reports.iter().all(|report| report.ratio <= most)))
}

impl Bench {
    fn report(&self, flood: &Flood, repetitions: u32) -> Result<Report> {
        let [mut calm, mut flooded, mut rates, mut costs, mut shares] = [const { Vec::new() }; 5];
        for repetition in 1..=repetitions {
            eprintln!("... {} {repetition}/{repetitions}", flood.name);
            calm.push(self.good()?.p99_us);
            let (us, share) = self.cost(flood)?;
            costs.push(us);
            shares.push(share);
            let bad = self.flood(flood, self.seconds.saturating_add(2 * MARGIN_S))?;
            std::thread::sleep(Duration::from_secs(MARGIN_S.into()));
            flooded.push(self.good()?.p99_us);
            rates.push(rate(&report(bad)?));
        }
        let [without, with, rate, us, core_share] = [calm, flooded, rates, costs, shares].map(middle);
        Ok(Report {
            flood: flood.name,
            bad_keys_per_second: rate,
            us_per_bad_key: us,
            core_share,
            good_p99_us_without: without,
            good_p99_us_with: with,
            ratio: with / without,
        })
    }

    /// The gateway's processor time for one bad key, in microseconds, and for all of a second, in seconds.
    fn cost(&self, flood: &Flood) -> Result<(f64, f64)> {
        let before = self.cpu()?;
        let bad = report(self.flood(flood, self.seconds)?)?;
        ensure!(bad.errors > 0, "no bad key was refused");
        let used_s = self.cpu()?.since(before).total_s();
        Ok((used_s * 1e6 / bad.errors as f64, used_s / bad.seconds.max(f64::MIN_POSITIVE)))
    }

    fn cpu(&self) -> Result<Cpu> {
        Cpu::read(&std::fs::read_to_string(format!("/proc/{}/stat", self.instance.service.pid()))?)
    }

    fn flood(&self, flood: &Flood, seconds: u32) -> Result<Child> {
        load(&self.binary, &self.url, &[&["--key", flood.key], flood.more].concat(), seconds)
    }

    /// A good load, no request of which may fail.
    fn good(&self) -> Result<Load> {
        let more = ["--key", &self.key, "--rate", RATE, "--connections", "64"];
        let load = report(load(&self.binary, &self.url, &more, self.seconds)?)?;
        ensure!(load.requests > 0 && load.errors == 0, "{} good requests failed", load.errors);
        Ok(load)
    }
}

fn load(binary: &Path, url: &str, more: &[&str], seconds: u32) -> Result<Child> {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &OTHER_CORE.to_string()]).arg(binary);
    command.args(["--url", url, "--model", ALIAS]);
    command.args(["--seconds", &seconds.to_string()]).args(more);
    Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
}

fn report(load: Child) -> Result<Load> {
    let output = load.wait_with_output()?;
    serde_json::from_slice(&output.stdout).context("`nexus-load` printed no report")
}

fn rate(bad: &Load) -> f64 {
    bad.errors as f64 / bad.seconds.max(f64::MIN_POSITIVE)
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
