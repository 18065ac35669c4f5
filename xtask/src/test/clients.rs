//! What people really use in front of a gateway, each in a small test: libraries, agents and commands, installed from their
//! registries into `target/clients` at the pinned versions. One gateway serves them all.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::scenario::Scenario;
use super::sdk::{node_with, python_with};
use super::tally::Tally;
use crate::instance::{Binaries, OPENAI};
use crate::workspace::Workspace;

type Suite = fn(&Workspace, &Scenario) -> Result<Tally>;

const SUITES: &[(&str, Suite)] = &[
    ("clients python", |workspace, scenario| unittest(workspace, scenario, "clients/python")),
    // these two pin what they need so closely that nothing else fits beside them
    ("clients llama-index", |workspace, scenario| unittest(workspace, scenario, "clients/llama-index")),
    ("clients aider", |workspace, scenario| unittest(workspace, scenario, "clients/aider")),
    ("clients node", javascript),
];

/// Runs every suite; one that cannot be set up is a failed one.
pub(super) fn run(workspace: &Workspace, binaries: &Binaries) -> Vec<(String, Tally)> {
    let scenario = match Scenario::start(workspace, binaries, &OPENAI) {
        Ok(scenario) => scenario,
        Err(error) => return vec![("clients".to_owned(), Tally::broken(&error))],
    };
    let run = |(name, suite): &(&str, Suite)| {
        let tally = suite(workspace, &scenario).unwrap_or_else(|error| Tally::broken(&error));
        ((*name).to_owned(), tally)
    };
    SUITES.iter().map(run).collect()
}

fn unittest(workspace: &Workspace, scenario: &Scenario, suite: &str) -> Result<Tally> {
    let interpreter = python_with(workspace, suite)?.join("bin/python");
    let mut command = Command::new(interpreter);
    // `-B`: no bytecode beside the sources.
    command
        .args(["-B", "-m", "unittest", "discover", "--start-directory"])
        .arg(Path::new("tests").join(suite));
    scenario.finish(command.current_dir(&workspace.root).envs(scenario.env()), Tally::unittest)
}

fn javascript(workspace: &Workspace, scenario: &Scenario) -> Result<Tally> {
    let folder = node_with(workspace, "clients/node")?;
    let mut command = Command::new("node");
    command.args(["--test", "--test-reporter=spec"]).current_dir(folder).envs(scenario.env());
    scenario.finish(&mut command, Tally::node)
}
