//! Several nodes of one installation on the loopback, with a PostgreSQL and a Redis of their own behind relays, a mock
//! provider that notes what it served, and load.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use xshell::TempDir;

use crate::http;
use crate::instance::{Binaries, Instance, LOOPBACK, Mock, Plan, make_data, write_private};
use crate::postgres::Postgres;
use crate::redis::Redis;
use crate::relay::Relay;
use crate::workspace::Workspace;

const ALIAS: &str = "nexus-gpt4";
/// Connections of the load at a node.
const CONNECTIONS: &str = "32";
/// A node has caught up whose journal is no older, in seconds.
const CAUGHT_UP_S: f64 = 2.0;

/// A running installation. Fields are dropped in this order.
pub(crate) struct Fleet {
    pub nodes: Vec<Instance>,
    pub postgres: Postgres,
    pub redis: Redis,
    pub to_postgres: Relay,
    pub to_redis: Relay,
    mock: Mock,
    binaries: Binaries,
    key: String,
    oracle: PathBuf,
    _home: TempDir,
}

/// What `nexus-load` tells.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Load {
    pub requests: u64,
    pub errors: u64,
    pub p99_us: u64,
}

/// What the ledger has of what the provider served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub served: u64,
    pub lost: u64,
    pub doubled: u64,
}

impl Fleet {
    /// So many nodes. A quota that none of them reaches is shared by all.
    pub(crate) fn start(workspace: &Workspace, binaries: &Binaries, nodes: usize) -> Result<Self> {
        let shell = &workspace.shell;
        let (postgres, redis) = (Postgres::start(workspace)?, Redis::start(shell)?);
        let (to_postgres, to_redis) = (Relay::to(postgres.port)?, Relay::to(redis.port)?);
        let home = shell.create_temp_dir()?;
        let oracle = home.path().join("oracle.jsonl");
        let mock = Mock::start_noting(binaries, home.path(), &oracle)?;
        let config = format!(
            "node: {{ when_alone: allow }}\nproviders:\n{}quotas:\n  - {{ name: shared, subject: model, \
             subject_value: \"{ALIAS}\", measure: requests, window: total, limit: 1000000000 }}\n",
            mock.row(&[(ALIAS, "mock-gpt")])
        );
        let place = postgres.url.replace(&format!(":{}/", postgres.port), &format!(":{}/", to_postgres.port));
        let cache = format!("redis://{LOOPBACK}:{}/0", to_redis.port);
        let (mut started, mut secrets): (Vec<Instance>, Option<PathBuf>) = (Vec::new(), None);
        for number in 0..nodes {
            let folder = home.path().join(format!("node-{number}"));
            make_data(&folder)?;
            let mut plan = Plan::throw_away(binaries, &folder, config.clone())?;
            plan.env = [("DATABASE_URL", place.as_str()), ("REDIS_URL", &cache)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec();
            match &secrets {
                Some(file) => write_private(&plan.secrets_file(), &fs::read_to_string(file)?)?,
                None => secrets = Some(plan.secrets_file()),
            }
            started.push(plan.start()?);
        }
        let first = started.first_mut().context("a fleet has a node")?;
        let key = first.make_keys()?.app;
        let binaries = binaries.clone();
        Ok(Self {
            nodes: started,
            postgres,
            redis,
            to_postgres,
            to_redis,
            mock,
            binaries,
            key,
            oracle,
            _home: home,
        })
    }

    /// Begins a load of so many requests a second in all for so long, shared out to the nodes.
    pub(crate) fn load(&self, rate: u32, time: Duration) -> Result<Vec<Child>> {
        let each = rate.div_ceil(u32::try_from(self.nodes.len()).unwrap_or(1).max(1)).to_string();
        self.nodes.iter().map(|node| self.load_at(node.port(), &each, time)).collect()
    }

    fn load_at(&self, port: u16, rate: &str, time: Duration) -> Result<Child> {
        let mut command = Command::new(self.binaries.path("nexus-load"));
        command.args([
            "--url",
            &format!("http://{LOOPBACK}:{port}/v1"),
            "--model",
            ALIAS,
            "--key",
            &self.key,
        ]);
        command.args(["--rate", rate, "--connections", CONNECTIONS]);
        command.args(["--seconds", &time.as_secs_f64().to_string()]);
        Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
    }

    /// Waits until every node has everything again, and the database what they booked; says how long that took.
    pub(crate) fn catch_up(&self, patience: Duration) -> Result<Duration> {
        let began = Instant::now();
        for node in &self.nodes {
            while !has_caught_up(node) {
                ensure!(began.elapsed() < patience, "a node has not caught up:\n{}", node.log_tail());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(began.elapsed())
    }

    /// Compares the ledger with what the provider served, once nothing is under way; waits for what is missing.
    pub(crate) fn usage(&self, patience: Duration) -> Result<Usage> {
        let began = Instant::now();
        loop {
            let usage = self.compare()?;
            if usage.lost == 0 || began.elapsed() > patience {
                return Ok(usage);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn compare(&self) -> Result<Usage> {
        #[derive(Deserialize)]
        struct Served {
            id: String,
            finished: bool,
        }
        let mut booked: HashMap<String, u64> = HashMap::new();
        for id in self.postgres.query("SELECT provider_request_id FROM usage_attempts")? {
            let count = booked.entry(id.replace("req_", "chatcmpl-")).or_default();
            *count = count.saturating_add(1);
        }
        let mut usage = Usage::default();
        for line in fs::read_to_string(&self.oracle)?.lines() {
            let Served { id, finished } = serde_json::from_str(line)?;
            let count = booked.get(&id).copied().unwrap_or_default();
            usage.served = usage.served.saturating_add(u64::from(finished));
            usage.lost = usage.lost.saturating_add(u64::from(finished && count == 0));
            usage.doubled = usage.doubled.saturating_add(u64::from(count > 1));
        }
        Ok(usage)
    }

    /// Whether the mock provider still runs: without it every figure would be of no use.
    pub(crate) fn is_whole(&mut self) -> Result<bool> {
        Ok(self.mock.service.ended()?.is_none())
    }
}

fn has_caught_up(node: &Instance) -> bool {
    let is_whole = http::ask(node.port(), "/readyz", None).is_ok_and(|(_, text)| text.trim() == "ready");
    let page = http::ask(node.metrics_port(), "/metrics", None).map(|(_, text)| text).unwrap_or_default();
    let age = page.lines().find_map(|line| line.strip_prefix("nexus_usage_journal_age_seconds "));
    is_whole && age.and_then(|age| age.trim().parse::<f64>().ok()).is_some_and(|age_s| age_s <= CAUGHT_UP_S)
}

/// What loads came to together: the worst of the 99th percentiles.
pub(crate) fn ended(loads: Vec<Child>) -> Result<Load> {
    let mut all = Load::default();
    for load in loads {
        let output = load.wait_with_output()?;
        let one: Load = serde_json::from_slice(&output.stdout).context("`nexus-load` printed no report")?;
        all.requests = all.requests.saturating_add(one.requests);
        all.errors = all.errors.saturating_add(one.errors);
        all.p99_us = all.p99_us.max(one.p99_us);
    }
    Ok(all)
}
