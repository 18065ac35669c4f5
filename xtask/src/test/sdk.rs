//! The official SDKs as clients, installed from their registries into `target/sdk` at the pinned versions.
//! Each suite gets a gateway of its own behind each dialect, so that one cannot disturb what the other counts.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use xshell::{Shell, cmd};

use super::scenario::Scenario;
use super::tally::Tally;
use crate::instance::{Binaries, Dialect};
use crate::workspace::Workspace;
use crate::{host, node};

type Suite = fn(&Workspace, &Binaries, &Dialect) -> Result<Tally>;

pub(super) const SUITES: &[(&str, Suite)] = &[("sdk python", python), ("sdk node", javascript)];

fn python(workspace: &Workspace, binaries: &Binaries, dialect: &Dialect) -> Result<Tally> {
    let interpreter = python_with_sdk(workspace)?;
    let scenario = Scenario::start(workspace, binaries, dialect)?;
    let mut command = Command::new(interpreter);
    // `-B`: no bytecode beside the sources.
    command.args(["-B", "-m", "unittest", "discover", "--start-directory", "tests/sdk/python"]);
    scenario.finish(command.current_dir(&workspace.root).envs(scenario.env()), Tally::unittest)
}

fn javascript(workspace: &Workspace, binaries: &Binaries, dialect: &Dialect) -> Result<Tally> {
    let folder = node_with(workspace, "sdk/node")?;
    let scenario = Scenario::start(workspace, binaries, dialect)?;
    let mut command = Command::new("node");
    command.args(["--test", "--test-reporter=spec"]).current_dir(folder).envs(scenario.env());
    scenario.finish(&mut command, Tally::node)
}

/// The interpreter of an environment that has what `requirements.txt` pins.
pub(super) fn python_with_sdk(workspace: &Workspace) -> Result<PathBuf> {
    Ok(python_with(workspace, "sdk/python")?.join("bin/python"))
}

/// An environment in `target/SUITE` with what `tests/SUITE/requirements.txt` pins.
pub(crate) fn python_with(workspace: &Workspace, suite: &str) -> Result<PathBuf> {
    let shell = &workspace.shell;
    let folder = workspace.target.join(suite);
    let requirements = Path::new("tests").join(suite).join("requirements.txt");
    let pins = shell.read_file(&requirements)?;
    if !is_installed(shell, &folder, &pins) {
        host::ensure(shell, &[host::PYTHON])?;
        let interpreter = folder.join("bin/python");
        cmd!(shell, "python3 -m venv --clear {folder}").quiet().run()?;
        let quiet = ["--quiet", "--disable-pip-version-check", "--no-input"];
        cmd!(shell, "{interpreter} -m pip install {quiet...} -r {requirements}").quiet().run()?;
        remember(shell, &folder, &pins)?;
    }
    Ok(folder)
}

/// A folder in `target` with a Node suite of `tests`, and what its lock file pins beside it.
pub(super) fn node_with(workspace: &Workspace, suite: &str) -> Result<PathBuf> {
    let shell = &workspace.shell;
    let folder = workspace.target.join(suite);
    shell.create_dir(&folder)?;
    for file in shell.read_dir(Path::new("tests").join(suite))? {
        shell.copy_file(&file, &folder)?;
    }
    node::install(shell, &folder)?;
    Ok(folder)
}

/// Whether the last complete installation in `folder` was of exactly these pins.
fn is_installed(shell: &Shell, folder: &Path, pins: &str) -> bool {
    shell.read_file(folder.join(".installed")).is_ok_and(|installed| installed == pins)
}

fn remember(shell: &Shell, folder: &Path, pins: &str) -> Result<()> {
    Ok(shell.write_file(folder.join(".installed"), pins)?)
}
