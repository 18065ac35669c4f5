//! The administration's description against its answers: Schemathesis drives a gateway over a fresh database.
//!
//! Its cases are made from `openapi.json` alone, seeded and bounded by `tests/rest/schemathesis.toml`, so a run
//! can be repeated. Each operation it finds at fault is a failure.

use std::process::Command;

use anyhow::Result;

use super::scenario::Scenario;
use super::sdk::python_with;
use super::tally::Tally;
use crate::instance::{Binaries, OPENAI};
use crate::workspace::Workspace;

pub(super) fn run(workspace: &Workspace, binaries: &Binaries) -> Result<Tally> {
    let program = python_with(workspace, "rest")?.join("bin/schemathesis");
    let scenario = Scenario::start(workspace, binaries, &OPENAI)?;
    let description = format!("{}/admin/v1/openapi.json", scenario.instance.url());
    let mut command = Command::new(program);
    command.args(["--config-file", "schemathesis.toml", "run", &description]);
    // hooks are looked for where it stands; nothing may be written beside them
    command.current_dir(workspace.root.join("tests/rest"));
    command.envs(scenario.env()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("HYPOTHESIS_STORAGE_DIRECTORY", workspace.target.join("rest/hypothesis"));
    scenario.finish(&mut command, Tally::schemathesis)
}
