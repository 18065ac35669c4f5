//! `cargo xtask costs`: what mixed requests cost, recomputed in Python from what the provider served, to the
//! nano-dollar.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::instance::{Binaries, LOOPBACK, Plan, Profile, free_port};
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Requests, whole and streamed
    #[arg(long, default_value_t = 100_000)]
    pub requests: u32,
    /// Another mix of the same kind
    #[arg(long, default_value_t = 7)]
    pub seed: u32,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let binaries = Binaries::build(workspace, Profile::Debug)?;
    check(workspace, &binaries, options)
}

/// Whether every row and every sum is right.
pub(crate) fn check(workspace: &Workspace, binaries: &Binaries, options: &Options) -> Result<bool> {
    let home = workspace.shell.create_temp_dir()?;
    let port = free_port()?;
    let models = ["plain", "whole", "fee", "unpriced"].map(|model| {
        format!("      - {{ alias: {model}, real_name: {model}, cost_multiplier: \"1.25\" }}\n")
    });
    let config = format!(
        "providers:\n  - name: oracle\n    kind: custom\n    endpoint: \"http://{LOOPBACK}:{port}/v1\"\n    api_key: \"none\"\n    allow_private_network: true\n    models:\n{}",
        models.concat()
    );
    let plan = Plan::throw_away(binaries, home.path(), config)?;
    let database = plan.data().join("nexus.db");
    let mut instance = plan.start()?;
    let (keys, admin) = (instance.make_keys()?, instance.make_platform_key()?);
    let mut python = Command::new("python3");
    python.arg(workspace.root.join("tests/costs/run.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    python.env("GATEWAY", instance.url()).env("PROVIDER_PORT", port.to_string());
    python.env("ADMIN_KEY", admin).env("APP_KEY", keys.app).env("DATABASE", database);
    python.env("REQUESTS", options.requests.to_string()).env("SEED", options.seed.to_string());
    Ok(python.status()?.success())
}
