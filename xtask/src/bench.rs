//! `cargo xtask bench`: what the gateway costs above a plain actix-web + awc pass-through, on one pinned core.
//!
//! Both stand on core 0 before one mock provider on core 1 and are loaded in turn, A B A B A B; medians are compared.
//! Nothing here is part of `test`: figures of a shared machine are read by people.

mod figures;
mod page;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;
use xshell::{Shell, cmd};

use crate::instance::{Binaries, Instance, LOOPBACK, Mock, Plan, Profile};
use crate::report::Paint;
use crate::service::{Program, Service};
use crate::workspace::Workspace;
use figures::{Cost, Cpu, Goal, Load, Sample};

const MEASURED_CORE: u32 = 0;
const OTHER_CORE: u32 = 1;
const CONNECTIONS: &str = "64";
const QUIET_RATE: &str = "200";
const LEAST_THROUGHPUT: f64 = 0.70;
const MOST_CHUNK_CPU: f64 = 1.0;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds of each run
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Repetitions of each run
    #[arg(long, default_value_t = 3)]
    repetitions: u32,
    /// Print JSON also on a terminal
    #[arg(long)]
    json: bool,
    /// End with 1 when a target is missed
    #[arg(long)]
    check: bool,
}

/// A kind of load: the alias at the gateway and the model behind it, which the pass-through is asked for directly.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    alias: &'static str,
    model: &'static str,
    is_streamed: bool,
}

const KINDS: [Kind; 3] = [
    Kind { name: "whole", alias: "nexus-gpt4", model: "mock-gpt", is_streamed: false },
    Kind { name: "bursts", alias: "bursts", model: "mock-gpt+events=64+burst=8", is_streamed: true },
    Kind {
        name: "spaced",
        alias: "spaced",
        model: "mock-gpt+events=64+delay_ms=between:5",
        is_streamed: true,
    },
];

/// One of the two programs that are compared, or the mock itself.
#[derive(Clone, Debug)]
struct Target {
    pid: u32,
    url: String,
    key: String,
    uses_alias: bool,
}

/// One kind of load on both programs.
#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    unit: &'static str,
    gateway: Cost,
    pass_through: Cost,
}

/// All that a run found.
#[derive(Debug, Serialize)]
struct Report {
    rows: Vec<Row>,
    goals: Vec<Goal>,
    /// Above the mock provider asked directly, at a quiet rate of requests a second.
    added_p50_us: Added,
}

#[derive(Debug, Serialize)]
struct Added {
    gateway: f64,
    pass_through: f64,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let cores = std::thread::available_parallelism()?.get();
    ensure!(cores >= 2, "the benchmark needs two cores, one to measure and one to load; here is {cores}");
    let binaries = Binaries::build(workspace, Profile::Release)?;
    let home = workspace.shell.create_temp_dir()?;
    let mock = Mock::start(&binaries, home.path(), 0, Some(OTHER_CORE))?;
    let mut instance = gateway(&binaries, home.path(), &mock)?;
    let keys = instance.make_keys()?;
    let (service, base) = pass_through(&binaries, home.path(), &mock)?;
    let target = |service: &Service, base: String, key: &str, uses_alias: bool| Target {
        pid: service.pid(),
        url: format!("{base}/v1"),
        key: key.to_owned(),
        uses_alias,
    };
    let gateway = target(&instance.service, instance.url(), &keys.app, true);
    let floor = target(&service, base, "none", false);
    let direct = target(&mock.service, format!("http://{LOOPBACK}:{}", mock.port), "none", false);
    let lab = Lab { shell: &workspace.shell, binaries: &binaries, options };
    let rows = KINDS.iter().map(|kind| lab.compare(kind, &gateway, &floor)).collect::<Result<Vec<_>>>()?;
    let report = Report { goals: goals(&rows), added_p50_us: lab.added(&gateway, &floor, &direct)?, rows };
    let paint = Paint::for_stdout();
    if options.json || !paint.is_coloured() {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", page::render(&report, paint));
    }
    Ok(!options.check || report.goals.iter().all(Goal::is_met))
}

fn gateway(binaries: &Binaries, home: &Path, mock: &Mock) -> Result<Instance> {
    let aliases = KINDS.map(|kind| (kind.alias, kind.model));
    let mut plan = Plan::throw_away(binaries, home, format!("providers:\n{}", mock.row(&aliases)))?;
    plan.flags = ["--workers", "1"].map(str::to_owned).to_vec();
    plan.core = Some(MEASURED_CORE);
    plan.start()
}

/// The reference and its base URL.
fn pass_through(binaries: &Binaries, home: &Path, mock: &Mock) -> Result<(Service, String)> {
    let upstream = format!("http://{LOOPBACK}:{}", mock.port);
    let program = Program {
        name: "nexus-passthrough",
        binary: binaries.path("nexus-passthrough"),
        args: ["--upstream", &upstream].map(str::to_owned).to_vec(),
        env: Vec::new(),
        folder: home.to_owned(),
        log: None,
        core: Some(MEASURED_CORE),
    };
    let (service, greeting) = program.start_and_greet()?;
    let (_, base) =
        greeting.split_once(" on ").context("`nexus-passthrough` did not say where it listens")?;
    Ok((service, base.to_owned()))
}

fn goals(rows: &[Row]) -> Vec<Goal> {
    let goal = |row: &Row| match row.unit {
        "request" => Goal {
            name: row.kind,
            ratio: row.pass_through.total_us / row.gateway.total_us,
            at_least: Some(LEAST_THROUGHPUT),
            at_most: None,
        },
        _ => Goal {
            name: row.kind,
            ratio: row.gateway.total_us / row.pass_through.total_us,
            at_least: None,
            at_most: Some(MOST_CHUNK_CPU),
        },
    };
    rows.iter().map(goal).collect()
}

/// Runs loads and reads the clocks of those who bear them.
struct Lab<'a> {
    shell: &'a Shell,
    binaries: &'a Binaries,
    options: &'a Options,
}

impl Lab<'_> {
    fn compare(&self, kind: &Kind, gateway: &Target, floor: &Target) -> Result<Row> {
        let mut samples = [Vec::new(), Vec::new()];
        for target in [gateway, floor] {
            self.load(kind, target, 1, None)?;
        }
        for repetition in 1..=self.options.repetitions {
            eprintln!("... {} {repetition}/{}", kind.name, self.options.repetitions);
            for (target, samples) in [gateway, floor].into_iter().zip(&mut samples) {
                samples.push(self.sample(kind, target)?);
            }
        }
        let [gateway, pass_through] = samples.map(|samples| Cost::of(&samples));
        let unit = if kind.is_streamed { "chunk" } else { "request" };
        Ok(Row { kind: kind.name, unit, gateway, pass_through })
    }

    fn sample(&self, kind: &Kind, target: &Target) -> Result<Sample> {
        let before = cpu(target.pid)?;
        let load = self.load(kind, target, self.options.seconds, None)?;
        let units = if kind.is_streamed { load.chunks } else { load.requests };
        Ok(Sample { cpu: cpu(target.pid)?.since(before), load, units })
    }

    /// The median latency that each adds to the mock's own, all three asked in turn.
    fn added(&self, gateway: &Target, floor: &Target, direct: &Target) -> Result<Added> {
        let [whole, ..] = KINDS;
        let mut latencies = [Vec::new(), Vec::new(), Vec::new()];
        for repetition in 1..=self.options.repetitions {
            eprintln!("... latency {repetition}/{}", self.options.repetitions);
            for (target, latencies) in [gateway, floor, direct].into_iter().zip(&mut latencies) {
                latencies.push(self.load(&whole, target, self.options.seconds, Some(QUIET_RATE))?.p50_us);
            }
        }
        let [gateway, pass_through, own] = latencies.map(figures::median);
        Ok(Added { gateway: gateway - own, pass_through: pass_through - own })
    }

    fn load(&self, kind: &Kind, target: &Target, seconds: u32, rate: Option<&str>) -> Result<Load> {
        let (shell, core, seconds) = (self.shell, OTHER_CORE.to_string(), seconds.to_string());
        let (binary, url, key) = (self.binaries.path("nexus-load"), &target.url, &target.key);
        let model = if target.uses_alias { kind.alias } else { kind.model };
        let stream = kind.is_streamed.then_some("--stream");
        let rate: Vec<&str> = rate.map(|rate| vec!["--rate", rate]).unwrap_or_default();
        let load = cmd!(shell, "taskset --cpu-list {core} {binary} --url {url} --connections {CONNECTIONS}");
        let load = load.args(["--seconds", &seconds, "--key", key, "--model", model]).args(stream).args(rate);
        // Secret: its arguments hold a key.
        let text = load.quiet().secret().read()?;
        let load: Load = serde_json::from_str(&text).context("`nexus-load` printed no report")?;
        ensure!(load.requests > 0 && load.errors == 0, "{} failed: {} errors", kind.name, load.errors);
        Ok(load)
    }
}

fn cpu(pid: u32) -> Result<Cpu> {
    Cpu::read(&std::fs::read_to_string(format!("/proc/{pid}/stat"))?)
}
