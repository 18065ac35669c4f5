//! `cargo xtask restarts`: one address, handed over from process to process under load as systemd would do it. No request
//! of a client that keeps its connections may fail, and a new program that does not start leaves the old one serving.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use crate::fleet::{Load, ended};
use crate::instance::{
    Binaries, DATA, Instance, LOOPBACK, Mock, Plan, Profile, free_port, make_data, write_private,
};
use crate::workspace::Workspace;

const ALIAS: &str = "nexus-gpt4";
const CONNECTIONS: &str = "64";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often it is handed over
    #[arg(long, default_value_t = 20)]
    pub rounds: u32,
    /// Requests a second
    #[arg(long, default_value_t = 300)]
    pub rate: u32,
    /// Seconds between two
    #[arg(long, default_value_t = 17)]
    pub seconds: u64,
    /// With programs that were not optimised
    #[arg(long)]
    pub debug: bool,
}

impl Options {
    /// Among the tests.
    pub(crate) fn short() -> Self {
        Self { rounds: 2, rate: 50, seconds: 2, debug: true }
    }
}

/// What the processes have in common.
struct Place<'a> {
    binaries: &'a Binaries,
    home: &'a Path,
    config: String,
    socket: Arc<TcpListener>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let profile = if options.debug { Profile::Debug } else { Profile::Release };
    check(workspace, &Binaries::build(workspace, profile)?, options)
}

/// Whether no request failed.
pub(crate) fn check(workspace: &Workspace, binaries: &Binaries, options: &Options) -> Result<bool> {
    let home = workspace.shell.create_temp_dir()?;
    let mock = Mock::start(binaries, home.path(), 0, None)?;
    let config = format!("providers:\n{}", mock.row(&[(ALIAS, "mock-gpt")]));
    let socket = Arc::new(TcpListener::bind((LOOPBACK, 0))?);
    let place = Place { binaries, home: home.path(), config, socket };
    let mut serving = place.process(0)?.start()?;
    let key = serving.make_keys()?.app;
    let pause = Duration::from_secs(options.seconds);
    let load = place.load(&key, options, pause.saturating_mul(options.rounds.saturating_add(1)))?;
    place.fail()?;
    for round in 1..=options.rounds {
        std::thread::sleep(pause);
        serving = hand_over(serving, place.process(round)?)?;
        println!("handed over {round} of {}", options.rounds);
    }
    let Load { requests, errors, p99_us } = ended(vec![load])?;
    let p99_ms = p99_us as f64 / 1000.0;
    let all = requests.saturating_add(errors);
    println!("{errors} failed of {all} requests over {} restarts; p99 {p99_ms:.1} ms", options.rounds);
    Ok(errors == 0 && requests > 0)
}

/// The next process serves before the last one is told to go.
fn hand_over(mut last: Instance, next: Plan) -> Result<Instance> {
    let next = next.start()?;
    let status = last.service.stop()?;
    ensure!(status.success(), "the process that was to go ended with {status}:\n{}", last.log_tail());
    Ok(next)
}

impl Place<'_> {
    /// One of two that take turns: each has a folder of its own, and both have one database.
    fn process(&self, number: u32) -> Result<Plan> {
        let [first, folder] = [0, number % 2].map(|place| self.home.join(format!("process-{place}")));
        make_data(&folder)?;
        let mut plan = Plan::throw_away(self.binaries, &folder, self.config.clone())?;
        (plan.port, plan.metrics_port) = (self.socket.local_addr()?.port(), free_port()?);
        plan.socket = Some(Arc::clone(&self.socket));
        let database = format!("sqlite://{}", first.join(DATA).join("nexus.db").display());
        plan.env = vec![("DATABASE_URL".to_owned(), database)];
        let secrets = first.join(DATA).join("dev.env");
        if number > 0 {
            write_private(&plan.secrets_file(), &std::fs::read_to_string(secrets)?)?;
        }
        Ok(plan)
    }

    /// A process that does not start, beside the one that serves.
    fn fail(&self) -> Result<()> {
        let mut broken = self.process(1)?;
        broken.config = format!("{}no_such_setting: 1\n", self.config);
        ensure!(broken.start().is_err(), "a configuration with an unknown setting was taken");
        Ok(())
    }

    fn load(&self, key: &str, options: &Options, time: Duration) -> Result<Child> {
        let mut command = Command::new(self.binaries.path("nexus-load"));
        let url = format!("http://{LOOPBACK}:{}/v1", self.socket.local_addr()?.port());
        command.args(["--url", &url, "--model", ALIAS, "--key", key, "--connections", CONNECTIONS]);
        command.args(["--rate", &options.rate.to_string(), "--seconds", &time.as_secs().to_string()]);
        Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
    }
}
