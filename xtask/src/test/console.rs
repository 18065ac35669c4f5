//! The console: the tests of its own code, and Chromium before a gateway under load. Pictures of every page are left
//! in `target/screenshots`.

use std::process::Command;

use anyhow::Result;

use super::scenario::Scenario;
use super::sdk::python_with;
use super::tally::Tally;
use crate::console;
use crate::console::WEB;
use crate::instance::{Binaries, OPENAI};
use crate::workspace::Workspace;

type Suite = fn(&Workspace, &Binaries) -> Result<Tally>;

pub(super) const SUITES: &[(&str, Suite)] = &[("console code", code), ("console browser", browser)];

/// Builds the console, which the gateway's programs then embed.
pub(super) fn prepare(workspace: &Workspace) -> Result<()> {
    console::build(workspace)
}

fn code(workspace: &Workspace, _: &Binaries) -> Result<Tally> {
    let mut command = Command::new("npm");
    Tally::of(command.args(["run", "--silent", "test"]).current_dir(workspace.root.join(WEB)), Tally::node)
}

fn browser(workspace: &Workspace, binaries: &Binaries) -> Result<Tally> {
    let folder = console::suite(workspace)?;
    let interpreter = python_with(workspace, "console")?.join("bin/python");
    let scenario = Scenario::start(workspace, binaries, &OPENAI)?;
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .current_dir(folder)
        .envs(scenario.env());
    command.env("NEXUS_PYTHON", interpreter);
    command.env("NEXUS_CANARIES", scenario.canaries()?);
    command.env("NEXUS_SCREENSHOTS", workspace.target.join("screenshots"));
    scenario.finish(&mut command, Tally::node)
}
