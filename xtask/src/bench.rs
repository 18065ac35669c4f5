//! `cargo xtask bench`: what the gateway costs above a plain actix-web + awc pass-through, on one pinned core.
//!
//! Both stand on core 0 before one mock provider on core 1. Each round loads both, in turn (or, with `--duel`, at
//! the same moment), and gives one ratio; the median of the rounds counts. A program's CPU is read once it is at
//! rest again, so that what it does behind its answers is counted. Nothing here is part of `test`: figures of a
//! shared machine are read by people.

mod figures;
mod lab;
mod money;
mod page;

pub(crate) use figures::Cpu;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use crate::instance::{Binaries, Instance, LOOPBACK, Mock, Plan, Profile};
use crate::report::Paint;
use crate::service::{Program, Service};
use crate::workspace::Workspace;
use figures::{Goal, Row};
use lab::{Added, Lab, MEASURED_CORE, OTHER_CORE, Pair, Target};

const LEAST_THROUGHPUT: f64 = 0.70;
const MOST_CHUNK_CPU: f64 = 1.0;
/// With quotas and prices, of the requests a CPU second without them.
const LEAST_WITH_MONEY: f64 = 0.85;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds of each run
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Rounds of each kind of load
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Load both programs at the same moment: steadier on a busy machine
    #[arg(long)]
    duel: bool,
    /// Only this kind of load, and none of the latencies
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(names()))]
    only: Option<String>,
    /// Print JSON also on a terminal
    #[arg(long)]
    json: bool,
    /// End with 1 when a target is missed
    #[arg(long)]
    check: bool,
}

/// A kind of load: the alias at the gateway and the model behind it, which the pass-through is asked for directly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    name: &'static str,
    alias: &'static str,
    model: &'static str,
    is_streamed: bool,
    /// Whether its ratio has a target.
    has_goal: bool,
}

/// The streams that have a target are as long as answers are. What a stream costs beside its chunks is what a
/// whole answer costs; in a short one it outweighs them, which the last row shows.
const KINDS: [Kind; 4] = [
    Kind { name: "whole", alias: "nexus-gpt4", model: "mock-gpt", is_streamed: false, has_goal: true },
    Kind {
        name: "bursts",
        alias: "bursts",
        model: "mock-gpt+events=256+burst=8",
        is_streamed: true,
        has_goal: true,
    },
    Kind {
        name: "spaced",
        alias: "spaced",
        model: "mock-gpt+events=256+delay_ms=between:5",
        is_streamed: true,
        has_goal: true,
    },
    Kind {
        name: "short",
        alias: "short",
        model: "mock-gpt+events=64+burst=8",
        is_streamed: true,
        has_goal: false,
    },
];

impl Kind {
    fn unit(&self) -> &'static str {
        if self.is_streamed { "chunk" } else { "request" }
    }
}

/// All that a run found.
#[derive(Debug, Serialize)]
struct Report {
    rows: Vec<Row>,
    /// The gateway with quotas and prices, in the place of the gateway, and without them.
    #[serde(skip_serializing_if = "Option::is_none")]
    money: Option<Row>,
    goals: Vec<Goal>,
    /// Above the mock provider asked directly, at a quiet rate of requests a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    added_p50_us: Option<Added>,
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
    let pair = Pair {
        gateway: target(&instance.service, instance.url(), &keys.app, true),
        pass_through: target(&service, base, "none", false),
    };
    let direct = target(&mock.service, format!("http://{LOOPBACK}:{}", mock.port), "none", false);
    let lab = Lab { load: binaries.path("nexus-load"), options };
    let is_wanted = |kind: &&Kind| options.only.as_ref().is_none_or(|only| only == kind.name);
    let kinds: Vec<&Kind> = KINDS.iter().filter(is_wanted).collect();
    let rows = kinds.iter().map(|kind| lab.compare(kind, &pair)).collect::<Result<Vec<_>>>()?;
    let added = options.only.is_none().then(|| lab.added(&KINDS[0], &pair, &direct)).transpose()?;
    let money = options.only.as_ref().is_none_or(|only| only == money::NAME);
    let money = money.then(|| money::compare(&lab, &binaries, home.path(), &mock)).transpose()?;
    let goals = goals(&kinds, &rows, money.as_ref());
    let report = Report { goals, money, added_p50_us: added, rows };
    let paint = Paint::for_stdout();
    if options.json || !paint.is_coloured() {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", page::render(&report, paint));
    }
    Ok(!options.check || report.goals.iter().all(Goal::is_met))
}

/// What `--only` may name.
fn names() -> impl Iterator<Item = &'static str> {
    KINDS.map(|kind| kind.name).into_iter().chain([money::NAME])
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

fn goals(kinds: &[&Kind], rows: &[Row], money: Option<&Row>) -> Vec<Goal> {
    let goals = kinds.iter().zip(rows).filter(|(kind, _)| kind.has_goal).map(|(kind, row)| {
        if kind.is_streamed {
            Goal { name: row.kind, ratio: row.cpu.median, at_least: None, at_most: Some(MOST_CHUNK_CPU) }
        } else {
            let ratio = 1.0 / row.cpu.median;
            Goal { name: row.kind, ratio, at_least: Some(LEAST_THROUGHPUT), at_most: None }
        }
    });
    let money = money.map(|row| {
        let ratio = 1.0 / row.cpu.median;
        Goal { name: row.kind, ratio, at_least: Some(LEAST_WITH_MONEY), at_most: None }
    });
    goals.chain(money).collect()
}
