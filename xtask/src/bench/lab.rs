//! Runs loads, and reads the clocks of those who bear them.
//!
//! The load generator shares its core with the mock provider and never the one that is measured.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use xshell::{Shell, cmd};

use super::figures::{self, Cpu, Load, Round, Row, Sample};
use super::{Kind, Options};

pub(super) const MEASURED_CORE: u32 = 0;
pub(super) const OTHER_CORE: u32 = 1;
const CONNECTIONS: &str = "64";
const QUIET_RATE: &str = "200";
/// A program is at rest when it has used no more CPU than this for so long.
const REST_S: f64 = 0.02;
const REST: Duration = Duration::from_millis(1200);
const REST_PATIENCE: Duration = Duration::from_secs(60);

/// One of the two programs that are compared, or the mock itself.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub pid: u32,
    pub url: String,
    pub key: String,
    pub uses_alias: bool,
}

/// The two programs.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub gateway: Target,
    pub pass_through: Target,
}

/// Median latencies above the mock's own.
#[derive(Debug, Serialize)]
pub(super) struct Added {
    pub gateway: f64,
    pub pass_through: f64,
}

pub(super) struct Lab<'a> {
    /// The load generator.
    pub load: PathBuf,
    pub options: &'a Options,
}

impl Lab<'_> {
    /// Compares the two in rounds. Which of them is loaded first changes from round to round.
    pub(super) fn compare(&self, kind: &Kind, pair: &Pair) -> Result<Row> {
        let Pair { gateway, pass_through } = pair;
        for target in [gateway, pass_through] {
            self.load(kind, target, 1, None)?;
            at_rest(target)?;
        }
        let mut rounds = Vec::new();
        for number in 1..=self.options.rounds {
            eprintln!("... {} {number}/{}", kind.name, self.options.rounds);
            rounds.push(if self.options.duel {
                self.duel(kind, pair)?
            } else if number % 2 == 1 {
                let gateway = self.sample(kind, gateway)?;
                Round { gateway, pass_through: self.sample(kind, pass_through)? }
            } else {
                let pass_through = self.sample(kind, pass_through)?;
                Round { gateway: self.sample(kind, gateway)?, pass_through }
            });
        }
        Ok(Row::of(kind.name, kind.unit(), &rounds))
    }

    /// Both at the same moment.
    fn duel(&self, kind: &Kind, pair: &Pair) -> Result<Round> {
        std::thread::scope(|scope| {
            let gateway = scope.spawn(|| self.sample(kind, &pair.gateway));
            let pass_through = self.sample(kind, &pair.pass_through)?;
            let Ok(gateway) = gateway.join() else { bail!("a run ended in a panic") };
            Ok(Round { gateway: gateway?, pass_through })
        })
    }

    fn sample(&self, kind: &Kind, target: &Target) -> Result<Sample> {
        let before = cpu(target)?;
        let load = self.load(kind, target, self.options.seconds, None)?;
        let units = if kind.is_streamed { load.chunks } else { load.requests };
        Ok(Sample { cpu: at_rest(target)?.since(before), load, units })
    }

    /// The median latency that each adds to the mock's own, all three asked in turn.
    pub(super) fn added(&self, kind: &Kind, pair: &Pair, direct: &Target) -> Result<Added> {
        let mut latencies = [Vec::new(), Vec::new(), Vec::new()];
        for number in 1..=self.options.rounds.min(3) {
            eprintln!("... latency {number}");
            let targets = [&pair.gateway, &pair.pass_through, direct];
            for (target, latencies) in targets.into_iter().zip(&mut latencies) {
                latencies.push(self.load(kind, target, self.options.seconds, Some(QUIET_RATE))?.p50_us);
            }
        }
        let [gateway, pass_through, own] = latencies.map(figures::median);
        Ok(Added { gateway: gateway - own, pass_through: pass_through - own })
    }

    fn load(&self, kind: &Kind, target: &Target, seconds: u32, rate: Option<&str>) -> Result<Load> {
        let (binary, core, seconds) = (&self.load, OTHER_CORE.to_string(), seconds.to_string());
        let (url, key) = (&target.url, &target.key);
        let model = if target.uses_alias { kind.alias } else { kind.model };
        let stream = kind.is_streamed.then_some("--stream");
        let rate: Vec<&str> = rate.map(|rate| vec!["--rate", rate]).unwrap_or_default();
        let shell = Shell::new()?;
        let load = cmd!(shell, "taskset --cpu-list {core} {binary} --url {url} --connections {CONNECTIONS}");
        let load = load.args(["--seconds", &seconds, "--key", key, "--model", model]).args(stream).args(rate);
        // Secret: its arguments hold a key.
        let text = load.quiet().secret().read()?;
        let load: Load = serde_json::from_str(&text).context("`nexus-load` printed no report")?;
        ensure!(load.requests > 0 && load.errors == 0, "{} failed: {} errors", kind.name, load.errors);
        Ok(load)
    }
}

fn cpu(target: &Target) -> Result<Cpu> {
    Cpu::read(&std::fs::read_to_string(format!("/proc/{}/stat", target.pid))?)
}

/// Waits until the program has nothing more to do, and gives what it has used by then.
fn at_rest(target: &Target) -> Result<Cpu> {
    let began = Instant::now();
    let mut before = cpu(target)?;
    loop {
        std::thread::sleep(REST);
        let now = cpu(target)?;
        if now.since(before).total_s() <= REST_S {
            return Ok(now);
        }
        ensure!(began.elapsed() < REST_PATIENCE, "a program does not come to rest");
        before = now;
    }
}
