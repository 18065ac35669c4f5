//! `cargo xtask rows`: a ledger of millions of attempts, and how long the administration's totals and the console's pages
//! over it take.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::console;
use crate::instance::{Binaries, Plan, Profile};
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Attempts; ten million take about three gigabytes
    #[arg(long, default_value_t = 10_000_000)]
    rows: u32,
    /// Days they are spread over, up to today
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// End with 1 when a total takes longer, in milliseconds
    #[arg(long, default_value_t = 300)]
    most_ms: u32,
    /// Open the console's pages too, and end with 1 when one takes longer than `--page-most-ms`
    #[arg(long)]
    pages: bool,
    /// Milliseconds until nothing of a page waits any more
    #[arg(long, default_value_t = 1_000)]
    page_most_ms: u32,
    /// Optimised programs, which take long to build
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let profile = if options.release { Profile::Release } else { Profile::Debug };
    if options.pages {
        console::build(workspace)?;
    }
    let binaries = Binaries::build(workspace, profile)?;
    let home = workspace.shell.create_temp_dir()?;
    let plan = Plan::throw_away(&binaries, home.path(), "providers: []\n".to_owned())?;
    let database = plan.data().join("nexus.db");
    let instance = plan.start()?;
    let admin = instance.make_platform_key()?;
    let mut python = Command::new("python3");
    python.arg(workspace.root.join("tests/rows/run.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    python.env("GATEWAY", instance.url()).env("ADMIN_KEY", &admin).env("DATABASE", database);
    python.env("GATEWAY_PID", instance.service.pid().to_string()).env("MOST_MS", options.most_ms.to_string());
    python.env("ROWS", options.rows.to_string()).env("DAYS", options.days.to_string());
    let is_well = python.status()?.success();
    Ok(is_well & (!options.pages || pages(workspace, options, &instance.url(), &admin)?))
}

/// Opens every page in Chromium.
fn pages(workspace: &Workspace, options: &Options, url: &str, admin: &str) -> Result<bool> {
    let folder = console::suite(workspace)?;
    workspace.shell.copy_file("tests/rows/pages.js", &folder)?;
    let mut node = Command::new("node");
    node.arg("pages.js").current_dir(folder).env("NEXUS_URL", url).env("NEXUS_ADMIN_KEY", admin);
    // what the suite would look for on every page: here nothing is planted
    node.env("NEXUS_KEY", admin).env("NEXUS_CANARIES", "{}");
    node.env("PAGE_MOST_MS", options.page_most_ms.to_string());
    Ok(node.status()?.success())
}
